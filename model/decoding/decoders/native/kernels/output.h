// From the last layer's states to the best next pieces, without ever holding the logits of a whole vocabulary.
#pragma once

#include "matmul.h"
#include "weights.h"

namespace dragoman {

// The best pieces of one row so far, and what its softmax needs: a running maximum and a running sum.
class RowCandidates {
public:
    void start(int capacity, const uint8_t* is_forbidden, int32_t excluded_id) {
        capacity_ = capacity, count_ = 0, is_forbidden_ = is_forbidden, excluded_id_ = excluded_id;
        highest_ = threshold_ = -INFINITE;
        total_ = Vec{};
        logits_.resize(capacity), ids_.resize(capacity);
    }

    // Takes the logits of num_vectors · LANES neighbouring pieces; ids maps places to pieces where they differ.
    void take(const float* logits, int num_vectors, int first, const int32_t* ids) {
        if (num_vectors == PANEL / LANES) return take_vectors<PANEL / LANES>(logits, first, ids);
        for (int v = 0; v < num_vectors; ++v) take_vectors<1>(logits + v * LANES, first + v * LANES, ids);
    }

    float log_normalizer() const { return highest_ + std::log(sum(total_)); }
    int count() const { return count_; }
    float logit(int rank) const { return logits_[rank]; }
    int32_t id(int rank) const { return ids_[rank]; }

private:
    int capacity_ = 0, count_ = 0;
    const uint8_t* is_forbidden_ = nullptr;  // [vocabulary]
    int32_t excluded_id_ = -1;
    float highest_, threshold_;  // threshold: the worst of a full list; never above `highest`
    Vec total_;
    std::vector<float> logits_;  // best first; of equals the lower piece, which came first
    std::vector<int32_t> ids_;

    template <int VECTORS> void take_vectors(const float* logits, int first, const int32_t* ids) {
        Vec values[VECTORS];
        for (int v = 0; v < VECTORS; ++v) values[v] = load(logits + v * LANES);
        Vec best = values[0];
        for (int v = 1; v < VECTORS; ++v) best = maximum(best, values[v]);
        if (lanes_where(best > splat(threshold_))) {
            raise_highest(greatest(best));
            for (int v = 0; v < VECTORS; ++v) insert_better(values[v], logits + v * LANES, first + v * LANES, ids);
        }
        const Vec offset = splat(-highest_ * LOG2_E);
        for (int v = 0; v < VECTORS; ++v) values[v] = power_of_two(fma(values[v], splat(LOG2_E), offset));
        for (int v = 0; v < VECTORS; ++v) total_ += values[v];
    }

    void raise_highest(float logit) {
        if (!(logit > highest_)) return;
        if (highest_ > -INFINITE) total_ *= power_of_two(splat((highest_ - logit) * LOG2_E));
        highest_ = logit;
    }

    void insert_better(Vec values, const float* logits, int first, const int32_t* ids) {
        for (uint32_t lanes = lanes_where(values > splat(threshold_)); lanes; lanes &= lanes - 1) {
            const int lane = __builtin_ctz(lanes);
            const int32_t id = ids ? ids[first + lane] : first + lane;
            // The threshold may have risen since the lanes were compared with it.
            if (logits[lane] > threshold_ && !is_forbidden_[id] && id != excluded_id_) insert(logits[lane], id);
        }
    }

    void insert(float logit, int32_t id) {
        if (count_ < capacity_) ++count_;
        int place = count_ - 1;
        for (; place > 0 && logits_[place - 1] < logit; --place) {
            logits_[place] = logits_[place - 1];
            ids_[place] = ids_[place - 1];
        }
        logits_[place] = logit, ids_[place] = id;
        if (count_ == capacity_) threshold_ = logits_[capacity_ - 1];
    }
};

// The candidates of num_rows rows. ids: what piece each output of the matrix stands for, or null for its own number.
template <class Precision>
void find_candidates(const typename Precision::Inputs& inputs, int num_rows, const typename Precision::Matrix& matrix,
                     const int32_t* ids, RowCandidates* candidates) {
    multiply<Precision>(inputs, num_rows, matrix,
                        [&](int first, int count, int output, int vectors, const Tile& tile) {
                            for (int r = 0; r < count; ++r)
                                candidates[first + r].take(tile.values + r * PANEL, vectors, output, ids);
                        });
}

// A slot's best extensions over all its rows; see `model.decoding.decoder.Extensions`.
struct Extension {
    double log_prob;
    int32_t parent, token_id;
    bool operator<(const Extension& other) const {  // better first
        if (log_prob != other.log_prob) return log_prob > other.log_prob;
        return parent != other.parent ? parent < other.parent : token_id < other.token_id;
    }
};

inline void merge_candidates(const RowCandidates* candidates, const double* log_probs, int num_beams, int num_wanted,
                             std::vector<Extension>& extensions) {
    extensions.clear();
    for (int beam = 0; beam < num_beams; ++beam) {
        const float normalizer = candidates[beam].log_normalizer();
        if (!std::isfinite(normalizer)) continue;  // of a broken network: NaN has no place in an order
        for (int rank = 0; rank < candidates[beam].count(); ++rank)
            extensions.push_back({log_probs[beam] + (candidates[beam].logit(rank) - normalizer), beam,
                                  candidates[beam].id(rank)});
    }
    const int count = std::min<int>(num_wanted, extensions.size());
    std::partial_sort(extensions.begin(), extensions.begin() + count, extensions.end());
    extensions.resize(count);
}

}  // namespace dragoman

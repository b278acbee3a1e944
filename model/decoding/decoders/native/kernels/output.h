// From the last layer's states to the best next pieces, without ever holding the logits of a whole vocabulary.
#pragma once

#include "matmul.h"
#include "weights.h"

namespace dragoman {

// Pieces in ascending order.
struct PieceList {
    const int32_t *first = nullptr, *last = nullptr;

    bool holds(int32_t id) const { return first != last && std::binary_search(first, last, id); }
};

// The best pieces of one row so far, the logits that were asked for, and what the row's softmax needs: a running maximum
// and a running sum.
class RowCandidates {
public:
    // capacity: how many of the best are kept, 0 for none. is_forbidden: [vocabulary], or null where nothing is.
    // excluded: not among the best. wanted: whose logits are kept besides. allowed_ids: the pieces that the outputs stand
    // for, ascending; none where each stands for its own number.
    void start(int capacity, const uint8_t* is_forbidden, PieceList excluded, PieceList wanted, int32_t eos_id,
               PieceList allowed_ids) {
        capacity_ = capacity, count_ = 0, is_forbidden_ = is_forbidden, excluded_ = excluded;
        highest_ = threshold_ = -INFINITE;
        total_ = Vec{};
        logits_.resize(capacity), ids_.resize(capacity);
        asked_.clear(), next_ = 0;
        wanted_.assign(wanted.last - wanted.first, -INFINITE);
        for (const int32_t* id = wanted.first; id != wanted.last; ++id)
            if (!is_forbidden || !is_forbidden[*id]) ask(*id, static_cast<int>(id - wanted.first), allowed_ids);
        end_logit_ = -INFINITE, end_place_ = -1;
        if (!is_forbidden || !is_forbidden[eos_id]) end_place_ = place_of(eos_id, allowed_ids);
    }

    // Takes the logits of num_vectors · LANES neighbouring outputs; ids maps outputs to pieces where they differ. Outputs
    // come in ascending order.
    void take(const float* logits, int num_vectors, int first, const int32_t* ids) {
        const int last = first + num_vectors * LANES;
        if (end_place_ >= first && end_place_ < last) end_logit_ = logits[end_place_ - first];
        for (; next_ < asked_.size() && asked_[next_].place < last; ++next_)
            wanted_[asked_[next_].index] = logits[asked_[next_].place - first];
        if (num_vectors == PANEL / LANES) return take_vectors<PANEL / LANES>(logits, first, ids);
        for (int v = 0; v < num_vectors; ++v) take_vectors<1>(logits + v * LANES, first + v * LANES, ids);
    }

    float log_normalizer() const { return highest_ + std::log(sum(total_)); }
    int count() const { return count_; }
    bool is_stuck() const { return capacity_ && !count_ && end_logit_ > -INFINITE; }  // may end whatever the rules say
    float logit(int rank) const { return logits_[rank]; }
    int32_t id(int rank) const { return ids_[rank]; }
    bool holds(int32_t id) const { return std::find(ids_.begin(), ids_.begin() + count_, id) != ids_.begin() + count_; }
    float end_logit() const { return end_logit_; }
    // The log probability of a hypothesis with a piece of this logit; NaN where the network is broken.
    double extended(double log_prob, float logit) const {
        const float normalizer = log_normalizer();
        return std::isfinite(normalizer) ? log_prob + (logit - normalizer) : std::numeric_limits<double>::quiet_NaN();
    }
    const std::vector<float>& wanted() const { return wanted_; }  // -∞ for what is impossible

private:
    struct Asked {
        int place, index;
    };

    int capacity_ = 0, count_ = 0;
    const uint8_t* is_forbidden_ = nullptr;
    PieceList excluded_;
    float highest_, threshold_;  // threshold: the worst of a full list; never above `highest`
    Vec total_;
    std::vector<float> logits_;  // best first; of equals the lower piece, which came first
    std::vector<int32_t> ids_;
    std::vector<Asked> asked_;  // by place
    size_t next_ = 0;  // of asked_
    std::vector<float> wanted_;
    float end_logit_ = 0;
    int end_place_ = -1;

    static int place_of(int32_t id, PieceList allowed_ids) {
        if (allowed_ids.first == allowed_ids.last) return id;
        const int32_t* found = std::lower_bound(allowed_ids.first, allowed_ids.last, id);
        return found != allowed_ids.last && *found == id ? static_cast<int>(found - allowed_ids.first) : -1;
    }
    void ask(int32_t id, int index, PieceList allowed_ids) {
        const int place = place_of(id, allowed_ids);
        if (place >= 0) asked_.push_back({place, index});
    }

    template <int VECTORS> void take_vectors(const float* logits, int first, const int32_t* ids) {
        Vec values[VECTORS];
        for (int v = 0; v < VECTORS; ++v) values[v] = load(logits + v * LANES);
        Vec best = values[0];
        for (int v = 1; v < VECTORS; ++v) best = maximum(best, values[v]);
        if (lanes_where(best > splat(threshold_))) {
            raise_highest(greatest(best));
            for (int v = 0; capacity_ && v < VECTORS; ++v) insert_better(values[v], logits + v * LANES, first + v * LANES, ids);
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
            if (logits[lane] > threshold_ && !(is_forbidden_ && is_forbidden_[id]) && !excluded_.holds(id))
                insert(logits[lane], id);
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

// All extensions of a slot by its rows' candidates, in no order.
inline void gather_extensions(const RowCandidates* candidates, const double* log_probs, int beam_size, int32_t eos_id,
                              std::vector<Extension>& extensions) {
    extensions.clear();
    for (int beam = 0; beam < beam_size; ++beam) {
        const float normalizer = candidates[beam].log_normalizer();
        if (!std::isfinite(normalizer)) continue;  // of a broken network: NaN has no place in an order
        for (int rank = 0; rank < candidates[beam].count(); ++rank)
            extensions.push_back({log_probs[beam] + (candidates[beam].logit(rank) - normalizer), beam,
                                  candidates[beam].id(rank)});
        if (candidates[beam].is_stuck())
            extensions.push_back({log_probs[beam] + (candidates[beam].end_logit() - normalizer), beam, eos_id});
    }
}

inline void keep_best(int num_wanted, std::vector<Extension>& extensions) {
    const int count = std::min<int>(num_wanted, extensions.size());
    std::partial_sort(extensions.begin(), extensions.begin() + count, extensions.end());
    extensions.resize(count);
}

}  // namespace dragoman

// The decoder as Python sees it: slots, and what is done for all of them together. It works on the caller's thread; more
// threads have a replica each, which shares its weights and waits for nobody.
#pragma once

#include "checks.h"
#include "output.h"

namespace dragoman {

constexpr int ENCODED_ROWS = 256;  // rows that are encoded together: enough for the matrix products, few enough
                                   // for their results to stay in the cache

class Decoder {
public:
    virtual ~Decoder() = default;
    virtual std::unique_ptr<Decoder> replicate(int max_slots) const = 0;
    virtual void admit(const Admission* admissions, int count) = 0;
    virtual void advance(const Rows& rows) = 0;
    virtual void extend(const Rows& rows, const int32_t* which, int count, int capacity, double* log_probs,
                        int32_t* parents, int32_t* token_ids) = 0;
    virtual void log_probs(const Rows& rows, const int32_t* which, int count, float* results) = 0;
    virtual const float* attention(int slot) const = 0;
    virtual void release(int slot) = 0;
};

template <class Precision> class PreciseDecoder : public Decoder {
public:
    PreciseDecoder(std::shared_ptr<const Weights<Precision>> weights, int max_slots)
        : weights_(std::move(weights)), shape_(weights_->shape), slots_(max_slots) {}

    std::unique_ptr<Decoder> replicate(int max_slots) const override {
        return std::make_unique<PreciseDecoder>(weights_, max_slots);
    }

    void admit(const Admission* admissions, int count) override {
        for (int i = 0; i < count; ++i) check_admission(admissions[i], shape_, static_cast<int>(slots_.size()));
        std::vector<Sentence> sentences;
        int num_rows = 0;
        for (int i = 0; i < count; ++i) {
            prepare_slot(admissions[i]);
            sentences.push_back({admissions[i].source_ids, admissions[i].source_length, admissions[i].slot});
            num_rows += admissions[i].source_length;
            if (i + 1 < count && num_rows + admissions[i + 1].source_length <= ENCODED_ROWS) continue;
            encode(*weights_, sentences, slots_.data(), space_);
            sentences.clear();
            num_rows = 0;
        }
    }

    void advance(const Rows& rows) override {
        check_rows(rows, shape_, slots_, weights_->num_positions);
        for (int i = 0; i < rows.num_slots; ++i)
            slots_[rows.slots[i]].reserve(shape_, rows.positions[i], pages_);
        float* states = states_.reserve(static_cast<size_t>(rows.offsets[rows.num_slots]) * shape_.width());
        Step<Precision>(*weights_, slots_.data(), rows, space_).run(states);
    }

    void extend(const Rows& rows, const int32_t* which, int count, int capacity, double* log_probs, int32_t* parents,
                int32_t* token_ids) override {
        check_indices("fed slot number", which, count, rows.num_slots);
        find(rows, which, count);
        const RowCandidates* candidates = candidates_.data();
        for (int i = 0; i < count; ++i) {
            merge_candidates(candidates, rows.log_probs + rows.offsets[which[i]], num_rows(rows, which[i]),
                             rows.num_extensions[which[i]], extensions_);
            for (int rank = 0; rank < capacity; ++rank) {
                const bool is_there = rank < static_cast<int>(extensions_.size());
                const size_t place = static_cast<size_t>(i) * capacity + rank;
                log_probs[place] = is_there ? extensions_[rank].log_prob : -INFINITE;
                parents[place] = is_there ? extensions_[rank].parent : 0;
                token_ids[place] = is_there ? extensions_[rank].token_id : 0;
            }
            candidates += num_rows(rows, which[i]);
        }
    }

    void log_probs(const Rows& rows, const int32_t* which, int count, float* results) override {
        check_indices("fed slot number", which, count, rows.num_slots);
        const int vocab_size = shape_.target_vocab_size;
        for (int i = 0; i < count; ++i) {
            const Slot<Precision>& slot = slots_[rows.slots[which[i]]];
            write_logits(rows, which[i], slot, results);
            for (int r = 0; r < num_rows(rows, which[i]); ++r, results += vocab_size)
                normalize(results, slot.is_forced);
        }
    }

    const float* attention(int slot) const override { return slots_[slot].attention.data(); }
    void release(int slot) override { slots_[slot].release(pages_); }

private:
    const std::shared_ptr<const Weights<Precision>> weights_;
    const Shape& shape_;
    std::vector<Slot<Precision>> slots_;
    PagePool<typename Precision::Cached> pages_;
    Buffer<float> states_;  // [R][width], the last layer's
    Workspace<Precision> space_;
    std::vector<RowCandidates> candidates_;
    std::vector<Extension> extensions_;

    static int num_rows(const Rows& rows, int i) { return rows.offsets[i + 1] - rows.offsets[i]; }

    void prepare_slot(const Admission& admission) {
        Slot<Precision>& slot = slots_[admission.slot];
        slot.release(pages_);
        slot.source_length = admission.source_length;
        slot.padded_length = Shape::padded(admission.source_length);
        slot.num_beams = admission.num_beams;
        slot.keeps_attention = admission.keeps_attention;
        slot.is_forced = admission.is_forced;
        slot.source = pages_.take(shape_.num_decoder_layers * slot.source_layer_size(shape_));
        if (!admission.allowed_ids) return;
        slot.allowed_ids.assign(admission.allowed_ids, admission.allowed_ids + admission.num_allowed);
        slot.allowed_output = typename Precision::Matrix(admission.num_allowed, shape_.width());
        slot.allowed_output.take(weights_->output, weights_->output_rows->rows(), slot.allowed_ids.data());
        const std::vector<float> nothing(shape_.width(), 0.0f);
        for (int i = admission.num_allowed; i % LANES; ++i)
            slot.allowed_output.set_row(i, nothing.data(), 1.0f, -INFINITE);
    }

    // Makes the states of the slots which[first .. last) the inputs of the output projection.
    void prepare_states(const Rows& rows, const int32_t* which, int first, int last) {
        const int width = shape_.width();
        int count = 0;
        for (int i = first; i < last; ++i) count += num_rows(rows, which[i]);
        float* states = space_.states.reserve(static_cast<size_t>(count) * width);
        float* to = states;
        for (int i = first; i < last; ++i) {
            const size_t size = static_cast<size_t>(num_rows(rows, which[i])) * width;
            std::memcpy(to, states_.data() + static_cast<size_t>(rows.offsets[which[i]]) * width, size * sizeof(float));
            to += size;
        }
        space_.inputs.prepare(states, count, width);
    }

    // Fills candidates_ for the rows of the given slots.
    void find(const Rows& rows, const int32_t* which, int num_slots) {
        int count = 0;
        for (int i = 0; i < num_slots; ++i) {
            const int32_t excluded = rows.can_end[which[i]] ? -1 : shape_.eos_id;
            for (int r = 0; r < num_rows(rows, which[i]); ++r) {
                if (count == static_cast<int>(candidates_.size())) candidates_.emplace_back();
                candidates_[count++].start(rows.num_extensions[which[i]], weights_->is_forbidden.data(), excluded);
            }
        }
        RowCandidates* own = candidates_.data();
        for (int i = 0; i < num_slots;) {  // neighbours that share the whole vocabulary go together
            const Slot<Precision>& slot = slots_[rows.slots[which[i]]];
            const bool is_whole = slot.allowed_ids.empty();
            int end = i + 1;
            while (is_whole && end < num_slots && slots_[rows.slots[which[end]]].allowed_ids.empty()) ++end;
            prepare_states(rows, which, i, end);
            int num_own = 0;
            for (; i < end; ++i) num_own += num_rows(rows, which[i]);
            find_candidates<Precision>(space_.inputs, num_own, is_whole ? weights_->output : slot.allowed_output,
                                       is_whole ? nullptr : slot.allowed_ids.data(), own);
            own += num_own;
        }
    }

    void write_logits(const Rows& rows, int i, const Slot<Precision>& slot, float* results) {
        const int vocab_size = shape_.target_vocab_size, count = num_rows(rows, i);
        const int32_t which[] = {i};
        prepare_states(rows, which, 0, 1);
        const bool is_whole = slot.allowed_ids.empty();
        if (!is_whole) std::fill(results, results + static_cast<size_t>(count) * vocab_size, -INFINITE);
        const typename Precision::Matrix& matrix = is_whole ? weights_->output : slot.allowed_output;
        multiply<Precision>(space_.inputs, count, matrix,
                            [&](int first, int rows_of_tile, int output, int vectors, const Tile& tile) {
                                const int last = std::min(output + vectors * LANES, matrix.num_outputs);
                                for (int r = 0; r < rows_of_tile; ++r)
                                    for (int j = output; j < last; ++j)
                                        results[static_cast<size_t>(first + r) * vocab_size +
                                                (is_whole ? j : slot.allowed_ids[j])] =
                                            tile.values[r * PANEL + j - output];
                            });
    }

    void normalize(float* logits, bool is_forced) const {
        const int vocab_size = shape_.target_vocab_size;
        float highest = -INFINITE;
        for (int i = 0; i < vocab_size; ++i) highest = std::max(highest, logits[i]);
        Vec total = Vec{};
        for (int i = 0; i < vocab_size; i += LANES) {
            float rest[LANES];
            for (int lane = 0; lane < LANES; ++lane)
                rest[lane] = i + lane < vocab_size ? logits[i + lane] - highest : -INFINITE;
            total += power_of_two(load(rest) * LOG2_E);
        }
        const float normalizer = highest + std::log(sum(total));
        for (int i = 0; i < vocab_size; ++i)
            logits[i] = weights_->is_forbidden[i] && !is_forced ? -INFINITE : logits[i] - normalizer;
    }
};

}  // namespace dragoman

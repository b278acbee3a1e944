// The decoder as Python sees it: slots, and the sharing of every call's work among threads. A thread takes whole
// sentences through the whole network, so that no two ever wait for each other within a call.
#pragma once

#include "output.h"
#include "step.h"
#include "threads.h"

namespace dragoman {

struct Admission {
    int32_t slot;
    const int32_t* source_ids;
    int32_t source_length, num_beams;
    const int32_t* allowed_ids;  // null: all pieces
    int32_t num_allowed, keeps_attention;
};

constexpr int ENCODED_ROWS = 256;  // rows that a thread encodes together: enough for the matrix products, few enough
                                   // for their results to stay in its cache

class Decoder {
public:
    virtual ~Decoder() = default;
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
    PreciseDecoder(const Shape& shape, const TensorTable& table, const Tensor& position_encodings,
                   const uint8_t* is_forbidden, int max_slots, int num_threads)
        : weights_(shape, table, position_encodings), shape_(weights_.shape), threads_(num_threads), is_forbidden_(is_forbidden, is_forbidden + shape.target_vocab_size), slots_(max_slots), spaces_(num_threads),
          candidates_(num_threads), extensions_(num_threads) {}

    void admit(const Admission* admissions, int count) override {
        std::vector<std::vector<Sentence>> chunks;
        int num_rows = ENCODED_ROWS, total = 0;
        for (int i = 0; i < count; ++i) total += admissions[i].source_length;
        const int rows_of_chunk = std::min(ENCODED_ROWS, (total + threads_.num_threads() - 1) / threads_.num_threads());
        for (int i = 0; i < count; ++i) {
            prepare_slot(admissions[i]);
            if (chunks.empty() || num_rows + admissions[i].source_length / 2 > rows_of_chunk) {
                chunks.emplace_back();
                num_rows = 0;
            }
            chunks.back().push_back({admissions[i].source_ids, admissions[i].source_length, admissions[i].slot});
            num_rows += admissions[i].source_length;
        }
        const int num_chunks = static_cast<int>(chunks.size());
        threads_.run(num_chunks, [&](int chunk, int thread) { encode(weights_, chunks[chunk], slots_.data(), spaces_[thread]); });
    }

    void advance(const Rows& rows) override {
        for (int i = 0; i < rows.num_slots; ++i)
            slots_[rows.slots[i]].reserve(shape_, rows.positions[i], pages_);
        float* states = states_.reserve(static_cast<size_t>(rows.offsets[rows.num_slots]) * shape_.width());
        const std::vector<int> bounds = share(rows.num_slots, [&](int i) { return rows.offsets[i + 1] - rows.offsets[i]; });
        threads_.run(static_cast<int>(bounds.size()) - 1, [&](int part, int thread) {
            Step<Precision>(weights_, slots_.data(), rows, bounds[part], bounds[part + 1], spaces_[thread]).run(states);
        });
    }

    void extend(const Rows& rows, const int32_t* which, int count, int capacity, double* log_probs, int32_t* parents,
                int32_t* token_ids) override {
        const std::vector<int> bounds = share(count, [&](int i) { return num_rows(rows, which[i]); });
        threads_.run(static_cast<int>(bounds.size()) - 1, [&](int part, int thread) {
            find(rows, which, bounds[part], bounds[part + 1], thread);
            const RowCandidates* candidates = candidates_[thread].data();
            for (int i = bounds[part]; i < bounds[part + 1]; ++i) {
                std::vector<Extension>& best = extensions_[thread];
                merge_candidates(candidates, rows.log_probs + rows.offsets[which[i]], num_rows(rows, which[i]),
                                 rows.num_extensions[which[i]], best);
                for (int rank = 0; rank < capacity; ++rank) {
                    const bool is_there = rank < static_cast<int>(best.size());
                    const size_t place = static_cast<size_t>(i) * capacity + rank;
                    log_probs[place] = is_there ? best[rank].log_prob : -INFINITE;
                    parents[place] = is_there ? best[rank].parent : 0;
                    token_ids[place] = is_there ? best[rank].token_id : 0;
                }
                candidates += num_rows(rows, which[i]);
            }
        });
    }

    void log_probs(const Rows& rows, const int32_t* which, int count, float* results) override {
        const int vocab_size = shape_.target_vocab_size;
        std::vector<int> first_rows(1, 0);
        for (int i = 0; i < count; ++i) first_rows.push_back(first_rows.back() + num_rows(rows, which[i]));
        threads_.run(count, [&](int i, int thread) {
            const Slot<Precision>& slot = slots_[rows.slots[which[i]]];
            float* result = results + static_cast<size_t>(first_rows[i]) * vocab_size;
            write_logits(rows, which[i], slot, result, spaces_[thread]);
            for (int r = 0; r < num_rows(rows, which[i]); ++r) normalize(result + static_cast<size_t>(r) * vocab_size);
        });
    }

    const float* attention(int slot) const override { return slots_[slot].attention.data(); }
    void release(int slot) override { slots_[slot].release(pages_); }

private:
    const Weights<Precision> weights_;
    const Shape& shape_;
    ThreadPool threads_;
    const std::vector<uint8_t> is_forbidden_;
    std::vector<Slot<Precision>> slots_;
    PagePool<typename Precision::Cached> pages_;
    Buffer<float> states_;  // [R][width], the last layer's
    std::vector<Workspace<Precision>> spaces_;
    std::vector<std::vector<RowCandidates>> candidates_;  // by thread, like the next
    std::vector<std::vector<Extension>> extensions_;

    static int num_rows(const Rows& rows, int i) { return rows.offsets[i + 1] - rows.offsets[i]; }

    // Bounds of runs of like size, one for each thread. num_rows_of(i): the rows of item i.
    template <class NumRows> std::vector<int> share(int count, NumRows num_rows_of) const {
        int remaining = 0;
        for (int i = 0; i < count; ++i) remaining += num_rows_of(i);
        std::vector<int> bounds(1, 0);
        for (int part = threads_.num_threads(); part > 0 && bounds.back() < count; --part) {
            const int wanted = (remaining + part - 1) / part;
            int end = bounds.back(), taken = 0;
            while (end < count && (taken == 0 || taken + num_rows_of(end) / 2 < wanted)) taken += num_rows_of(end++);
            bounds.push_back(part == 1 ? count : end);
            remaining -= taken;
        }
        return bounds;
    }

    void prepare_slot(const Admission& admission) {
        Slot<Precision>& slot = slots_[admission.slot];
        slot.release(pages_);
        slot.source_length = admission.source_length;
        slot.padded_length = Shape::padded(admission.source_length);
        slot.num_beams = admission.num_beams;
        slot.keeps_attention = admission.keeps_attention;
        slot.source = pages_.take(shape_.num_decoder_layers * slot.source_layer_size(shape_));
        if (!admission.allowed_ids) return;
        slot.allowed_ids.assign(admission.allowed_ids, admission.allowed_ids + admission.num_allowed);
        slot.allowed_output = typename Precision::Matrix(admission.num_allowed, shape_.width());
        for (int i = 0; i < admission.num_allowed; ++i)
            slot.allowed_output.copy_row(i, weights_.output, slot.allowed_ids[i]);
        const std::vector<float> nothing(shape_.width(), 0.0f);
        for (int i = admission.num_allowed; i % LANES; ++i)
            slot.allowed_output.set_row(i, nothing.data(), 1.0f, -INFINITE);
    }

    const float* prepare_states(const Rows& rows, const int32_t* which, int first, int last, Workspace<Precision>& space) {
        const int width = shape_.width();
        int count = 0;
        for (int i = first; i < last; ++i) count += num_rows(rows, which[i]);
        float* states = space.states.reserve(static_cast<size_t>(count) * width);
        float* to = states;
        for (int i = first; i < last; ++i) {
            const size_t size = static_cast<size_t>(num_rows(rows, which[i])) * width;
            std::memcpy(to, states_.data() + static_cast<size_t>(rows.offsets[which[i]]) * width, size * sizeof(float));
            to += size;
        }
        space.inputs.prepare(states, count, width);
        return states;
    }

    // Fills candidates_[thread] for the rows of slots which[first .. last).
    void find(const Rows& rows, const int32_t* which, int first, int last, int thread) {
        std::vector<RowCandidates>& candidates = candidates_[thread];
        int count = 0;
        for (int i = first; i < last; ++i) {
            const int32_t excluded = rows.can_end[which[i]] ? -1 : shape_.eos_id;
            for (int r = 0; r < num_rows(rows, which[i]); ++r) {
                if (count == static_cast<int>(candidates.size())) candidates.emplace_back();
                candidates[count++].start(rows.num_extensions[which[i]], is_forbidden_.data(), excluded);
            }
        }
        Workspace<Precision>& space = spaces_[thread];
        RowCandidates* own = candidates.data();
        for (int i = first; i < last;) {  // neighbours that share the whole vocabulary go together
            const Slot<Precision>& slot = slots_[rows.slots[which[i]]];
            const bool is_whole = slot.allowed_ids.empty();
            int end = i + 1;
            while (is_whole && end < last && slots_[rows.slots[which[end]]].allowed_ids.empty()) ++end;
            prepare_states(rows, which, i, end, space);
            int num_own = 0;
            for (; i < end; ++i) num_own += num_rows(rows, which[i]);
            find_candidates<Precision>(space.inputs, num_own, is_whole ? weights_.output : slot.allowed_output,
                                       is_whole ? nullptr : slot.allowed_ids.data(), own);
            own += num_own;
        }
    }

    void write_logits(const Rows& rows, int i, const Slot<Precision>& slot, float* results, Workspace<Precision>& space) {
        const int vocab_size = shape_.target_vocab_size, count = num_rows(rows, i);
        const int32_t which[] = {i};
        prepare_states(rows, which, 0, 1, space);
        const bool is_whole = slot.allowed_ids.empty();
        if (!is_whole) std::fill(results, results + static_cast<size_t>(count) * vocab_size, -INFINITE);
        const typename Precision::Matrix& matrix = is_whole ? weights_.output : slot.allowed_output;
        multiply<Precision>(space.inputs, count, matrix,
                            [&](int first, int rows_of_tile, int output, int vectors, const Tile& tile) {
                                const int last = std::min(output + vectors * LANES, matrix.num_outputs);
                                for (int r = 0; r < rows_of_tile; ++r)
                                    for (int j = output; j < last; ++j)
                                        results[static_cast<size_t>(first + r) * vocab_size +
                                                (is_whole ? j : slot.allowed_ids[j])] =
                                            tile.values[r * PANEL + j - output];
                            });
    }

    void normalize(float* logits) const {
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
        for (int i = 0; i < vocab_size; ++i) logits[i] = is_forbidden_[i] ? -INFINITE : logits[i] - normalizer;
    }
};

}  // namespace dragoman

// The decoder as Python sees it: slots, and what is done for all of them together. It works on the caller's thread; more
// threads have a replica each, which shares its weights and waits for nobody.
#pragma once

#include <numeric>

#include "search.h"

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
                        int32_t* parents, int32_t* token_ids, double* wanted) = 0;
    virtual void constrain(int slot, const SlotRules& rules) = 0;
    virtual int search_step(const SearchArrays& arrays, const int32_t* slots, int count, int32_t* over) = 0;
    virtual void log_probs(const Rows& rows, const int32_t* which, int count, float* results) = 0;
    virtual void score(const Given* given, int count, double* log_probs, float* attention) = 0;
    virtual void attention(int slot, int64_t size, float* results) const = 0;
    virtual void release(int slot) = 0;
    virtual void trim() = 0;
};

template <class Precision> class PreciseDecoder : public Decoder {
public:
    PreciseDecoder(std::shared_ptr<const Weights<Precision>> weights, int max_slots)
        : weights_(std::move(weights)), shape_(weights_->shape), slots_(max_slots), rules_(max_slots) {}

    std::unique_ptr<Decoder> replicate(int max_slots) const override {
        return std::make_unique<PreciseDecoder>(weights_, max_slots);
    }

    void admit(const Admission* admissions, int count) override {
        check_admissions(admissions, count, shape_, static_cast<int>(slots_.size()));
        fed_slots_.clear();
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
        fed_slots_.clear();
        for (int i = 0; i < rows.num_slots; ++i)
            slots_[rows.slots[i]].reserve(shape_, rows.positions[i], pages_);
        float* states = states_.reserve(static_cast<size_t>(rows.num_rows) * shape_.width());
        Step<Precision>(*weights_, slots_.data(), rows, space_).run(states);
        fed_slots_.assign(rows.slots, rows.slots + rows.num_slots);
        fed_offsets_.assign(rows.offsets, rows.offsets + rows.num_slots + 1);
    }

    void extend(const Rows& rows, const int32_t* which, int count, int capacity, double* log_probs, int32_t* parents,
                int32_t* token_ids, double* wanted) override {
        check_fed(rows, which, count, fed_slots_, fed_offsets_);
        check_extensions(rows, which, count, shape_.target_vocab_size);
        find(rows, which, count);
        const RowCandidates* candidates = candidates_.data();
        for (int i = 0; i < count; ++i) {
            gather_extensions(candidates, rows.log_probs + rows.offsets[which[i]], num_rows(rows, which[i]),
                              shape_.eos_id, extensions_);
            keep_best(rows.num_extensions[which[i]], extensions_);
            write_wanted(rows, which[i], candidates, wanted);
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

    void constrain(int slot, const SlotRules& rules) override {
        check_index("slot", slot, static_cast<int>(slots_.size()));
        check_rules(rules, shape_.target_vocab_size);
        rules_[slot] = std::make_unique<Rules>(rules);
    }

    // Writes the slots whose search is over, and returns their number.
    int search_step(const SearchArrays& arrays, const int32_t* slots, int count, int32_t* over) override {
        check_search(arrays, slots, count, rules_, shape_.target_vocab_size);
        search_rows_.gather(arrays, slots, count);
        const Rows& rows = search_rows_.rows;
        advance(rows);
        search_rows_.apply(rules_, arrays, shape_.target_vocab_size, shape_.eos_id);
        numbers_.resize(count);
        std::iota(numbers_.begin(), numbers_.end(), 0);
        find(rows, numbers_.data(), count);
        fed_slots_.clear();  // the search has moved on
        int num_over = 0;
        for (int i = 0; i < count; ++i) {
            const int slot = slots[i];
            find_extensions(rows, i, arrays.max_lengths[slot] - arrays.positions[slot] - 1);
            if (beam_step_.take(arrays, slot, extensions_, shape_.eos_id)) over[num_over++] = slot;
            if (rules_[slot]) rules_[slot]->follow(beam_step_.lives());
        }
        return num_over;
    }

    void log_probs(const Rows& rows, const int32_t* which, int count, float* results) override {
        check_fed(rows, which, count, fed_slots_, fed_offsets_);
        const int vocab_size = shape_.target_vocab_size;
        for (int i = 0; i < count; ++i) {
            const Slot<Precision>& slot = slots_[rows.slots[which[i]]];
            write_logits(rows, which[i], slot, results);
            for (int r = 0; r < num_rows(rows, which[i]); ++r, results += vocab_size) normalize(results);
        }
    }

    void score(const Given* given, int count, double* log_probs, float* attention) override {
        for (int i = 0; i < count; ++i) check_given(given[i], shape_, weights_->num_positions);
        fed_slots_.clear();
        for (int first = 0, end = 0; first < count; first = end) {
            int num_source_rows = 0, num_target_rows = 0;
            for (; end < count; ++end) {
                num_source_rows += given[end].source_length, num_target_rows += given[end].target_length - 1;
                if (end > first && std::max(num_source_rows, num_target_rows) > ENCODED_ROWS) break;
            }
            score_together(given + first, end - first, log_probs, attention);
        }
    }

    void attention(int slot, int64_t size, float* results) const override {
        check_index("slot", slot, static_cast<int>(slots_.size()));
        const std::vector<float>& kept = slots_[slot].attention;
        if (static_cast<int64_t>(kept.size()) != size)
            refuse("slot " + std::to_string(slot) + " keeps attention of another size");
        std::copy(kept.begin(), kept.end(), results);
    }

    void release(int slot) override {
        check_index("slot", slot, static_cast<int>(slots_.size()));
        fed_slots_.clear();
        slots_[slot].release(pages_);
        rules_[slot].reset();
    }

    // Gives up the memory that is kept for the next sentences; those that have slots keep theirs.
    void trim() override {
        fed_slots_.clear();
        pages_ = {};
        states_ = {};
        space_ = {};
    }

private:
    const std::shared_ptr<const Weights<Precision>> weights_;
    const Shape& shape_;
    std::vector<Slot<Precision>> slots_;
    PagePool<typename Precision::Cached> pages_;
    Buffer<float> states_;  // [R][width], the last layer's
    std::vector<int32_t> fed_slots_, fed_offsets_;  // of the rows whose states they are; no slots where there are none
    Workspace<Precision> space_;
    std::vector<RowCandidates> candidates_;
    std::vector<Extension> extensions_;
    AllRules rules_;
    SearchRows search_rows_;
    BeamStep beam_step_;
    std::vector<int32_t> numbers_;

    static int num_rows(const Rows& rows, int i) { return rows.offsets[i + 1] - rows.offsets[i]; }

    void prepare_slot(const Admission& admission) {
        Slot<Precision>& slot = slots_[admission.slot];
        slot.release(pages_);
        rules_[admission.slot].reset();
        prepare_source(slot, admission.source_length, admission.beam_size, admission.keep_attention);
        if (!admission.allowed_ids) return;
        slot.allowed_ids.assign(admission.allowed_ids, admission.allowed_ids + admission.num_allowed);
        slot.allowed_output = typename Precision::Matrix(admission.num_allowed, shape_.width());
        slot.allowed_output.take(weights_->outline, weights_->output_rows->rows(), slot.allowed_ids.data());
        const std::vector<float> nothing(shape_.width(), 0.0f);
        for (int i = admission.num_allowed; i % LANES; ++i)
            slot.allowed_output.set_row(i, nothing.data(), 1.0f, -INFINITE);
    }

    void prepare_source(Slot<Precision>& slot, int source_length, int beam_size, bool keep_attention) {
        slot.source_length = source_length;
        slot.padded_length = Shape::padded(source_length);
        slot.beam_size = beam_size;
        slot.keep_attention = keep_attention;
        slot.source = pages_.take(shape_.num_decoder_layers * slot.source_layer_size(shape_));
    }

    // Feeds all pieces of some translations at once. Moves the pointers behind what it writes.
    void score_together(const Given* given, int count, double*& log_probs, float*& attention) {
        std::vector<Slot<Precision>> slots(count);
        std::vector<Sentence> sentences;
        std::vector<int32_t> numbers, offsets = {0}, token_ids;
        for (int i = 0; i < count; ++i) {
            const int length = given[i].target_length - 1;
            prepare_source(slots[i], given[i].source_length, 1, given[i].keep_attention);
            slots[i].reserve(shape_, length - 1, pages_);
            sentences.push_back({given[i].source_ids, given[i].source_length, i});
            numbers.push_back(i), offsets.push_back(offsets.back() + length);
            token_ids.insert(token_ids.end(), given[i].target_ids, given[i].target_ids + length);
        }
        encode(*weights_, sentences, slots.data(), space_);
        Rows rows = {};
        rows.slots = numbers.data(), rows.offsets = offsets.data(), rows.token_ids = token_ids.data();
        rows.num_slots = count, rows.num_rows = offsets.back();
        float* states = states_.reserve(static_cast<size_t>(rows.num_rows) * shape_.width());
        Step<Precision>(*weights_, slots.data(), rows, space_, Feed::GIVEN).run(states);
        space_.inputs.prepare(states, rows.num_rows, shape_.width());
        reserve_candidates(rows.num_rows);
        for (int i = 0, row = 0; i < count; ++i)
            for (int t = 1; t < given[i].target_length; ++t, ++row) {
                const int32_t* next = given[i].target_ids + t;
                candidates_[row].start(0, nullptr, {}, {next, next + 1}, shape_.eos_id, {});
            }
        find_candidates<Precision>(space_.inputs, rows.num_rows, weights_->output(), nullptr, candidates_.data());
        for (int row = 0; row < rows.num_rows; ++row)
            *log_probs++ = candidates_[row].wanted()[0] - candidates_[row].log_normalizer();
        for (Slot<Precision>& slot : slots) {
            attention = std::copy(slot.attention.begin(), slot.attention.end(), attention);
            slot.release(pages_);
        }
    }

    void reserve_candidates(int count) {
        if (count > static_cast<int>(candidates_.size())) candidates_.resize(count);
    }

    // The log probabilities of whole hypotheses with the pieces that the rows of one slot want.
    void write_wanted(const Rows& rows, int i, const RowCandidates* candidates, double* wanted) const {
        for (int row = rows.offsets[i]; rows.wanted.offsets && row < rows.offsets[i + 1]; ++row, ++candidates) {
            double* to = wanted + rows.wanted.offsets[row];
            for (const float logit : candidates->wanted()) *to++ = candidates->extended(rows.log_probs[row], logit);
        }
    }

    // Fills extensions_ for the step of a slot, as its rules will have it. num_left: the pieces for which there will be room.
    void find_extensions(const Rows& rows, int i, int num_left) {
        const RowCandidates* candidates = candidates_.data() + rows.offsets[i];
        const double* log_probs = rows.log_probs + rows.offsets[i];
        Rules* own = rules_[rows.slots[i]].get();
        if (own && own->is_forced(rows.positions[i])) {
            const double wanted = candidates->extended(*log_probs, candidates->wanted()[0]);
            extensions_ = {own->force(rows.positions[i], *log_probs, wanted)};
            return;
        }
        gather_extensions(candidates, log_probs, num_rows(rows, i), shape_.eos_id, extensions_);
        if (!own || !own->has_terms()) return keep_best(rows.num_extensions[i], extensions_);
        for (int beam = 0; beam < num_rows(rows, i); ++beam)
            add_wanted(candidates[beam], log_probs[beam], beam, rows.wanted.of_row(rows.offsets[i] + beam));
        own->order(extensions_, num_left, shape_.eos_id);
    }

    // Adds the possible ones of a row's wanted pieces that are not among its candidates.
    void add_wanted(const RowCandidates& candidates, double log_prob, int beam, PieceList wanted) {
        for (const int32_t* id = wanted.first; id != wanted.last; ++id) {
            const double total = candidates.extended(log_prob, candidates.wanted()[id - wanted.first]);
            if (total > -INFINITE && !candidates.holds(*id)) extensions_.push_back({total, beam, *id});
        }
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
        for (int i = 0; i < num_slots; ++i) count += num_rows(rows, which[i]);
        reserve_candidates(count);
        RowCandidates* next = candidates_.data();
        for (int i = 0; i < num_slots; ++i) {
            const std::vector<int32_t>& allowed = slots_[rows.slots[which[i]]].allowed_ids;
            const PieceList allowed_ids = {allowed.data(), allowed.data() + allowed.size()};
            for (int row = rows.offsets[which[i]]; row < rows.offsets[which[i] + 1]; ++row)
                next++->start(rows.num_candidates[which[i]], weights_->is_forbidden.data(), rows.excluded.of_row(row),
                              rows.wanted.of_row(row), shape_.eos_id, allowed_ids);
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
            find_candidates<Precision>(space_.inputs, num_own, is_whole ? weights_->output() : slot.allowed_output,
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
        const typename Precision::Matrix& matrix = is_whole ? weights_->output() : slot.allowed_output;
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
        for (int i = 0; i < vocab_size; ++i)
            logits[i] = weights_->is_forbidden[i] ? -INFINITE : logits[i] - normalizer;
    }
};

}  // namespace dragoman

// The search's bookkeeping in one step: `model.decoding.search.state.Search` in C++, on the same arrays.
#pragma once

#include <memory>

#include "rules.h"

namespace dragoman {

// `model.decoding.search.stepping.SearchArrays` says what the fields mean. Mirrored in library.py.
struct SearchArrays {
    const int32_t *beam_sizes, *num_extensions, *least_lengths, *max_lengths;
    int32_t *positions, *num_live, *num_finished;
    int32_t* token_ids;
    double* log_probs;
    uint8_t* ancestry;
    int32_t* last_ids;
    double* final_log_probs;
    int32_t* lengths;
    uint8_t* beams;
    int32_t num_slots, num_beams, num_positions;

    size_t place(int slot, int beam) const { return (static_cast<size_t>(slot) * num_beams + beam) * num_positions; }
};

using AllRules = std::vector<std::unique_ptr<Rules>>;  // by slot; null where there are none besides the lengths

inline void check_search(const SearchArrays& arrays, const int32_t* slots, int count, const AllRules& rules,
                         int vocab_size) {
    check_ascending("slot", slots, count, std::min<int>(arrays.num_slots, rules.size()));
    for (int i = 0; i < count; ++i) {
        const int slot = slots[i], beam_size = arrays.beam_sizes[slot];
        check_index("beam", beam_size - 1, arrays.num_beams);
        check_index("live hypothesis", arrays.num_live[slot] - 1, beam_size);
        check_index("finished hypothesis", arrays.num_finished[slot], beam_size);
        check_index("last position", arrays.max_lengths[slot] - 1, arrays.num_positions);
        check_index("position", arrays.positions[slot], arrays.max_lengths[slot]);
        check_index("number of extensions", arrays.num_extensions[slot], vocab_size + 1);
        if (rules[slot]) rules[slot]->check_hypotheses(slot, arrays.num_live[slot]);
    }
}

// The rows of the live hypotheses, and the arrays that they point to.
class SearchRows {
public:
    Rows rows = {};

    // What the rules say is not among it yet.
    void gather(const SearchArrays& arrays, const int32_t* slots, int count) {
        offsets_.assign(1, 0);
        positions_.clear(), token_ids_.clear(), log_probs_.clear();
        for (int i = 0; i < count; ++i) {
            const int slot = slots[i], position = arrays.positions[slot];
            for (int beam = 0; beam < arrays.num_live[slot]; ++beam) {
                const size_t place = arrays.place(slot, beam) + position;
                token_ids_.push_back(arrays.token_ids[place]);
                log_probs_.push_back(arrays.log_probs[place]);
            }
            offsets_.push_back(static_cast<int32_t>(token_ids_.size()));
            positions_.push_back(position);
        }
        rows = {};
        rows.slots = slots, rows.offsets = offsets_.data(), rows.positions = positions_.data();
        rows.token_ids = token_ids_.data(), rows.log_probs = log_probs_.data();
        rows.ancestry = arrays.ancestry;
        rows.ancestry_slot_stride = static_cast<int64_t>(arrays.num_beams) * arrays.num_positions;
        rows.ancestry_beam_stride = arrays.num_positions;
        rows.num_slots = count, rows.num_rows = offsets_.back();
        rows.ancestry_slots = arrays.num_slots, rows.ancestry_beams = arrays.num_beams;
        rows.ancestry_positions = arrays.num_positions;
    }

    // Adds what the rules exclude and want, and how many extensions and candidates are requested.
    void apply(const AllRules& rules, const SearchArrays& arrays, int vocab_size, int32_t eos_id) {
        excluded_offsets_.assign(1, 0), wanted_offsets_.assign(1, 0);
        excluded_.clear(), wanted_.clear(), num_extensions_.clear(), num_candidates_.clear();
        for (int i = 0; i < rows.num_slots; ++i) {
            const int slot = rows.slots[i], position = arrays.positions[slot];
            const Rules* own = rules[slot].get();
            const bool is_forced = own && own->is_forced(position);
            int most_wanted = 0;
            for (int beam = 0; beam < arrays.num_live[slot]; ++beam) {
                const size_t first = excluded_.size(), first_wanted = wanted_.size();
                if (position < arrays.least_lengths[slot]) excluded_.push_back(eos_id);
                if (own) {
                    find_history(*own, arrays, slot, beam);
                    if (!is_forced) own->exclude(beam, history_, eos_id, first, excluded_);
                    own->want(beam, position, wanted_);
                }
                most_wanted = std::max(most_wanted, static_cast<int>(wanted_.size() - first_wanted));
                excluded_offsets_.push_back(static_cast<int32_t>(excluded_.size()));
                wanted_offsets_.push_back(static_cast<int32_t>(wanted_.size()));
            }
            const int num_extensions = is_forced ? 0 : arrays.num_extensions[slot];
            // With terms, unlikely hypotheses go on as well. A row may need those that survive, the end of sentence, and
            // all wanted ones besides.
            const bool is_wider = own && own->has_terms() && num_extensions;
            num_extensions_.push_back(is_wider ? INT32_MAX : num_extensions);
            num_candidates_.push_back(is_wider ? std::min(arrays.beam_sizes[slot] + 1 + most_wanted, vocab_size)
                                               : num_extensions);
        }
        rows.num_extensions = num_extensions_.data(), rows.num_candidates = num_candidates_.data();
        rows.excluded = {excluded_offsets_.data(), excluded_.data(), static_cast<int32_t>(excluded_.size())};
        rows.wanted = {wanted_offsets_.data(), wanted_.data(), static_cast<int32_t>(wanted_.size())};
    }

private:
    std::vector<int32_t> offsets_, positions_, token_ids_, num_extensions_, num_candidates_;
    std::vector<int32_t> excluded_offsets_, excluded_, wanted_offsets_, wanted_;
    std::vector<double> log_probs_;
    std::vector<int32_t> history_;  // of one row, if its rules need it

    void find_history(const Rules& rules, const SearchArrays& arrays, int slot, int beam) {
        const int length = arrays.positions[slot];
        history_.clear();
        if (!rules.needs_history(length)) return;
        const uint8_t* ancestors = arrays.ancestry + arrays.place(slot, beam);
        for (int t = 1; t <= length; ++t) {
            const int ancestor = t < length ? ancestors[t] : beam;
            check_index("beam", ancestor, arrays.num_beams);
            history_.push_back(arrays.token_ids[arrays.place(slot, ancestor) + t]);
        }
    }
};

// Decides on a slot's extensions, as `beam_step` in beam.py does, and writes what finished and what lives on. Returns
// whether the search is over.
class BeamStep {
public:
    bool take(const SearchArrays& arrays, int slot, const std::vector<Extension>& extensions, int32_t eos_id) {
        const int position = arrays.positions[slot], beam_size = arrays.beam_sizes[slot];
        const bool is_last = position + 1 >= arrays.max_lengths[slot];
        lives_.clear();
        for (int rank = 0; rank < std::min<int>(extensions.size(), 2 * beam_size); ++rank) {
            const Extension& extension = extensions[rank];
            if (!(extension.log_prob > -INFINITE)) continue;
            const bool ends = extension.token_id == eos_id;
            if ((ends || is_last) && rank < beam_size) finish(arrays, slot, extension);
            if (!ends && static_cast<int>(lives_.size()) < beam_size) lives_.push_back(extension);
        }
        const bool is_over = is_last || arrays.num_finished[slot] >= beam_size || lives_.empty();
        if (is_over) lives_.clear();
        grow(arrays, slot);
        arrays.positions[slot] = position + 1;
        return is_over;
    }

    // The new live hypotheses.
    const std::vector<Extension>& lives() const { return lives_; }

private:
    std::vector<Extension> lives_;
    std::vector<uint8_t> ancestors_;

    static void finish(const SearchArrays& arrays, int slot, const Extension& extension) {
        const int position = arrays.positions[slot];
        const size_t number = static_cast<size_t>(slot) * 2 * arrays.num_beams + arrays.num_finished[slot]++;
        arrays.last_ids[number] = extension.token_id;
        arrays.final_log_probs[number] = extension.log_prob;
        arrays.lengths[number] = position + 1;
        uint8_t* beams = arrays.beams + number * arrays.num_positions;
        std::memcpy(beams, arrays.ancestry + arrays.place(slot, extension.parent), position);
        beams[position] = static_cast<uint8_t>(extension.parent);
    }

    void grow(const SearchArrays& arrays, int slot) {
        const int position = arrays.positions[slot], count = static_cast<int>(lives_.size());
        ancestors_.resize(static_cast<size_t>(count) * position);  // copied first: several may have one parent
        for (int beam = 0; beam < count; ++beam)
            std::memcpy(ancestors_.data() + beam * position, arrays.ancestry + arrays.place(slot, lives_[beam].parent), position);
        for (int beam = 0; beam < count; ++beam) {
            const size_t place = arrays.place(slot, beam);
            std::memcpy(arrays.ancestry + place, ancestors_.data() + beam * position, position);
            arrays.ancestry[place + position] = static_cast<uint8_t>(lives_[beam].parent);
            arrays.token_ids[place + position + 1] = lives_[beam].token_id;
            arrays.log_probs[place + position + 1] = lives_[beam].log_prob;
        }
        arrays.num_live[slot] = count;
    }
};

}  // namespace dragoman

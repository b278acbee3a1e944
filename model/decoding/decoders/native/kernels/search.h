// The search's bookkeeping in one step: `model.decoding.search.state.Search` in C++, on the same arrays.
#pragma once

#include "checks.h"

namespace dragoman {

// `model.decoding.decoder.SearchArrays` says what the fields mean. Mirrored in library.py.
struct SearchArrays {
    const int32_t *beam_sizes, *num_extensions, *max_lengths;
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

inline void check_search(const SearchArrays& arrays, const int32_t* slots, int count, int vocab_size) {
    check_ascending("slot", slots, count, arrays.num_slots);
    for (int i = 0; i < count; ++i) {
        const int slot = slots[i], beam_size = arrays.beam_sizes[slot];
        check_index("beam", beam_size - 1, arrays.num_beams);
        check_index("live hypothesis", arrays.num_live[slot] - 1, beam_size);
        check_index("finished hypothesis", arrays.num_finished[slot], beam_size);
        check_index("last position", arrays.max_lengths[slot] - 1, arrays.num_positions);
        check_index("position", arrays.positions[slot], arrays.max_lengths[slot]);
        check_index("number of extensions", arrays.num_extensions[slot], vocab_size + 1);
    }
}

// The rows of the live hypotheses, and the arrays that they point to.
class SearchRows {
public:
    Rows rows = {};

    // least_lengths: by slot, pieces before which the end of sentence is excluded.
    void gather(const SearchArrays& arrays, const int32_t* slots, int count, const int32_t* least_lengths, int32_t eos_id) {
        offsets_.assign(1, 0), excluded_offsets_.assign(1, 0);
        positions_.clear(), token_ids_.clear(), num_extensions_.clear(), excluded_.clear(), log_probs_.clear();
        for (int i = 0; i < count; ++i) {
            const int slot = slots[i], position = arrays.positions[slot];
            for (int beam = 0; beam < arrays.num_live[slot]; ++beam) {
                const size_t place = arrays.place(slot, beam) + position;
                token_ids_.push_back(arrays.token_ids[place]);
                log_probs_.push_back(arrays.log_probs[place]);
                if (position < least_lengths[slot]) excluded_.push_back(eos_id);
                excluded_offsets_.push_back(static_cast<int32_t>(excluded_.size()));
            }
            offsets_.push_back(static_cast<int32_t>(token_ids_.size()));
            positions_.push_back(position);
            num_extensions_.push_back(arrays.num_extensions[slot]);
        }
        rows.slots = slots, rows.offsets = offsets_.data(), rows.positions = positions_.data();
        rows.token_ids = token_ids_.data(), rows.log_probs = log_probs_.data();
        rows.ancestry = arrays.ancestry;
        rows.ancestry_slot_stride = static_cast<int64_t>(arrays.num_beams) * arrays.num_positions;
        rows.ancestry_beam_stride = arrays.num_positions;
        rows.num_extensions = rows.num_candidates = num_extensions_.data();
        rows.excluded = {excluded_offsets_.data(), excluded_.data(), static_cast<int32_t>(excluded_.size())};
        if (excluded_.empty()) rows.excluded = {};
        rows.num_slots = count, rows.num_rows = offsets_.back();
        rows.ancestry_slots = arrays.num_slots, rows.ancestry_beams = arrays.num_beams;
        rows.ancestry_positions = arrays.num_positions;
    }

private:
    std::vector<int32_t> offsets_, positions_, token_ids_, num_extensions_, excluded_offsets_, excluded_;
    std::vector<double> log_probs_;
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

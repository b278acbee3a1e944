// What Python hands over is checked once a call, before anything has changed, so that no slip there reads or writes
// memory that is not the decoder's. That arrays are as long as they should be, the caller sees to.
#pragma once

#include "slot.h"
#include "step.h"

namespace dragoman {

// A sentence that moves into a slot; `model.decoding.decoder.Admission` says what the fields mean. Mirrored in
// library.py.
struct Admission {
    int32_t slot;
    const int32_t* source_ids;
    int32_t source_length, beam_size;
    const int32_t* allowed_ids;  // null: all pieces
    int32_t num_allowed, keep_attention;
};

// A sentence and its given translation; `model.decoding.decoder.Given` says what the fields mean. Mirrored in library.py.
struct Given {
    const int32_t *source_ids, *target_ids;
    int32_t source_length, target_length, keep_attention;
};

[[noreturn]] inline void refuse(const std::string& message) { throw std::invalid_argument(message); }

// Whether 0 ≤ index < size. Throws std::invalid_argument if not.
inline void check_index(const char* what, int index, int size) {
    if (index < 0 || index >= size) refuse("there is no " + std::string(what) + " " + std::to_string(index));
}

inline void check_indices(const char* what, const int32_t* indices, int count, int size) {
    for (int i = 0; i < count; ++i) check_index(what, indices[i], size);
}

inline void check_ascending(const char* what, const int32_t* ids, int count, int size) {
    check_indices(what, ids, count, size);
    for (int i = 1; i < count; ++i)
        if (ids[i] <= ids[i - 1]) refuse("the " + std::string(what) + "s do not ascend");
}

inline void check_source(const int32_t* source_ids, int length, const Shape& shape) {
    if (length < 1 || length > shape.max_source_length)
        refuse("a source of " + std::to_string(length) + " pieces; 1 to " + std::to_string(shape.max_source_length) +
               " are possible");
    check_indices("source piece", source_ids, length, shape.source_vocab_size);
}

inline void check_admissions(const Admission* admissions, int count, const Shape& shape, int num_slots) {
    std::vector<bool> is_taken(num_slots);
    for (int i = 0; i < count; ++i) {
        const Admission& admission = admissions[i];
        check_index("slot", admission.slot, num_slots);
        if (is_taken[admission.slot]) refuse("slot " + std::to_string(admission.slot) + " is given to two sentences");
        is_taken[admission.slot] = true;
        check_source(admission.source_ids, admission.source_length, shape);
        if (admission.beam_size < 1 || admission.beam_size > 256)  // the ancestry has a byte for a beam
            refuse("a beam of " + std::to_string(admission.beam_size));
        if (!admission.allowed_ids) continue;
        if (admission.num_allowed < 1) refuse("no target piece is allowed");
        check_ascending("target piece", admission.allowed_ids, admission.num_allowed, shape.target_vocab_size);
    }
}

template <class Precision>
void check_rows(const Rows& rows, const Shape& shape, const std::vector<Slot<Precision>>& slots, int num_positions) {
    if (rows.offsets[0]) refuse("the first row is " + std::to_string(rows.offsets[0]));
    const int num_slots = static_cast<int>(slots.size()), num_known = std::min(num_slots, rows.ancestry_slots);
    check_ascending("slot", rows.slots, rows.num_slots, num_slots);
    for (int i = 0; i < rows.num_slots; ++i) {
        const Slot<Precision>& slot = slots[rows.slots[i]];
        const auto name = [&] { return "slot " + std::to_string(rows.slots[i]); };
        const int position = rows.positions[i];
        const int64_t num_fed = static_cast<int64_t>(rows.offsets[i + 1]) - rows.offsets[i];
        check_index("position", position, num_positions);
        if (num_fed < 1 || num_fed > slot.beam_size)
            refuse(name() + " has room for " + std::to_string(slot.beam_size) + " beams, but " + std::to_string(num_fed) +
                   " are fed");
        if (!position) continue;
        if (rows.slots[i] >= num_known || num_fed > rows.ancestry_beams || position > rows.ancestry_positions)
            refuse(name() + " has no place in the ancestry");
        for (int beam = 0; beam < num_fed; ++beam)
            for (int t = 0; t < position; ++t)
                if (rows.ancestors(i, beam)[t] >= slot.beam_size)
                    refuse(name() + " has no beam " + std::to_string(rows.ancestors(i, beam)[t]));
    }
    if (rows.offsets[rows.num_slots] != rows.num_rows)
        refuse(std::to_string(rows.num_rows) + " rows, but the slots have " + std::to_string(rows.offsets[rows.num_slots]));
    check_indices("target piece", rows.token_ids, rows.num_rows, shape.target_vocab_size);
}

inline void check_lists(const char* what, const PieceLists& lists, int num_rows, int vocab_size) {
    if (!lists.offsets) return;
    const int32_t* offsets = lists.offsets;
    bool is_sound = offsets[0] == 0 && offsets[num_rows] == lists.count;
    for (int row = 0; row < num_rows; ++row) is_sound = is_sound && offsets[row] <= offsets[row + 1];
    if (!is_sound) refuse("the offsets of the " + std::string(what) + " make no sense");
    for (int row = 0; row < num_rows; ++row)
        check_ascending(what, lists.token_ids + offsets[row], offsets[row + 1] - offsets[row], vocab_size);
}

// That the rows are the ones that were fed last, of which there were slots `fed_slots` with the rows `fed_offsets`.
inline void check_fed(const Rows& rows, const int32_t* which, int count, const std::vector<int32_t>& fed_slots,
                      const std::vector<int32_t>& fed_offsets) {
    if (fed_slots.empty() || !std::equal(fed_slots.begin(), fed_slots.end(), rows.slots, rows.slots + rows.num_slots) ||
        !std::equal(fed_offsets.begin(), fed_offsets.end(), rows.offsets, rows.offsets + rows.num_slots + 1))
        refuse("these rows are not the ones that were fed last");
    check_indices("fed slot number", which, count, rows.num_slots);
}

inline void check_extensions(const Rows& rows, const int32_t* which, int count, int vocab_size) {
    for (int i = 0; i < count; ++i) {
        check_index("number of extensions", rows.num_extensions[which[i]], INT32_MAX);
        check_index("number of candidates", rows.num_candidates[which[i]], vocab_size + 1);
    }
    check_lists("excluded piece", rows.excluded, rows.num_rows, vocab_size);
    check_lists("wanted piece", rows.wanted, rows.num_rows, vocab_size);
}

inline void check_given(const Given& given, const Shape& shape, int num_positions) {
    check_source(given.source_ids, given.source_length, shape);
    if (given.target_length < 2 || given.target_length > num_positions + 1)
        refuse("a translation of " + std::to_string(given.target_length) + " pieces; 2 to " +
               std::to_string(num_positions + 1) + " are possible");
    check_indices("target piece", given.target_ids, given.target_length, shape.target_vocab_size);
}

}  // namespace dragoman

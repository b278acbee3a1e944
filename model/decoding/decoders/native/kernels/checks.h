// What Python hands over is checked once a call, before anything has changed, so that no slip there reads or writes
// memory that is not the decoder's.
#pragma once

#include "slot.h"
#include "step.h"

namespace dragoman {

// A sentence that moves into a slot; `model.decoding.decoder.Admission` tells what the fields mean. Mirrored in
// library.py.
struct Admission {
    int32_t slot;
    const int32_t* source_ids;
    int32_t source_length, num_beams;
    const int32_t* allowed_ids;  // null: all pieces
    int32_t num_allowed, keeps_attention, is_forced;
};

// Whether 0 ≤ index < size. Throws std::invalid_argument if not.
inline void check_index(const char* what, int index, int size) {
    if (index < 0 || index >= size)
        throw std::invalid_argument("there is no " + std::string(what) + " " + std::to_string(index));
}

inline void check_indices(const char* what, const int32_t* indices, int count, int size) {
    for (int i = 0; i < count; ++i) check_index(what, indices[i], size);
}

inline void check_admission(const Admission& admission, const Shape& shape, int num_slots) {
    check_index("slot", admission.slot, num_slots);
    if (admission.source_length < 1 || admission.source_length > shape.max_source_length)
        throw std::invalid_argument("a source of " + std::to_string(admission.source_length) + " pieces; 1 to " +
                                    std::to_string(shape.max_source_length) + " are possible");
    check_indices("source piece", admission.source_ids, admission.source_length, shape.source_vocab_size);
    if (admission.num_beams < 1) throw std::invalid_argument("a beam of " + std::to_string(admission.num_beams));
    if (!admission.allowed_ids) return;
    if (admission.num_allowed < 1) throw std::invalid_argument("no target piece is allowed");
    check_indices("target piece", admission.allowed_ids, admission.num_allowed, shape.target_vocab_size);
}

template <class Precision>
void check_rows(const Rows& rows, const Shape& shape, const std::vector<Slot<Precision>>& slots, int num_positions) {
    for (int i = 0; i < rows.num_slots; ++i) {
        check_index("slot", rows.slots[i], static_cast<int>(slots.size()));
        check_index("position", rows.positions[i], num_positions);
        const int num_fed = rows.offsets[i + 1] - rows.offsets[i], num_beams = slots[rows.slots[i]].num_beams;
        if (num_fed < 1 || num_fed > num_beams)
            throw std::invalid_argument("slot " + std::to_string(rows.slots[i]) + " has room for " +
                                        std::to_string(num_beams) + " beams, but " + std::to_string(num_fed) + " are fed");
    }
    check_indices("target piece", rows.token_ids, rows.offsets[rows.num_slots], shape.target_vocab_size);
}

}  // namespace dragoman

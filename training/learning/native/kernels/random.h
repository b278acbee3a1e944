// Random numbers without a state: a number depends on the seed and its place alone, so that the backward pass draws again
// what the forward pass drew, and threads need not agree.
#pragma once

#include "vector.h"

namespace dragoman {

typedef uint32_t UnsignedVec __attribute__((vector_size(4 * LANES)));

template <int... I> inline UnsignedVec count_lanes(std::integer_sequence<int, I...>) { return UnsignedVec{I...}; }

// Which numbers dropout keeps, and by what it multiplies them.
struct Dropout {
    IntVec threshold;
    Vec factor;
    uint64_t seed;
    bool is_on;

    Dropout(float probability, uint64_t seed)
        : threshold(splat(static_cast<int32_t>(probability * 2147483648.0))), factor(splat(1 / (1 - probability))),
          seed(seed), is_on(probability > 0) {}

    // All ones in the lanes that are kept, of the numbers from `place` on. The places' low halves are mixed by
    // multiplications and shifts as hash functions do; a different half of the seed enters at each of the two rounds.
    IntVec kept(int64_t place) const {
        UnsignedVec x = count_lanes(Lanes()) + static_cast<uint32_t>(place);
        x = x * 0x9e3779b1u ^ (static_cast<uint32_t>(seed) + static_cast<uint32_t>(place >> 32) * 0x85ebca6bu);
        x = (x ^ x >> 16) * 0x7feb352du;
        x = (x ^ x >> 15) + static_cast<uint32_t>(seed >> 32);
        x = x * 0x846ca68bu;
        return (IntVec)((x ^ x >> 16) >> 1) >= threshold;  // 31 bits
    }

    Vec apply(Vec x, IntVec kept) const { return (Vec)((IntVec)(x * factor) & kept); }
};

}  // namespace dragoman

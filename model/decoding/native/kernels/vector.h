// Sixteen floats at a time, in the vector extensions that GCC and Clang share; where the processor has AVX-512 one
// vector is one register, elsewhere the compiler splits it.
//
// Every function does the same operations in the same order for a row whatever its neighbours are: that, and
// -ffp-contract=off, is what makes translations independent of their batch to the last bit.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#if defined(__AVX512F__) || defined(__FMA__)
#include <immintrin.h>
#endif

namespace dragoman {

constexpr int LANES = 16;
constexpr float INFINITE = std::numeric_limits<float>::infinity();

typedef float Vec __attribute__((vector_size(64)));
typedef int32_t IntVec __attribute__((vector_size(64)));
typedef uint8_t ByteVec __attribute__((vector_size(16)));
typedef float UnalignedVec __attribute__((vector_size(64), aligned(4), may_alias));

inline Vec load(const float* from) { return *reinterpret_cast<const UnalignedVec*>(from); }
inline void store(float* to, Vec values) { *reinterpret_cast<UnalignedVec*>(to) = values; }

// The upper half of a float: what int8 keeps of keys and values, which are read far more often than they are computed.
struct Bfloat16 {
    uint16_t bits;
};
typedef uint16_t HalfVec __attribute__((vector_size(32)));

inline Vec load(const Bfloat16* from) {
    HalfVec halves;
    std::memcpy(&halves, from, sizeof halves);
#if defined(__AVX512F__)  // in one instruction, where the compiler would take four
    return (Vec)((IntVec)_mm512_cvtepu16_epi32((__m256i)halves) << 16);
#else
    return (Vec)(__builtin_convertvector(halves, IntVec) << 16);
#endif
}
inline void store(Bfloat16* to, Vec values) {  // rounded to the nearest, of two to the even one
    const IntVec bits = (IntVec)values;
    const IntVec rounded = bits + 0x7fff + ((bits >> 16) & 1);
#if defined(__AVX512F__)
    const HalfVec halves = (HalfVec)_mm512_cvtepi32_epi16((__m512i)((rounded >> 16)));
#else
    const HalfVec halves = __builtin_convertvector(rounded >> 16, HalfVec);
#endif
    std::memcpy(to, &halves, sizeof halves);
}

typedef int8_t SignedByteVec __attribute__((vector_size(16)));

inline Vec load(const int8_t* from) {
    SignedByteVec bytes;
    std::memcpy(&bytes, from, sizeof bytes);
#if defined(__AVX512F__)
    return (Vec)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32((__m128i)bytes));
#else
    return __builtin_convertvector(__builtin_convertvector(bytes, IntVec), Vec);
#endif
}

inline Vec splat(float x) { return Vec{x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x}; }

// a · b + c, rounded once where the processor can.
inline Vec fma(Vec a, Vec b, Vec c) {
#if defined(__AVX512F__)
    return (Vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__FMA__)
    union Halves { Vec whole; __m256 half[2]; };
    Halves x{a}, y{b}, z{c};
    for (int i = 0; i < 2; ++i) z.half[i] = _mm256_fmadd_ps(x.half[i], y.half[i], z.half[i]);
    return z.whole;
#else
    return a * b + c;
#endif
}

// Spelt out where the compiler would compare and then choose.
inline Vec maximum(Vec a, Vec b) {
#if defined(__AVX512F__)
    return (Vec)_mm512_max_ps((__m512)a, (__m512)b);
#else
    return a > b ? a : b;
#endif
}

inline Vec absolute(Vec x) { return (Vec)((IntVec)x & 0x7fffffff); }

// The lowest byte of every lane.
inline ByteVec low_bytes(IntVec x) {
#if defined(__AVX512F__)
    return (ByteVec)_mm512_cvtepi32_epi8((__m512i)x);
#else
    return __builtin_convertvector(x, ByteVec);
#endif
}

// A bit for every lane that is true (all ones), the first lane's lowest.
inline uint32_t lanes_where(IntVec is_true) {
#if defined(__AVX512F__)
    return _mm512_movepi32_mask((__m512i)is_true);
#else
    uint32_t bits = 0;
    for (int i = 0; i < LANES; ++i) bits |= static_cast<uint32_t>(is_true[i] & 1) << i;
    return bits;
#endif
}

// Folds the upper half onto the lower one, again and again: always the same tree.
template <class Combine> inline float fold(Vec x, Combine combine) {
    x = combine(x, __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15));
    x = combine(x, __builtin_shufflevector(x, x, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7));
    x = combine(x, __builtin_shufflevector(x, x, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3));
    x = combine(x, __builtin_shufflevector(x, x, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1));
    return x[0];
}

inline float sum(Vec x) {
    return fold(x, [](Vec a, Vec b) { return a + b; });
}

inline float greatest(Vec x) { return fold(x, maximum); }

// Two vectors whose blocks of 8, 4, 2 or 1 lanes change places: a's upper block of every pair with b's lower one.
#define DRAGOMAN_CROSS_8(a, b) \
    __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23), \
    __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31)
#define DRAGOMAN_CROSS_4(a, b) \
    __builtin_shufflevector(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27), \
    __builtin_shufflevector(a, b, 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31)
#define DRAGOMAN_CROSS_2(a, b) \
    __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29), \
    __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31)
#define DRAGOMAN_CROSS_1(a, b) \
    __builtin_shufflevector(a, b, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30), \
    __builtin_shufflevector(a, b, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31)

inline Vec add(Vec a, Vec b) { return a + b; }

// Sixteen sums at once: lane i of the result is the sum of x[i]'s lanes. Overwrites x.
inline Vec sum_each(Vec x[LANES]) {
    for (int i = 0; i < 8; ++i) x[i] = add(DRAGOMAN_CROSS_8(x[i], x[i + 8]));
    for (int i = 0; i < 4; ++i) x[i] = add(DRAGOMAN_CROSS_4(x[i], x[i + 4]));
    for (int i = 0; i < 2; ++i) x[i] = add(DRAGOMAN_CROSS_2(x[i], x[i + 2]));
    return add(DRAGOMAN_CROSS_1(x[0], x[1]));
}

inline void assign(Vec& a, Vec& b, Vec first, Vec second) { a = first, b = second; }

// Lane j of x[i] becomes lane i of x[j].
inline void transpose(Vec x[LANES]) {
    for (int i = 0; i < 8; ++i) assign(x[i], x[i + 8], DRAGOMAN_CROSS_8(x[i], x[i + 8]));
    for (int start = 0; start < LANES; start += 8)
        for (int i = start; i < start + 4; ++i) assign(x[i], x[i + 4], DRAGOMAN_CROSS_4(x[i], x[i + 4]));
    for (int start = 0; start < LANES; start += 4)
        for (int i = start; i < start + 2; ++i) assign(x[i], x[i + 2], DRAGOMAN_CROSS_2(x[i], x[i + 2]));
    for (int i = 0; i < LANES; i += 2) assign(x[i], x[i + 1], DRAGOMAN_CROSS_1(x[i], x[i + 1]));
}

// Adding this to a float of less than 2^22 rounds it to an integer, which then stands in its lowest bits.
constexpr float ROUNDER = 12582912.0f;

constexpr float LOG2_E = 1.4426950408889634f;

// 2^x for x ≤ 127; what lies below -126 counts as -126, next to nothing. Relative error below 1e-7 beside what rounding
// x itself costs: 2^n by shifting, 2^f with |f| ≤ 1/2 by a polynomial.
inline Vec power_of_two(Vec x) {
    x = maximum(x, splat(-126.0f));
    const Vec shifted = x + ROUNDER;
    const Vec f = x - (shifted - ROUNDER);
    Vec power = splat(1.5461447462e-04f);
    power = fma(power, f, splat(1.3390867351e-03f));
    power = fma(power, f, splat(9.6180566699e-03f));
    power = fma(power, f, splat(5.5503571043e-02f));
    power = fma(power, f, splat(2.4022650922e-01f));
    power = fma(power, f, splat(6.9314718803e-01f));
    power = fma(power, f, splat(1.0f));
    return (Vec)((IntVec)power + ((IntVec)shifted << 23));
}

// Turns scores[0 .. length) into their softmax, in place; the lanes after them, up to a whole vector, become next to 0.
inline void softmax(float* scores, int length) {
    for (int i = length; i % LANES; ++i) scores[i] = -INFINITE;
    Vec highest = load(scores);
    for (int i = LANES; i < length; i += LANES) highest = maximum(highest, load(scores + i));
    const Vec offset = splat(-greatest(highest) * LOG2_E);
    Vec total = Vec{};
    for (int i = 0; i < length; i += LANES) {
        const Vec weights = power_of_two(fma(load(scores + i), splat(LOG2_E), offset));
        total += weights;
        store(scores + i, weights);
    }
    const Vec factor = splat(1.0f / sum(total));
    for (int i = 0; i < length; i += LANES) store(scores + i, load(scores + i) * factor);
}

}  // namespace dragoman

// As many floats at a time as one register of the processor holds, in the vector extensions that GCC and Clang share. (A
// vector of several registers a compiler would keep in memory.)
//
// Every function does the same operations in the same order for a row whatever its neighbours are: that, and
// -ffp-contract=off, is what makes translations independent of their batch to the last bit.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>

#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace dragoman {

#if defined(__AVX512VNNI__) && defined(__AVX512DQ__)
#define DRAGOMAN_AVX512
constexpr int LANES = 16, NUM_REGISTERS = 32;
#elif defined(__AVX2__) && defined(__FMA__)
#define DRAGOMAN_AVX2
constexpr int LANES = 8, NUM_REGISTERS = 16;
#elif defined(__x86_64__)
constexpr int LANES = 4, NUM_REGISTERS = 16;
#else
constexpr int LANES = 4, NUM_REGISTERS = 32;
#endif
#if defined(__ARM_FEATURE_MATMUL_INT8)
#define DRAGOMAN_I8MM
constexpr int WIDTH_STEP = 8;  // widths are multiples of it
#else
constexpr int WIDTH_STEP = LANES;
#endif
constexpr float INFINITE = std::numeric_limits<float>::infinity();

typedef float Vec __attribute__((vector_size(4 * LANES)));
typedef int32_t IntVec __attribute__((vector_size(4 * LANES)));
typedef int16_t PairVec __attribute__((vector_size(4 * LANES)));  // two numbers in every lane
typedef uint16_t UnsignedPairVec __attribute__((vector_size(4 * LANES)));
typedef uint16_t HalfVec __attribute__((vector_size(2 * LANES)));
typedef int8_t SignedByteVec __attribute__((vector_size(LANES)));
typedef uint8_t ByteVec __attribute__((vector_size(LANES)));

// What compilers do not find themselves.
//   fma: a · b + c, rounded once where the processor can
//   maximum: the greater one; b if one of them is no number
//   lanes_where: a bit for every lane that is true (all ones), the first lane's lowest
//   low_bytes, low_halves: of every lane; widen: the way back
#if defined(DRAGOMAN_AVX512)

inline Vec fma(Vec a, Vec b, Vec c) { return (Vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
inline Vec maximum(Vec a, Vec b) { return (Vec)_mm512_max_ps((__m512)a, (__m512)b); }
inline uint32_t lanes_where(IntVec is_true) { return _mm512_movepi32_mask((__m512i)is_true); }
inline ByteVec low_bytes(IntVec x) { return (ByteVec)_mm512_cvtepi32_epi8((__m512i)x); }
inline HalfVec low_halves(IntVec x) { return (HalfVec)_mm512_cvtepi32_epi16((__m512i)x); }
inline IntVec widen(SignedByteVec x) { return (IntVec)_mm512_cvtepi8_epi32((__m128i)x); }
inline IntVec widen(HalfVec x) { return (IntVec)_mm512_cvtepu16_epi32((__m256i)x); }

#elif defined(DRAGOMAN_AVX2)

inline Vec fma(Vec a, Vec b, Vec c) { return (Vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
inline Vec maximum(Vec a, Vec b) { return (Vec)_mm256_max_ps((__m256)a, (__m256)b); }
inline uint32_t lanes_where(IntVec is_true) { return _mm256_movemask_ps((__m256)is_true); }
inline ByteVec low_bytes(IntVec x) { return __builtin_convertvector(x, ByteVec); }
inline HalfVec low_halves(IntVec x) { return __builtin_convertvector(x, HalfVec); }
inline IntVec widen(SignedByteVec x) { return (IntVec)_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)&x)); }
inline IntVec widen(HalfVec x) { return (IntVec)_mm256_cvtepu16_epi32((__m128i)x); }

#elif defined(__aarch64__)

inline Vec fma(Vec a, Vec b, Vec c) { return (Vec)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b); }
inline Vec maximum(Vec a, Vec b) { return a > b ? a : b; }
inline uint32_t lanes_where(IntVec is_true) {
    const uint32x4_t bits = {1, 2, 4, 8};
    return vaddvq_u32(vandq_u32((uint32x4_t)is_true, bits));
}
inline HalfVec low_halves(IntVec x) { return (HalfVec)vmovn_u32((uint32x4_t)x); }
inline ByteVec low_bytes(IntVec x) {
    const uint16x4_t halves = (uint16x4_t)low_halves(x);
    const uint8x8_t twice = vmovn_u16(vcombine_u16(halves, halves));
    ByteVec bytes;
    std::memcpy(&bytes, &twice, sizeof bytes);
    return bytes;
}
inline IntVec widen(SignedByteVec x) {
    int32_t four;
    std::memcpy(&four, &x, sizeof four);
    return (IntVec)vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_s32(vdup_n_s32(four)))));
}
inline IntVec widen(HalfVec x) { return (IntVec)vmovl_u16((uint16x4_t)x); }

#else

inline Vec fma(Vec a, Vec b, Vec c) { return a * b + c; }
inline Vec maximum(Vec a, Vec b) { return a > b ? a : b; }
inline uint32_t lanes_where(IntVec is_true) {
    uint32_t bits = 0;
    for (int i = 0; i < LANES; ++i) bits |= static_cast<uint32_t>(is_true[i] & 1) << i;
    return bits;
}
inline ByteVec low_bytes(IntVec x) { return __builtin_convertvector(x, ByteVec); }
inline HalfVec low_halves(IntVec x) { return __builtin_convertvector(x, HalfVec); }
inline IntVec widen(SignedByteVec x) { return __builtin_convertvector(x, IntVec); }
inline IntVec widen(HalfVec x) { return __builtin_convertvector(x, IntVec); }

#endif

template <class Vector> inline Vector load_as(const void* from) {
    Vector values;
    std::memcpy(&values, from, sizeof values);
    return values;
}

inline Vec load(const float* from) { return load_as<Vec>(from); }
inline void store(float* to, Vec values) { std::memcpy(to, &values, sizeof values); }

// The upper half of a float: what int8 keeps of keys and values, which are read far more often than they are computed.
struct Bfloat16 {
    uint16_t bits;
};
inline Vec load(const Bfloat16* from) { return (Vec)(widen(load_as<HalfVec>(from)) << 16); }
inline void store(Bfloat16* to, Vec values) {  // rounded to the nearest, of two to the even one
    const IntVec bits = (IntVec)values;
    const HalfVec halves = low_halves((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
    std::memcpy(to, &halves, sizeof halves);
}
inline Vec load(const int8_t* from) { return __builtin_convertvector(widen(load_as<SignedByteVec>(from)), Vec); }

inline Vec splat(float x) { return x - Vec{}; }  // x + 0 would lose the sign of a zero
inline IntVec splat(int32_t x) { return x - IntVec{}; }

inline Vec absolute(Vec x) { return (Vec)((IntVec)x & 0x7fffffff); }

using Lanes = std::make_integer_sequence<int, LANES>;

// The lanes of a and b together, in another order.
template <int... PLACES> inline Vec shuffle(Vec a, Vec b) {
#if __has_builtin(__builtin_shufflevector)
    return __builtin_shufflevector(a, b, PLACES...);
#else  // GCC before its version 12
    return __builtin_shuffle(a, b, IntVec{PLACES...});
#endif
}

// Lane i is what was lane i + DISTANCE, or of the first ones at the end.
template <int DISTANCE, int... I> inline Vec rotate(Vec x, std::integer_sequence<int, I...>) {
    return shuffle<(I + DISTANCE) % LANES...>(x, x);
}

// Folds the upper half onto the lower one, again and again: always the same tree.
template <int DISTANCE = LANES / 2, class Combine> inline float fold(Vec x, Combine combine) {
    x = combine(x, rotate<DISTANCE>(x, Lanes()));
    if constexpr (DISTANCE > 1)
        return fold<DISTANCE / 2>(x, combine);
    else
        return x[0];
}

inline Vec add(Vec a, Vec b) { return a + b; }
inline float sum(Vec x) { return fold(x, add); }
inline float greatest(Vec x) { return fold(x, maximum); }

// Two vectors as pairs of blocks of BLOCK lanes: the lower block of every pair of a and of b in turn, and the upper ones.
template <int BLOCK, int... I> inline Vec lower_blocks(Vec a, Vec b, std::integer_sequence<int, I...>) {
    return shuffle<(I & BLOCK ? LANES + I - BLOCK : I)...>(a, b);
}
template <int BLOCK, int... I> inline Vec upper_blocks(Vec a, Vec b, std::integer_sequence<int, I...>) {
    return shuffle<(I & BLOCK ? LANES + I : I + BLOCK)...>(a, b);
}

// LANES sums at once: lane i of the result is the sum of x[i]'s lanes. Overwrites x.
template <int BLOCK = LANES / 2> inline Vec sum_each(Vec x[LANES]) {
    for (int i = 0; i < BLOCK; ++i)
        x[i] = lower_blocks<BLOCK>(x[i], x[i + BLOCK], Lanes()) + upper_blocks<BLOCK>(x[i], x[i + BLOCK], Lanes());
    if constexpr (BLOCK > 1)
        return sum_each<BLOCK / 2>(x);
    else
        return x[0];
}

// Lane j of x[i] becomes lane i of x[j].
template <int BLOCK = LANES / 2> inline void transpose(Vec x[LANES]) {
    for (int i = 0; i < LANES; ++i) {
        if (i & BLOCK) continue;
        const Vec a = x[i], b = x[i + BLOCK];
        x[i] = lower_blocks<BLOCK>(a, b, Lanes());
        x[i + BLOCK] = upper_blocks<BLOCK>(a, b, Lanes());
    }
    if constexpr (BLOCK > 1) transpose<BLOCK / 2>(x);
}

// Adding this to a float of less than 2^22 rounds it to an integer, which then stands in its lowest bits.
constexpr float ROUNDER = 12582912.0f;

constexpr float LOG2_E = 1.4426950408889634f;

// c[0] x^(n-1) + … + c[n-1]
template <int N> inline Vec polynomial(const float (&coefficients)[N], Vec x) {
    Vec value = splat(coefficients[0]);
    for (int i = 1; i < N; ++i) value = fma(value, x, splat(coefficients[i]));
    return value;
}

// 2^x for x ≤ 127; next to nothing below -126. Relative error of about 1e-7 beside what rounding x itself costs: 2^n by
// shifting and 2^f, with f = x - n, by a polynomial.
inline Vec power_of_two(Vec x) {
#if defined(DRAGOMAN_AVX512)  // has instructions for both, with 0 ≤ f < 1
    const Vec f = (Vec)_mm512_reduce_ps((__m512)x, 1);
    const Vec power = polynomial({1.8951072910e-03f, 8.9462146663e-03f, 5.5863282659e-02f, 2.4014077009e-01f,
                                  6.9315462000e-01f, 9.9999989576e-01f}, f);
    return (Vec)_mm512_scalef_ps((__m512)power, (__m512)x);
#else  // with |f| ≤ 1/2
    x = maximum(x, splat(-126.0f));
    const Vec shifted = x + ROUNDER;
    const Vec power = polynomial({1.5461447462e-04f, 1.3390867351e-03f, 9.6180566699e-03f, 5.5503571043e-02f,
                                  2.4022650922e-01f, 6.9314718803e-01f, 1.0f}, x - (shifted - ROUNDER));
    return (Vec)((IntVec)power + ((IntVec)shifted << 23));
#endif
}

// 1 / (1 + e^-x), without the overflow of e^-x.
inline Vec sigmoid(Vec x) {
    const Vec power = power_of_two(absolute(x) * -LOG2_E);  // e^-|x|
    const Vec one = splat(1.0f);
    return (x >= Vec{} ? one : power) / (one + power);
}

// The probability of what lies below x in the standard normal distribution. Of erf, formula 7.1.26 of Abramowitz and
// Stegun (1964): off by 1.5e-7 at most.
inline Vec normal_cumulative(Vec x) {
    const Vec z = absolute(x) * 0.70710678f;
    const Vec t = splat(1.0f) / fma(z, splat(0.3275911f), splat(1.0f));
    const Vec sum = t * polynomial({1.061405429f, -1.453152027f, 1.421413741f, -0.284496736f, 0.254829592f}, t);
    const Vec upper = sum * power_of_two(z * z * -LOG2_E) * 0.5f;  // of |x|
    return x >= Vec{} ? splat(1.0f) - upper : upper;
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

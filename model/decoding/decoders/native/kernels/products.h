// Sums of products of bytes, inputs with weights: exact integers, and so equal on every processor.
#pragma once

#include "vector.h"

namespace dragoman {

// Inputs are q + ZERO: where a processor multiplies bytes without a sign with signed ones, the inputs have none. GROUP
// inputs of an output lie side by side in a packed matrix.
#if defined(__aarch64__)
using InputByte = int8_t;
constexpr int ZERO = 0;
#else
using InputByte = uint8_t;
constexpr int ZERO = 128;
#endif
constexpr int GROUP = WIDTH_STEP > LANES ? WIDTH_STEP : 4;

#if !defined(DRAGOMAN_I8MM)

// sums + the four products of each lane's bytes.
#if defined(DRAGOMAN_AVX512)

inline IntVec add_products(IntVec sums, IntVec inputs, IntVec weights) {
    return (IntVec)_mm512_dpbusd_epi32((__m512i)sums, (__m512i)inputs, (__m512i)weights);
}

#elif defined(DRAGOMAN_AVX2) && defined(__AVXVNNI__)

inline IntVec add_products(IntVec sums, IntVec inputs, IntVec weights) {
    return (IntVec)_mm256_dpbusd_avx_epi32((__m256i)sums, (__m256i)inputs, (__m256i)weights);
}

#elif defined(DRAGOMAN_AVX2) && defined(__AVX512VNNI__) && defined(__AVX512VL__)  // the same in another encoding

inline IntVec add_products(IntVec sums, IntVec inputs, IntVec weights) {
    return (IntVec)_mm256_dpbusd_epi32((__m256i)sums, (__m256i)inputs, (__m256i)weights);
}

#elif defined(__ARM_FEATURE_DOTPROD)

inline IntVec add_products(IntVec sums, IntVec inputs, IntVec weights) {
    return (IntVec)vdotq_s32((int32x4_t)sums, (int8x16_t)inputs, (int8x16_t)weights);
}

#elif defined(__aarch64__)

inline IntVec add_products(IntVec sums, IntVec inputs, IntVec weights) {
    const int8x16_t a = (int8x16_t)inputs, b = (int8x16_t)weights;  // |a| ≤ 127: two products fit into 16 bits
    const int16x8_t lower = vmull_s8(vget_low_s8(a), vget_low_s8(b)), upper = vmull_high_s8(a, b);
    return (IntVec)vpadalq_s16((int32x4_t)sums, vpaddq_s16(lower, upper));
}

#else

inline IntVec sum_pairs(PairVec a, PairVec b) {  // of every lane's two products
#if defined(DRAGOMAN_AVX2)
    return (IntVec)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
    return (IntVec)_mm_madd_epi16((__m128i)a, (__m128i)b);
#else
    const IntVec x = (IntVec)a, y = (IntVec)b;
    return (x << 16 >> 16) * (y << 16 >> 16) + (x >> 16) * (y >> 16);
#endif
}

inline IntVec add_products(IntVec sums, IntVec inputs, IntVec weights) {  // the bytes of even and of odd places
    const UnsignedPairVec bytes = (UnsignedPairVec)inputs;
    const PairVec even = (PairVec)((UnsignedPairVec)weights << 8) >> 8, odd = (PairVec)weights >> 8;
    return sums + sum_pairs((PairVec)(bytes & 255), even) + sum_pairs((PairVec)(bytes >> 8), odd);
}

#endif

// sums[r][v]: of row r with the outputs of the panel's vector v, over num_inputs, a multiple of GROUP.
template <int ROWS, int VECTORS>
__attribute__((always_inline)) inline void sum_products(const InputByte* rows, int stride, const int8_t* weights,
                                                        int num_inputs, IntVec (&sums)[ROWS][VECTORS]) {
#pragma GCC unroll 6
    for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; ++v) sums[r][v] = IntVec{};
    for (int i = 0; i < num_inputs; i += GROUP, weights += VECTORS * LANES * GROUP) {
        IntVec columns[VECTORS];
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; ++v) std::memcpy(&columns[v], weights + v * LANES * GROUP, sizeof(IntVec));
#pragma GCC unroll 6
        for (int r = 0; r < ROWS; ++r) {
            int32_t four;
            std::memcpy(&four, rows + static_cast<size_t>(r) * stride + i, sizeof four);
            const IntVec input = splat(four);
#pragma GCC unroll 4
            for (int v = 0; v < VECTORS; ++v) sums[r][v] = add_products(sums[r][v], input, columns[v]);
        }
    }
}

// What `Matrix::take` makes of LANES rows of 4 · LANES inputs: groups of all rows, one after another.
inline void gather_groups(Vec rows[LANES]) { transpose(rows); }

#else  // an instruction multiplies 2 rows with 2 outputs, 8 inputs each

template <int ROWS, int VECTORS>
__attribute__((always_inline)) inline void sum_products(const InputByte* rows, int stride, const int8_t* weights,
                                                        int num_inputs, IntVec (&sums)[ROWS][VECTORS]) {
    constexpr int PAIRS = (ROWS + 1) / 2;
    int32x4_t squares[PAIRS][2 * VECTORS];
#pragma GCC unroll 3
    for (int p = 0; p < PAIRS; ++p)
#pragma GCC unroll 8
        for (int v = 0; v < 2 * VECTORS; ++v) squares[p][v] = vdupq_n_s32(0);
    for (int i = 0; i < num_inputs; i += GROUP, weights += VECTORS * LANES * GROUP) {
        int8x16_t inputs[PAIRS];
#pragma GCC unroll 3
        for (int p = 0; p < PAIRS; ++p) {
            const InputByte* row = rows + static_cast<size_t>(2 * p) * stride + i;
            const int8x8_t first = vld1_s8(row);
            inputs[p] = vcombine_s8(first, 2 * p + 1 < ROWS ? vld1_s8(row + stride) : first);
        }
#pragma GCC unroll 8
        for (int v = 0; v < 2 * VECTORS; ++v) {
            const int8x16_t columns = vld1q_s8(weights + v * 2 * GROUP);
#pragma GCC unroll 3
            for (int p = 0; p < PAIRS; ++p) squares[p][v] = vmmlaq_s32(squares[p][v], inputs[p], columns);
        }
    }
#pragma GCC unroll 6
    for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; ++v) {
            const int64x2_t left = (int64x2_t)squares[r / 2][2 * v], right = (int64x2_t)squares[r / 2][2 * v + 1];
            sums[r][v] = (IntVec)(r % 2 ? vzip2q_s64(left, right) : vzip1q_s64(left, right));
        }
}

inline void gather_groups(Vec rows[LANES]) {
    const Vec a = rows[0], b = rows[1], c = rows[2], d = rows[3];
    rows[0] = lower_blocks<2>(a, b, Lanes()), rows[1] = lower_blocks<2>(c, d, Lanes());
    rows[2] = upper_blocks<2>(a, b, Lanes()), rows[3] = upper_blocks<2>(c, d, Lanes());
}

#endif

}  // namespace dragoman

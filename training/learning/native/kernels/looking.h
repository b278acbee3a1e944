// The attention of a recurrent decoder: at one position, one query of each sentence looks at the source. Keys, values and
// queries are in bfloat16, [N, S, width] and [N, width]; weights, [N, padded S], and all sums in floats. A sentence looks
// no farther than its length.
#pragma once

#include <algorithm>

#include "recurrent.h"
#include "attention.h"

namespace dragoman {

struct Source {
    int64_t num_sentences, num_keys, width;
    const int64_t* lengths;

    int64_t padded_keys() const { return (num_keys + LANES - 1) / LANES * LANES; }
};

// values[i] = query · rows[i]; query in floats.
inline void multiply_rows(float* values, const float* query, const Bfloat16* rows, int64_t count, int64_t width) {
    for (int64_t row = 0; row < count; ++row) {
        const Bfloat16* own = rows + row * width;
        Vec sums[4] = {};  // four: an addition need not wait for the one before
        int64_t i = 0;
        for (; i + 4 * LANES <= width; i += 4 * LANES)
            for (int part = 0; part < 4; ++part)
                sums[part] = fma(load(query + i + part * LANES), load(own + i + part * LANES), sums[part]);
        for (; i < width; i += LANES) sums[0] = fma(load(query + i), load(own + i), sums[0]);
        values[row] = sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
    }
}

// total[i] = Σ weights[row] rows[row][i] of COLUMNS registers.
template <int COLUMNS>
inline void add_columns(Bfloat16* total, const float* weights, const Bfloat16* rows, int64_t count, int64_t width) {
    Vec sums[COLUMNS] = {};
    for (int64_t row = 0; row < count; ++row)
        for (int i = 0; i < COLUMNS; ++i)
            sums[i] = fma(splat(weights[row]), load(rows + row * width + i * LANES), sums[i]);
    for (int i = 0; i < COLUMNS; ++i) store(total + i * LANES, sums[i]);
}

inline void add_rows(Bfloat16* total, const float* weights, const Bfloat16* rows, int64_t count, int64_t width) {
    int64_t i = 0;
    for (; i + 8 * LANES <= width; i += 8 * LANES) add_columns<8>(total + i, weights, rows + i, count, width);
    for (; i < width; i += LANES) add_columns<1>(total + i, weights, rows + i, count, width);
}

// Additive attention's score where `score` is given: score · tanh(query + key); otherwise query · key.
inline void look(const Source& source, const Bfloat16* queries, const Bfloat16* keys, const Bfloat16* values,
                 const float* score, float* weights, Bfloat16* contexts) {
    const int64_t width = source.width, padded = source.padded_keys();
    const SharedScratch shared(width);
#pragma omp parallel for
    for (int64_t n = 0; n < source.num_sentences; ++n) {
        float *query = shared.of_thread(), *row = weights + n * padded;
        const int64_t length = source.lengths[n], first = n * source.num_keys * width;
        widen_row(query, queries + n * width, width);
        if (score)
            for (int64_t s = 0; s < length; ++s) {
                Vec total = Vec{};
                for (int64_t i = 0; i < width; i += LANES)
                    total = fma(load(score + i), tangent(load(query + i) + load(keys + first + s * width + i)), total);
                row[s] = sum(total);
            }
        else
            multiply_rows(row, query, keys + first, length, width);
        softmax(row, static_cast<int>(length));
        std::fill(row + length, row + padded, 0.0f);
        add_rows(contexts + n * width, row, values + first, length, width);
    }
}

// of_scores, [N, padded S]: for `gather`. With `score`, of_keys, [N, S, width], and of_score, [N, width], grow by this
// position's gradients.
inline void look_backward(const Source& source, const Bfloat16* queries, const Bfloat16* keys, const Bfloat16* values,
                          const float* score, const float* weights, const Bfloat16* of_contexts, float* of_scores,
                          Bfloat16* of_queries, float* of_keys, float* of_score) {
    const int64_t width = source.width, padded = source.padded_keys();
    const SharedScratch shared(2 * width);
#pragma omp parallel for
    for (int64_t n = 0; n < source.num_sentences; ++n) {
        float *query = shared.of_thread(), *of_query = query + width, *row = of_scores + n * padded;
        const float* own = weights + n * padded;
        const int64_t length = source.lengths[n], first = n * source.num_keys * width;
        widen_row(query, of_contexts + n * width, width);
        std::fill(row, row + padded, 0.0f);
        multiply_rows(row, query, values + first, length, width);
        Vec product = Vec{};
        for (int64_t s = 0; s < padded; s += LANES) product = fma(load(own + s), load(row + s), product);
        const float mean = sum(product);  // weighted by the softmax, whose derivative this is
        for (int64_t s = 0; s < padded; s += LANES) store(row + s, load(own + s) * (load(row + s) - mean));
        if (!score) {
            add_rows(of_queries + n * width, row, keys + first, length, width);
            continue;
        }
        widen_row(query, queries + n * width, width);
        std::fill(of_query, of_query + width, 0.0f);
        for (int64_t s = 0; s < length; ++s)
            for (int64_t i = 0; i < width; i += LANES) {
                const int64_t key = first + s * width + i;
                const Vec mixed = tangent(load(query + i) + load(keys + key));
                const Vec of_sum = load(score + i) * slope_of_tangent(mixed) * row[s];
                store(of_query + i, load(of_query + i) + of_sum);
                store(of_keys + key, load(of_keys + key) + of_sum);
                store(of_score + n * width + i, fma(mixed, splat(row[s]), load(of_score + n * width + i)));
            }
        for (int64_t i = 0; i < width; i += LANES) store(of_queries + n * width + i, load(of_query + i));
    }
}

// gathered[n][s] = Σ weights[t][n][s] rows[t][n] over all positions t: weights [T, N, padded S], rows [T, N, width],
// gathered [N, S, width].
inline void gather(const Source& source, int64_t num_positions, const float* weights, const Bfloat16* rows,
                   Bfloat16* gathered) {
    const int64_t N = source.num_sentences, S = source.num_keys, width = source.width, padded = source.padded_keys();
    const SharedScratch shared(num_positions * (width + padded) + 32);
#pragma omp parallel
    {
        Scratch scratch(shared);
        float *wide = scratch.take(num_positions * width), *own = scratch.take(num_positions * padded);
#pragma omp for
        for (int64_t n = 0; n < N; ++n) {
            for (int64_t t = 0; t < num_positions; ++t) {
                widen_row(wide + t * width, rows + (t * N + n) * width, width);
                std::copy_n(weights + (t * N + n) * padded, padded, own + t * padded);
            }
            for (int64_t s = 0; s < S; ++s)
                weighted_sum(gathered + (n * S + s) * width, own + s, padded, num_positions, wide, width);
        }
    }
}

}  // namespace dragoman

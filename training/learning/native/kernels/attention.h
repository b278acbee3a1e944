// Multi-head attention for training: every head of a sentence is small enough to stay in the first cache, so scores,
// softmax and weighted sum are made there, in floats, and memory sees queries, keys, values and the weights only once.
#pragma once

#include <algorithm>

#include "random.h"
#include "scratch.h"

namespace dragoman {

struct AttentionShape {
    int64_t num_sentences, num_heads, num_queries, num_keys, d_key, d_value;
    int64_t mask_sentence_stride, mask_query_stride;  // 0 where all share one

    int64_t num_pairs() const { return num_sentences * num_heads; }
    int64_t padded_keys() const { return (num_keys + LANES - 1) / LANES * LANES; }
};

// The rows of one head of one sentence among [N, length, num_heads · width].
template <class Number> struct HeadRows {
    Number* first;
    int64_t stride;

    HeadRows(Number* all, int64_t pair, int64_t num_heads, int64_t length, int64_t width)
        : first(all + (pair / num_heads * length * num_heads + pair % num_heads) * width), stride(num_heads * width) {}
    Number* operator[](int64_t row) const { return first + row * stride; }
};

inline void widen_row(float* to, const Bfloat16* from, int64_t width, float factor = 1) {
    for (int64_t i = 0; i < width; i += LANES) store(to + i, load(from + i) * factor);
}

inline void widen_rows(float* to, const HeadRows<const Bfloat16>& from, int64_t rows, int64_t width) {
    for (int64_t row = 0; row < rows; ++row) widen_row(to + row * width, from[row], width);
}

// [rows, width] -> [width, padded_rows], with zeros in place of the rows that there are not.
inline void widen_transposed(float* to, const HeadRows<const Bfloat16>& from, int64_t rows, int64_t width,
                             int64_t padded_rows) {
    Vec block[LANES];
    for (int64_t row = 0; row < padded_rows; row += LANES)
        for (int64_t column = 0; column < width; column += LANES) {
            for (int i = 0; i < LANES; ++i) block[i] = row + i < rows ? load(from[row + i] + column) : Vec{};
            transpose(block);
            for (int i = 0; i < LANES; ++i) store(to + (column + i) * padded_rows + row, block[i]);
        }
}

// sum = factor · Σ weights[i · stride] rows[i], each row of the given width.
template <class Number>
inline void weighted_sum(Number* sum, const float* weights, int64_t stride, int64_t count, const float* rows,
                         int64_t width, float factor = 1) {
    for (int64_t column = 0; column < width; column += LANES) {
        Vec even = Vec{}, odd = Vec{};  // two sums: an addition need not wait for the one before
        int64_t i = 0;
        for (; i + 1 < count; i += 2) {
            even = fma(splat(weights[i * stride]), load(rows + i * width + column), even);
            odd = fma(splat(weights[(i + 1) * stride]), load(rows + (i + 1) * width + column), odd);
        }
        if (i < count) even = fma(splat(weights[i * stride]), load(rows + i * width + column), even);
        store(sum + column, (even + odd) * factor);
    }
}

// Scores become -∞ where the mask, a byte for each key, is 0.
inline void hide(float* scores, const uint8_t* mask, int64_t num_keys) {
    for (int64_t key = 0; key < num_keys; ++key)
        if (!mask[key]) scores[key] = -INFINITE;
}

// weights: [N, num_heads, T, padded S], which the backward pass needs: softmax, with the sign bit set where dropped.
inline void attend(const AttentionShape& shape, const Bfloat16* queries, const Bfloat16* keys, const Bfloat16* values,
                   const uint8_t* mask, Dropout dropout, float* weights, Bfloat16* context) {
    const int64_t num_heads = shape.num_heads, T = shape.num_queries, S = shape.num_keys, padded = shape.padded_keys();
    const int64_t d_key = shape.d_key, d_value = shape.d_value;
    const float scale = 1 / std::sqrt(static_cast<float>(d_key));
    const SharedScratch shared(d_key * padded + S * d_value + d_key + padded + 64);
#pragma omp parallel
    {
        Scratch scratch(shared);
        float *key_columns = scratch.take(d_key * padded), *value_rows = scratch.take(S * d_value);
        float *query = scratch.take(d_key), *dropped = scratch.take(padded);
#pragma omp for
        for (int64_t pair = 0; pair < shape.num_pairs(); ++pair) {
            const HeadRows<const Bfloat16> query_rows(queries, pair, num_heads, T, d_key);
            const HeadRows<Bfloat16> context_rows(context, pair, num_heads, T, d_value);
            widen_transposed(key_columns, {keys, pair, num_heads, S, d_key}, S, d_key, padded);
            widen_rows(value_rows, {values, pair, num_heads, S, d_value}, S, d_value);
            for (int64_t t = 0; t < T; ++t) {
                float* row = weights + (pair * T + t) * padded;
                widen_row(query, query_rows[t], d_key, scale);
                weighted_sum(row, query, 1, d_key, key_columns, padded);
                hide(row, mask + pair / num_heads * shape.mask_sentence_stride + t * shape.mask_query_stride, S);
                softmax(row, static_cast<int>(S));
                std::fill(row + S, row + padded, 0.0f);
                const float* used = row;
                if (dropout.is_on) {
                    for (int64_t key = 0; key < padded; key += LANES) {
                        const Vec weight = load(row + key);
                        const IntVec kept = dropout.kept((pair * T + t) * padded + key);
                        store(dropped + key, dropout.apply(weight, kept));
                        store(row + key, (Vec)((IntVec)weight | (~kept & INT32_MIN)));
                    }
                    used = dropped;
                }
                weighted_sum(context_rows[t], used, 1, S, value_rows, d_value);
            }
        }
    }
}

inline void attend_backward(const AttentionShape& shape, const Bfloat16* queries, const Bfloat16* keys,
                            const Bfloat16* values, const float* weights, Dropout dropout, const Bfloat16* gradient,
                            Bfloat16* query_gradient, Bfloat16* key_gradient, Bfloat16* value_gradient) {
    const int64_t num_heads = shape.num_heads, T = shape.num_queries, S = shape.num_keys, padded = shape.padded_keys();
    const int64_t d_key = shape.d_key, d_value = shape.d_value;
    const float scale = 1 / std::sqrt(static_cast<float>(d_key));
    const SharedScratch shared(d_value * padded + S * d_key + T * (d_key + d_value + 2 * padded) + 96);
#pragma omp parallel
    {
        Scratch scratch(shared);
        float *value_columns = scratch.take(d_value * padded), *key_rows = scratch.take(S * d_key);
        float *query_rows = scratch.take(T * d_key), *gradient_rows = scratch.take(T * d_value);
        float *used = scratch.take(T * padded), *score_gradients = scratch.take(T * padded);
#pragma omp for
        for (int64_t pair = 0; pair < shape.num_pairs(); ++pair) {
            const HeadRows<Bfloat16> of_queries(query_gradient, pair, num_heads, T, d_key);
            const HeadRows<Bfloat16> of_keys(key_gradient, pair, num_heads, S, d_key);
            const HeadRows<Bfloat16> of_values(value_gradient, pair, num_heads, S, d_value);
            widen_transposed(value_columns, {values, pair, num_heads, S, d_value}, S, d_value, padded);
            widen_rows(key_rows, {keys, pair, num_heads, S, d_key}, S, d_key);
            widen_rows(query_rows, {queries, pair, num_heads, T, d_key}, T, d_key);
            widen_rows(gradient_rows, {gradient, pair, num_heads, T, d_value}, T, d_value);
            for (int64_t t = 0; t < T; ++t) {
                const float* row = weights + (pair * T + t) * padded;
                float *of_row = score_gradients + t * padded, *used_row = used + t * padded;
                weighted_sum(of_row, gradient_rows + t * d_value, 1, d_value, value_columns, padded);
                Vec product = Vec{};
                for (int64_t key = 0; key < padded; key += LANES) {
                    const Vec weight = absolute(load(row + key));
                    Vec of_weight = load(of_row + key), used_weight = weight;
                    if (dropout.is_on) {
                        const IntVec kept = (IntVec)load(row + key) >= 0;
                        of_weight = dropout.apply(of_weight, kept);
                        used_weight = dropout.apply(weight, kept);
                    }
                    product = fma(weight, of_weight, product);
                    store(of_row + key, of_weight);
                    store(used_row + key, used_weight);
                }
                const float mean = sum(product);  // weighted by the softmax, whose derivative this is
                for (int64_t key = 0; key < padded; key += LANES)
                    store(of_row + key, absolute(load(row + key)) * (load(of_row + key) - mean));
                weighted_sum(of_queries[t], of_row, 1, S, key_rows, d_key, scale);
            }
            for (int64_t s = 0; s < S; ++s) {
                weighted_sum(of_keys[s], score_gradients + s, padded, T, query_rows, d_key, scale);
                weighted_sum(of_values[s], used + s, padded, T, gradient_rows, d_value);
            }
        }
    }
}

}  // namespace dragoman

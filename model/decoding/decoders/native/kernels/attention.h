// Attention of one head or one row, in float32.
#pragma once

#include "vector.h"

namespace dragoman {

// Columns of rows · matrix, BLOCKS · LANES of them, for ROWS rows: rows[r][i] · matrix[i][column], i below `length`.
template <int ROWS, int BLOCKS, class Number>
inline void multiply_columns(const float* rows, int row_stride, const Number* matrix, int matrix_stride, int length,
                             float* results, int result_stride) {
    Vec sums[ROWS][BLOCKS];
    for (int r = 0; r < ROWS; ++r)
        for (int b = 0; b < BLOCKS; ++b) sums[r][b] = Vec{};
    for (int i = 0; i < length; ++i, matrix += matrix_stride) {
        Vec columns[BLOCKS];
#pragma GCC unroll 4
        for (int b = 0; b < BLOCKS; ++b) columns[b] = load(matrix + b * LANES);
#pragma GCC unroll 4
        for (int r = 0; r < ROWS; ++r) {
            const Vec factor = splat(rows[static_cast<size_t>(r) * row_stride + i]);
#pragma GCC unroll 4
            for (int b = 0; b < BLOCKS; ++b) sums[r][b] = fma(factor, columns[b], sums[r][b]);
        }
    }
    for (int r = 0; r < ROWS; ++r)
        for (int b = 0; b < BLOCKS; ++b) store(results + static_cast<size_t>(r) * result_stride + b * LANES, sums[r][b]);
}

// All columns, as many at a time as there are registers for.
template <int ROWS, class Number>
inline void multiply_all_columns(const float* rows, int row_stride, const Number* matrix, int matrix_stride, int length,
                                 float* results, int result_stride, int num_columns) {
    int column = 0;
    if constexpr (NUM_REGISTERS >= 32)
        for (; column + 4 * LANES <= num_columns; column += 4 * LANES)
            multiply_columns<ROWS, 4>(rows, row_stride, matrix + column, matrix_stride, length, results + column,
                                      result_stride);
    for (; column + 2 * LANES <= num_columns; column += 2 * LANES)
        multiply_columns<ROWS, 2>(rows, row_stride, matrix + column, matrix_stride, length, results + column,
                                  result_stride);
    if (column < num_columns)
        multiply_columns<ROWS, 1>(rows, row_stride, matrix + column, matrix_stride, length, results + column,
                                  result_stride);
}

// One head's keys and values of a source sentence, shared by all its queries.
template <class Number> struct HeadMemory {
    const Number* keys;  // [d_key][padded length], so that neighbouring positions are one vector
    int padded_length;
    const Number* values;  // [length][value_stride], of which the first padded_d_value count
    int value_stride;
    int length;
};

// Where a head's queries lie, [num_queries][query_stride], scaled already, and where its contexts go.
struct HeadQueries {
    const float* queries;
    int query_stride;
    float* contexts;
    int context_stride;
};

// ROWS queries of one head. weights: scratch [ROWS][padded length], which holds the attention weights afterwards.
template <int ROWS, class Number>
inline void attend_tile(const HeadMemory<Number>& memory, const HeadQueries& head, int d_key, int padded_d_value,
                        float* weights) {
    multiply_all_columns<ROWS>(head.queries, head.query_stride, memory.keys, memory.padded_length, d_key, weights,
                               memory.padded_length, memory.padded_length);
    for (int r = 0; r < ROWS; ++r) softmax(weights + r * memory.padded_length, memory.length);
    multiply_all_columns<ROWS>(weights, memory.padded_length, memory.values, memory.value_stride, memory.length,
                               head.contexts, head.context_stride, padded_d_value);
}

// All queries of one head, four at a time. weights: scratch [num_queries][padded length], kept for the caller.
template <class Number>
inline void attend(const HeadMemory<Number>& memory, HeadQueries head, int num_queries, int d_key, int padded_d_value,
                   float* weights) {
    while (num_queries > 0) {
        const int count = num_queries < 4 ? num_queries : 4;
        switch (count) {
            case 1: attend_tile<1>(memory, head, d_key, padded_d_value, weights); break;
            case 2: attend_tile<2>(memory, head, d_key, padded_d_value, weights); break;
            case 3: attend_tile<3>(memory, head, d_key, padded_d_value, weights); break;
            default: attend_tile<4>(memory, head, d_key, padded_d_value, weights);
        }
        head.queries += static_cast<size_t>(count) * head.query_stride;
        head.contexts += static_cast<size_t>(count) * head.context_stride;
        weights += static_cast<size_t>(count) * memory.padded_length;
        num_queries -= count;
    }
}

// The past of one row: where its keys and values of every position lie, all heads side by side.
template <class Number> struct Past {
    const Number* const* keys;  // [length] pointers to [num_heads · padded_d_key]
    const Number* const* values;  // [length] pointers to [num_heads · padded_d_value]
    int length;
};

// One row looks back on its own past. query: [num_heads · padded_d_key], scaled already; context: [num_heads ·
// padded_d_value]; weights: scratch [num_heads][padded length].
template <class Number>
inline void attend_to_past(const Past<Number>& past, const float* query, int num_heads, int padded_d_key, int padded_d_value,
                           float* weights, float* context) {
    const int padded_length = (past.length + LANES - 1) / LANES * LANES;
    for (int start = 0; start < past.length; start += LANES) {
        const int count = past.length - start < LANES ? past.length - start : LANES;
        for (int head = 0; head < num_heads; ++head) {
            Vec products[LANES];
            for (int t = 0; t < LANES; ++t) {
                products[t] = Vec{};
                if (t < count)
                    for (int j = head * padded_d_key; j < (head + 1) * padded_d_key; j += LANES)
                        products[t] = fma(load(query + j), load(past.keys[start + t] + j), products[t]);
            }
            store(weights + head * padded_length + start, sum_each(products));
        }
    }
    for (int head = 0; head < num_heads; ++head) softmax(weights + head * padded_length, past.length);
    for (int head = 0; head < num_heads; ++head) {
        const float* weight = weights + head * padded_length;
        int j = head * padded_d_value;
        const int end = j + padded_d_value;
        for (; j + 4 * LANES <= end; j += 4 * LANES) {
            Vec sums[4] = {};
            for (int t = 0; t < past.length; ++t)
                for (int v = 0; v < 4; ++v)
                    sums[v] = fma(splat(weight[t]), load(past.values[t] + j + v * LANES), sums[v]);
            for (int v = 0; v < 4; ++v) store(context + j + v * LANES, sums[v]);
        }
        for (; j < end; j += LANES) {
            Vec sums = Vec{};
            for (int t = 0; t < past.length; ++t) sums = fma(splat(weight[t]), load(past.values[t] + j), sums);
            store(context + j, sums);
        }
    }
}

}  // namespace dragoman

// What stands around each sublayer: dropout with the residual sum, and layer normalization (Ba et al. 2016). One pass over
// the memory each, where a chain of operations would take many.
#pragma once

#include <algorithm>

#include "random.h"

namespace dragoman {

// sum = states + dropout(update)
inline void add_dropped(int64_t size, const float* states, const Bfloat16* update, Dropout dropout, float* sum) {
#pragma omp parallel for
    for (int64_t i = 0; i < size; i += LANES)
        store(sum + i, load(states + i) + dropout.apply(load(update + i), dropout.kept(i)));
}

// The gradient of update, where that of sum, and so of states, is given.
inline void add_dropped_backward(int64_t size, const float* gradient, Dropout dropout, Bfloat16* update_gradient) {
#pragma omp parallel for
    for (int64_t i = 0; i < size; i += LANES)
        store(update_gradient + i, dropout.apply(load(gradient + i), dropout.kept(i)));
}

// statistics: [rows, 2], mean and reciprocal standard deviation of each row, for the backward pass.
inline void normalize(int64_t rows, int64_t width, const float* states, const float* weight, const float* bias,
                      float epsilon, Bfloat16* normalized, float* statistics) {
#pragma omp parallel for
    for (int64_t row = 0; row < rows; ++row) {
        const float* x = states + row * width;
        Vec total = Vec{}, squares = Vec{};
        for (int64_t i = 0; i < width; i += LANES) total += load(x + i);
        const float mean = sum(total) / width;
        for (int64_t i = 0; i < width; i += LANES) {
            const Vec centred = load(x + i) - mean;
            squares = fma(centred, centred, squares);
        }
        const float scale = 1 / std::sqrt(sum(squares) / width + epsilon);
        for (int64_t i = 0; i < width; i += LANES)
            store(normalized + row * width + i,
                  fma((load(x + i) - mean) * scale, load(weight + i), load(bias + i)));
        statistics[2 * row] = mean;
        statistics[2 * row + 1] = scale;
    }
}

// The gradients of weight and bias are summed by parts, [num_parts, width]: always the same rows to a part, so that the
// sums do not depend on the number of threads.
inline void normalize_backward(int64_t rows, int64_t width, const float* states, const float* weight,
                               const float* statistics, const Bfloat16* gradient, float* states_gradient,
                               int num_parts, float* weight_gradients, float* bias_gradients) {
#pragma omp parallel for
    for (int part = 0; part < num_parts; ++part) {
        float* of_weight = weight_gradients + part * width;
        float* of_bias = bias_gradients + part * width;
        std::fill(of_weight, of_weight + width, 0.0f);
        std::fill(of_bias, of_bias + width, 0.0f);
        for (int64_t row = rows * part / num_parts; row < rows * (part + 1) / num_parts; ++row) {
            const float* x = states + row * width;
            const Bfloat16* g = gradient + row * width;
            const float mean = statistics[2 * row], scale = statistics[2 * row + 1];
            Vec total = Vec{}, product = Vec{};
            for (int64_t i = 0; i < width; i += LANES) {
                const Vec unit = (load(x + i) - mean) * scale, outer = load(g + i), inner = outer * load(weight + i);
                total += inner;
                product = fma(inner, unit, product);
                store(of_weight + i, fma(outer, unit, load(of_weight + i)));
                store(of_bias + i, load(of_bias + i) + outer);
            }
            const float mean_inner = sum(total) / width, mean_product = sum(product) / width;
            for (int64_t i = 0; i < width; i += LANES) {
                const Vec unit = (load(x + i) - mean) * scale, inner = load(g + i) * load(weight + i);
                store(states_gradient + row * width + i, (inner - mean_inner - unit * mean_product) * scale);
            }
        }
    }
}

}  // namespace dragoman

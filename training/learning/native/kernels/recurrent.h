// The gates of recurrent units at one position of many sentences: one pass over the memory there, one back. The products
// around them are torch's. Rows are sentences. `projected` is what the input gives to each gate, [rows, gates · width],
// `product` what the hidden state before does. What the backward pass needs of the gates it computes again: that costs
// less than memory that keeps them.
#pragma once

#include <algorithm>

#include "random.h"

namespace dragoman {

inline Vec tangent(Vec x) { return sigmoid(x * 2) * 2 - 1; }
inline Vec slope_of_sigmoid(Vec y) { return y * (1 - y); }
inline Vec slope_of_tangent(Vec y) { return 1 - y * y; }

// See LSTMCell of model/network/recurrent.py.
struct Lstm {
    static constexpr int GATES = 4;
    Vec admitted, kept, added, shown;

    Lstm(const Bfloat16* projected, const Bfloat16* product, int64_t width) {
        const auto gate = [&](int64_t i) { return load(projected + i * width) + load(product + i * width); };
        admitted = sigmoid(gate(0)), kept = sigmoid(gate(1)), added = tangent(gate(2)), shown = sigmoid(gate(3));
    }
};

// See GRUCell, likewise.
struct Gru {
    static constexpr int GATES = 3;
    Vec reset, kept, by_state, candidate;

    Gru(const Bfloat16* projected, const Bfloat16* product, int64_t width) {
        const auto gate = [&](int64_t i) { return load(projected + i * width) + load(product + i * width); };
        reset = sigmoid(gate(0)), kept = sigmoid(gate(1)), by_state = load(product + 2 * width);
        candidate = tangent(fma(reset, by_state, load(projected + 2 * width)));
    }
};

// Memory: an LSTM's cell, [rows, width], before and after.
inline void lstm(int64_t rows, int64_t width, const Bfloat16* projected, const Bfloat16* product, const float* before,
                 float* after, Bfloat16* hidden) {
#pragma omp parallel for
    for (int64_t row = 0; row < rows; ++row)
        for (int64_t i = 0; i < width; i += LANES) {
            const int64_t own = row * width + i, gates = row * Lstm::GATES * width + i;
            const Lstm unit(projected + gates, product + gates, width);
            const Vec memory = fma(unit.kept, load(before + own), unit.admitted * unit.added);
            store(after + own, memory);
            store(hidden + own, unit.shown * tangent(memory));
        }
}

// The gradients that come to a position's hidden state, in bfloat16; null where there is none.
struct Gradients {
    const Bfloat16 *first, *second, *third;

    Vec total(int64_t place) const {
        Vec sum = load(first + place);
        if (second) sum += load(second + place);
        if (third) sum += load(third + place);
        return sum;
    }
};

// of_memory: of the memory after, which becomes that of the memory before. of_gates: of projected and of product.
inline void lstm_backward(int64_t rows, int64_t width, const Bfloat16* projected, const Bfloat16* product,
                          const float* before, const float* after, Gradients gradients, float* of_memory,
                          Bfloat16* of_gates) {
#pragma omp parallel for
    for (int64_t row = 0; row < rows; ++row)
        for (int64_t i = 0; i < width; i += LANES) {
            const int64_t own = row * width + i, gates = row * Lstm::GATES * width + i;
            const Lstm unit(projected + gates, product + gates, width);
            const Vec of_hidden = gradients.total(own), memory = tangent(load(after + own));
            const Vec of_sum = fma(of_hidden * unit.shown, slope_of_tangent(memory), load(of_memory + own));
            store(of_gates + gates, of_sum * unit.added * slope_of_sigmoid(unit.admitted));
            store(of_gates + gates + width, of_sum * load(before + own) * slope_of_sigmoid(unit.kept));
            store(of_gates + gates + 2 * width, of_sum * unit.admitted * slope_of_tangent(unit.added));
            store(of_gates + gates + 3 * width, of_hidden * memory * slope_of_sigmoid(unit.shown));
            store(of_memory + own, of_sum * unit.kept);
        }
}

// Memory: the hidden state itself, in float32, before and after.
inline void gru(int64_t rows, int64_t width, const Bfloat16* projected, const Bfloat16* product, const float* before,
                float* after, Bfloat16* hidden) {
#pragma omp parallel for
    for (int64_t row = 0; row < rows; ++row)
        for (int64_t i = 0; i < width; i += LANES) {
            const int64_t own = row * width + i, gates = row * Gru::GATES * width + i;
            const Gru unit(projected + gates, product + gates, width);
            const Vec state = fma(unit.kept, load(before + own) - unit.candidate, unit.candidate);
            store(after + own, state);
            store(hidden + own, state);
        }
}

// of_memory: of the hidden state after, beside `gradients`, which becomes that of the state before, beside what the
// product of of_product gives it.
inline void gru_backward(int64_t rows, int64_t width, const Bfloat16* projected, const Bfloat16* product,
                         const float* before, Gradients gradients, float* of_memory, Bfloat16* of_projected, Bfloat16* of_product) {
#pragma omp parallel for
    for (int64_t row = 0; row < rows; ++row)
        for (int64_t i = 0; i < width; i += LANES) {
            const int64_t own = row * width + i, gates = row * Gru::GATES * width + i;
            const Gru unit(projected + gates, product + gates, width);
            const Vec of_state = gradients.total(own) + load(of_memory + own);
            const Vec of_candidate = of_state * (1 - unit.kept) * slope_of_tangent(unit.candidate);
            const Vec of_kept = of_state * (load(before + own) - unit.candidate) * slope_of_sigmoid(unit.kept);
            const Vec of_reset = of_candidate * unit.by_state * slope_of_sigmoid(unit.reset);
            const Vec of_by_state = of_candidate * unit.reset;
            const Vec of_before = of_state * unit.kept;
            store(of_projected + gates, of_reset);
            store(of_product + gates, of_reset);
            store(of_projected + gates + width, of_kept);
            store(of_product + gates + width, of_kept);
            store(of_projected + gates + 2 * width, of_candidate);
            store(of_product + gates + 2 * width, of_by_state);
            store(of_memory + own, of_before);
        }
}

// dropped = dropout(factor · x)
inline void scale_and_drop(int64_t size, const float* x, float factor, Dropout dropout, Bfloat16* dropped) {
#pragma omp parallel for
    for (int64_t i = 0; i < size; i += LANES) {
        const Vec value = load(x + i) * factor;
        store(dropped + i, dropout.is_on ? dropout.apply(value, dropout.kept(i)) : value);
    }
}

inline void scale_and_drop_backward(int64_t size, const Bfloat16* gradient, float factor, Dropout dropout,
                                    float* of_x) {
#pragma omp parallel for
    for (int64_t i = 0; i < size; i += LANES) {
        const Vec value = load(gradient + i) * factor;
        store(of_x + i, dropout.is_on ? dropout.apply(value, dropout.kept(i)) : value);
    }
}

// dropped = dropout(x), or dropout(tanh x); `place` is that of the first number among those that the seed drops.
inline void drop(int64_t size, bool is_tangent, const Bfloat16* x, Dropout dropout, int64_t place, Bfloat16* dropped) {
#pragma omp parallel for
    for (int64_t i = 0; i < size; i += LANES) {
        const Vec value = is_tangent ? tangent(load(x + i)) : load(x + i);
        store(dropped + i, dropout.is_on ? dropout.apply(value, dropout.kept(place + i)) : value);
    }
}

// The gradient of x. more: a second gradient of what came out, or null.
inline void drop_backward(int64_t size, bool is_tangent, const Bfloat16* x, Dropout dropout, int64_t place,
                          const Bfloat16* gradient, const Bfloat16* more, Bfloat16* of_x) {
#pragma omp parallel for
    for (int64_t i = 0; i < size; i += LANES) {
        Vec value = load(gradient + i);
        if (more) value += load(more + i);
        if (dropout.is_on) value = dropout.apply(value, dropout.kept(place + i));
        store(of_x + i, is_tangent ? value * slope_of_tangent(tangent(load(x + i))) : value);
    }
}

}  // namespace dragoman

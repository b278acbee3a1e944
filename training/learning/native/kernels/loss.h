// The cross-entropy between the output layer's product and the two products of its gradient: a position's logits fit the
// first caches, so memory sees them once on the way in and once on the way out.
#pragma once

#include <algorithm>

#include "scratch.h"
#include "vector.h"

namespace dragoman {

// Replaces logits, [rows, width], by the gradient of each row's cross-entropy by them: the probabilities, less `share` at
// the label. normalizers: the logarithm of the sum of each row's exponentials.
inline void cross_entropy(int64_t rows, int64_t width, Bfloat16* logits, const int64_t* labels, float share,
                          float* normalizers, float* label_log_probs) {
    const int64_t whole = width / LANES * LANES, padded = whole + LANES;
    const SharedScratch shared(padded);
#pragma omp parallel for
    for (int64_t row = 0; row < rows; ++row) {
        Bfloat16* own = logits + row * width;
        float* wide = shared.of_thread();
        Bfloat16 rest[LANES];
        std::fill(rest, rest + LANES, Bfloat16{0xff80});  // -∞: no piece, whose probability is 0
        std::copy(own + whole, own + width, rest);
        Vec highest = splat(-INFINITE);
        for (int64_t i = 0; i < padded; i += LANES) {
            const Vec scores = load(i < whole ? own + i : rest);
            store(wide + i, scores);
            highest = maximum(scores, highest);
        }
        const float top = greatest(highest), label_logit = wide[labels[row]];
        Vec total = Vec{};
        for (int64_t i = 0; i < padded; i += LANES) {
            const Vec weights = power_of_two((load(wide + i) - top) * LOG2_E);
            total += weights;
            store(wide + i, weights);
        }
        const float above_top = std::log(sum(total));
        normalizers[row] = top + above_top;
        label_log_probs[row] = label_logit - top - above_top;
        const float factor = 1 / sum(total);
        for (int64_t i = 0; i < whole; i += LANES) store(own + i, load(wide + i) * factor);
        store(rest, load(wide + whole) * factor);
        std::copy(rest, rest + (width - whole), own + whole);
        store(rest, splat(wide[labels[row]] * factor - share));
        own[labels[row]] = rest[0];
    }
}

}  // namespace dragoman

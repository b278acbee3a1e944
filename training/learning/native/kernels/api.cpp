// What library.py calls. Matrices are contiguous; widths are multiples of dragoman_lanes(). What takes memory returns
// whether it got it.
#include "attention.h"
#include "elementwise.h"
#include "looking.h"
#include "loss.h"
#include "processor.h"
#include "recurrent.h"

using namespace dragoman;

namespace {

template <class Work> int with_memory(Work work) {
    try {
        work();
        return 1;
    } catch (const std::bad_alloc&) {
        return 0;
    }
}

}  // namespace

extern "C" {

int dragoman_lanes() { return LANES; }

// To be asked before anything else is called.
int dragoman_lacks_instructions() { return lacks_instructions(); }

// The sizes of the structures that library.py mirrors.
int dragoman_sizes(int64_t* sizes) {
    sizes[0] = sizeof(AttentionShape);
    sizes[1] = sizeof(Source);
    return 2;
}

int dragoman_attend(const AttentionShape* shape, const Bfloat16* queries, const Bfloat16* keys, const Bfloat16* values,
                     const uint8_t* mask, float dropout, uint64_t seed, float* weights, Bfloat16* context) {
    return with_memory([&] { attend(*shape, queries, keys, values, mask, Dropout(dropout, seed), weights, context); });
}

int dragoman_attend_backward(const AttentionShape* shape, const Bfloat16* queries, const Bfloat16* keys,
                              const Bfloat16* values, const float* weights, float dropout, uint64_t seed,
                              const Bfloat16* gradient, Bfloat16* query_gradient, Bfloat16* key_gradient,
                              Bfloat16* value_gradient) {
    return with_memory([&] {
        attend_backward(*shape, queries, keys, values, weights, Dropout(dropout, seed), gradient, query_gradient,
                        key_gradient, value_gradient);
    });
}

void dragoman_add_dropped(int64_t size, const float* states, const Bfloat16* update, float dropout, uint64_t seed,
                          float* sum) {
    add_dropped(size, states, update, Dropout(dropout, seed), sum);
}

void dragoman_add_dropped_backward(int64_t size, const float* gradient, float dropout, uint64_t seed,
                                   Bfloat16* update_gradient) {
    add_dropped_backward(size, gradient, Dropout(dropout, seed), update_gradient);
}

void dragoman_normalize(int64_t rows, int64_t width, const float* states, const float* weight, const float* bias,
                        float epsilon, Bfloat16* normalized, float* statistics) {
    normalize(rows, width, states, weight, bias, epsilon, normalized, statistics);
}

void dragoman_normalize_backward(int64_t rows, int64_t width, const float* states, const float* weight,
                                 const float* statistics, const Bfloat16* gradient, float* states_gradient,
                                 int num_parts, float* weight_gradients, float* bias_gradients) {
    normalize_backward(rows, width, states, weight, statistics, gradient, states_gradient, num_parts, weight_gradients,
                       bias_gradients);
}

int dragoman_cross_entropy(int64_t rows, int64_t width, Bfloat16* logits, const int64_t* labels, float share,
                           float* normalizers, float* label_log_probs) {
    return with_memory([&] { cross_entropy(rows, width, logits, labels, share, normalizers, label_log_probs); });
}

void dragoman_lstm(int64_t rows, int64_t width, const Bfloat16* projected, const Bfloat16* product,
                   const float* before, float* after, Bfloat16* hidden) {
    lstm(rows, width, projected, product, before, after, hidden);
}

void dragoman_gru(int64_t rows, int64_t width, const Bfloat16* projected, const Bfloat16* product, const float* before,
                  float* after, Bfloat16* hidden) {
    gru(rows, width, projected, product, before, after, hidden);
}

void dragoman_lstm_backward(int64_t rows, int64_t width, const Bfloat16* projected, const Bfloat16* product,
                            const float* before, const float* after, const Bfloat16* first, const Bfloat16* second,
                            const Bfloat16* third, float* of_memory, Bfloat16* of_gates, Bfloat16*) {
    lstm_backward(rows, width, projected, product, before, after, {first, second, third}, of_memory, of_gates);
}

void dragoman_gru_backward(int64_t rows, int64_t width, const Bfloat16* projected, const Bfloat16* product,
                           const float* before, const float*, const Bfloat16* first, const Bfloat16* second,
                           const Bfloat16* third, float* of_memory, Bfloat16* of_projected, Bfloat16* of_product) {
    gru_backward(rows, width, projected, product, before, {first, second, third}, of_memory, of_projected, of_product);
}

void dragoman_scale_and_drop(int64_t size, const float* x, float factor, float dropout, uint64_t seed,
                             Bfloat16* dropped) {
    scale_and_drop(size, x, factor, Dropout(dropout, seed), dropped);
}

void dragoman_scale_and_drop_backward(int64_t size, const Bfloat16* gradient, float factor, float dropout,
                                      uint64_t seed, float* of_x) {
    scale_and_drop_backward(size, gradient, factor, Dropout(dropout, seed), of_x);
}

void dragoman_drop(int64_t size, int is_tangent, const Bfloat16* x, float dropout, uint64_t seed, int64_t place,
                   Bfloat16* dropped) {
    drop(size, is_tangent, x, Dropout(dropout, seed), place, dropped);
}

void dragoman_drop_backward(int64_t size, int is_tangent, const Bfloat16* x, float dropout, uint64_t seed,
                            int64_t place, const Bfloat16* gradient, const Bfloat16* more, Bfloat16* of_x) {
    drop_backward(size, is_tangent, x, Dropout(dropout, seed), place, gradient, more, of_x);
}

int dragoman_look(const Source* source, const Bfloat16* queries, const Bfloat16* keys, const Bfloat16* values,
                  const float* score, float* weights, Bfloat16* contexts) {
    return with_memory([&] { look(*source, queries, keys, values, score, weights, contexts); });
}

int dragoman_look_backward(const Source* source, const Bfloat16* queries, const Bfloat16* keys, const Bfloat16* values,
                           const float* score, const float* weights, const Bfloat16* of_contexts, float* of_scores,
                           Bfloat16* of_queries, float* of_keys, float* of_score) {
    return with_memory([&] {
        look_backward(*source, queries, keys, values, score, weights, of_contexts, of_scores, of_queries, of_keys,
                      of_score);
    });
}

int dragoman_gather(const Source* source, int64_t num_positions, const float* weights, const Bfloat16* rows,
                    Bfloat16* gathered) {
    return with_memory([&] { gather(*source, num_positions, weights, rows, gathered); });
}
}

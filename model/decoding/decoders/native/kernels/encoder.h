// The sentence's way through the encoder, and the sublayers that encoder and decoder share. Sentences lie one after the
// other without padding: every row is a piece of some sentence.
#pragma once

#include "attention.h"
#include "slot.h"

namespace dragoman {

// Scratch memory.
template <class Precision> struct Workspace {
    Buffer<float> states, normalized, projected, contexts, hidden, keys, weights;
    typename Precision::Inputs inputs;
    std::vector<const typename Precision::Cached*> past_keys, past_values;
};

// The sublayers as they act on all rows; `states` [num_rows, width] is the residual stream.
template <class Precision> class Sublayers {
public:
    using Matrix = typename Precision::Matrix;

    Sublayers(const Shape& shape, Workspace<Precision>& workspace, int num_rows)
        : shape_(shape), space_(workspace), num_rows_(num_rows) {}

    // Projects the sublayer's input, normalized first in pre-norm: `space.projected` [num_rows, outputs].
    const float* project_inputs(const LayerNorm& norm, const Matrix& matrix) {
        prepare_inputs(norm);
        float* projected = space_.projected.reserve(static_cast<size_t>(num_rows_) * matrix.num_outputs);
        multiply_into(matrix, projected, matrix.num_outputs);
        return projected;
    }

    // states + contexts · outputᵀ; in post-norm normalized.
    void add_output(const LayerNorm& norm, const Matrix& matrix, const float* contexts, int width) {
        space_.inputs.prepare(contexts, num_rows_, width);
        float* states = space_.states.data();
        const int stride = shape_.width();
        multiply<Precision>(space_.inputs, num_rows_, matrix,
                            [&](int first, int count, int output, int vectors, const Tile& tile) {
                                for (int r = 0; r < count; ++r)
                                    for (int v = 0; v < vectors; ++v) {
                                        float* to = states + static_cast<size_t>(first + r) * stride + output + v * LANES;
                                        store(to, load(to) + load(tile.values + r * PANEL + v * LANES));
                                    }
                            });
        finish(norm);
    }

    // In post-norm, normalizes the sum that the sublayer has made.
    void finish(const LayerNorm& norm) {
        if (!shape_.is_pre_norm) normalize(norm);
    }

    void normalize(const LayerNorm& norm) {
        float* states = space_.states.data();
        for (int r = 0; r < num_rows_; ++r, states += shape_.width()) norm.apply(states, states);
    }

    void feed_forward(const FeedForwardWeights<Precision>& weights) {
        prepare_inputs(weights.norm);
        const int width = shape_.hidden_width();
        float* hidden = space_.hidden.reserve(static_cast<size_t>(num_rows_) * width);
        switch (shape_.activation) {
            case RELU: activate(weights.inner, hidden, [](Vec x) { return maximum(x, Vec{}); }); break;
            case SWISH: activate(weights.inner, hidden, [](Vec x) { return x * sigmoid(x); }); break;
            case GELU: activate(weights.inner, hidden, [](Vec x) { return x * normal_cumulative(x); }); break;
            case GELU_TANH:  // √(8 / π)
                activate(weights.inner, hidden,
                         [](Vec x) { return x * sigmoid(fma(x * x * 0.044715f, x, x) * 1.59576912f); });
                break;
            default: activate(weights.inner, hidden, [](Vec x) { return x * sigmoid(x * 1.702f); });
        }
        add_output(weights.norm, weights.outer, hidden, width);
    }

    // rows · matrixᵀ of what space.inputs holds.
    void multiply_into(const Matrix& matrix, float* results, int stride) {
        multiply<Precision>(space_.inputs, num_rows_, matrix,
                            [&](int first, int count, int output, int vectors, const Tile& tile) {
                                for (int r = 0; r < count; ++r)
                                    for (int v = 0; v < vectors; ++v)
                                        store(results + static_cast<size_t>(first + r) * stride + output + v * LANES,
                                              load(tile.values + r * PANEL + v * LANES));
                            });
    }

private:
    const Shape& shape_;
    Workspace<Precision>& space_;
    const int num_rows_;

    // hidden = function(rows · matrixᵀ) of what space.inputs holds. The function of 0 is 0.
    template <class Function> void activate(const Matrix& matrix, float* hidden, Function function) {
        const int width = shape_.hidden_width();
        multiply<Precision>(space_.inputs, num_rows_, matrix,
                            [&](int first, int count, int output, int vectors, const Tile& tile) {
                                for (int r = 0; r < count; ++r)
                                    for (int v = 0; v < vectors; ++v)
                                        store(hidden + static_cast<size_t>(first + r) * width + output + v * LANES,
                                              function(load(tile.values + r * PANEL + v * LANES)));
                            });
    }

    void prepare_inputs(const LayerNorm& norm) {
        const int width = shape_.width();
        const float* inputs = space_.states.data();
        if (shape_.is_pre_norm) {
            float* normalized = space_.normalized.reserve(static_cast<size_t>(num_rows_) * width);
            for (int r = 0; r < num_rows_; ++r)
                norm.apply(inputs + static_cast<size_t>(r) * width, normalized + static_cast<size_t>(r) * width);
            inputs = normalized;
        }
        space_.inputs.prepare(inputs, num_rows_, width);
    }
};

// Keys [length][stride] of one head as [d_key][padded length], zeros behind the last. Heads are padded to whole vectors.
template <class Number>
void transpose_keys(const float* keys, int stride, int length, int d_key, int padded_length, Number* transposed) {
    for (int s = 0; s < padded_length; s += LANES)
        for (int d = 0; d < d_key; d += LANES) {
            Vec block[LANES];
            for (int i = 0; i < LANES; ++i)
                block[i] = s + i < length ? load(keys + static_cast<size_t>(s + i) * stride + d) : Vec{};
            transpose(block);
            for (int i = 0; i < LANES && d + i < d_key; ++i)
                store(transposed + static_cast<size_t>(d + i) * padded_length + s, block[i]);
        }
}

// Copies a multiple of LANES numbers.
template <class Number> void copy(const float* from, int count, Number* to) {
    for (int i = 0; i < count; i += LANES) store(to + i, load(from + i));
}

struct Sentence {
    const int32_t* source_ids;
    int length;
    int slot;
};

// Encodes sentences and writes every decoder layer's keys and values of them into their slots.
template <class Precision>
void encode(const Weights<Precision>& weights, const std::vector<Sentence>& sentences, Slot<Precision>* slots,
            Workspace<Precision>& space) {
    const Shape& shape = weights.shape;
    const int width = shape.width(), keys_width = shape.keys_width(), values_width = shape.values_width();
    int num_rows = 0;
    for (const Sentence& sentence : sentences) num_rows += sentence.length;
    float* states = space.states.reserve(static_cast<size_t>(num_rows) * width);
    float* row = states;
    for (const Sentence& sentence : sentences)
        for (int i = 0; i < sentence.length; ++i, row += width)
            weights.source_embedding->look_up(sentence.source_ids[i], shape.embedding_factor(), weights.source_position(i),
                                              row);

    Sublayers<Precision> sublayers(shape, space, num_rows);
    if (shape.has_embedding_norm) sublayers.normalize(weights.encoder_embedding_norm);
    float* contexts = space.contexts.reserve(static_cast<size_t>(num_rows) * values_width);
    for (const EncoderLayer<Precision>& layer : weights.encoder) {
        const int stride = 2 * keys_width + values_width;
        const float* projected = sublayers.project_inputs(layer.attention.norm, layer.attention.inputs);
        int first = 0;
        for (const Sentence& sentence : sentences) {
            const int length = sentence.length, padded = Shape::padded(length);
            const float* queries = projected + static_cast<size_t>(first) * stride;
            float* keys = space.keys.reserve(static_cast<size_t>(shape.d_key) * padded);
            float* scratch = space.weights.reserve(static_cast<size_t>(length) * padded);
            for (int head = 0; head < shape.num_heads; ++head) {
                transpose_keys(queries + keys_width + head * shape.key_width(), stride, length, shape.d_key, padded, keys);
                const float* values = queries + 2 * keys_width + head * shape.value_width();
                float* context = contexts + static_cast<size_t>(first) * values_width + head * shape.value_width();
                attend<float>({keys, padded, values, stride, length},
                       {queries + head * shape.key_width(), stride, context, values_width}, length, shape.d_key,
                       shape.value_width(), scratch);
            }
            first += length;
        }
        sublayers.add_output(layer.attention.norm, layer.attention.output, contexts, values_width);
        sublayers.feed_forward(layer.feed_forward);
    }
    if (shape.has_final_norm) sublayers.normalize(weights.encoder_norm);

    space.inputs.prepare(states, num_rows, width);
    const int stride = keys_width + values_width;
    float* projected = space.projected.reserve(static_cast<size_t>(num_rows) * stride);
    for (int index = 0; index < shape.num_decoder_layers; ++index) {
        sublayers.multiply_into(weights.decoder[index].source, projected, stride);
        const float* rows = projected;
        for (const Sentence& sentence : sentences) {
            Slot<Precision>& slot = slots[sentence.slot];
            typename Precision::Cached* keys = slot.source.data() + index * slot.source_layer_size(shape);
            for (int head = 0; head < shape.num_heads; ++head, keys += shape.d_key * slot.padded_length)
                transpose_keys(rows + head * shape.key_width(), stride, sentence.length, shape.d_key, slot.padded_length,
                               keys);
            for (int s = 0; s < sentence.length; ++s)
                copy(rows + static_cast<size_t>(s) * stride + keys_width, values_width,
                     keys + static_cast<size_t>(s) * values_width);
            rows += static_cast<size_t>(sentence.length) * stride;
        }
    }
}

}  // namespace dragoman

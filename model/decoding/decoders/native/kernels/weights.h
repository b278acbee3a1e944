// The network's weights, packed for the kernels from the tensors of a bundle.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

#include "matmul.h"

namespace dragoman {

// A matrix or vector as Python hands it over: floats, or bytes with a scale for each row. A vector is one row.
struct Tensor {
    const char* name;
    const float* floats;
    const int8_t* bytes;
    const float* scales;
    int32_t num_rows, num_columns;
};

// The architecture; mirrored in library.py.
struct Shape {
    int32_t d_model, d_ff, num_heads, d_key, d_value;
    int32_t num_encoder_layers, num_decoder_layers, is_pre_norm;
    int32_t source_vocab_size, target_vocab_size;
    int32_t eos_id, max_source_length;

    // Widths are rounded up to whole vectors; what is added holds zeros throughout.
    static int padded(int width) { return (width + LANES - 1) / LANES * LANES; }
    int width() const { return padded(d_model); }
    int hidden_width() const { return padded(d_ff); }
    int key_width() const { return padded(d_key); }  // of one head
    int value_width() const { return padded(d_value); }
    int keys_width() const { return num_heads * key_width(); }  // of all heads
    int values_width() const { return num_heads * value_width(); }
};

class TensorTable {
public:
    TensorTable(const Tensor* tensors, int count) {
        for (int i = 0; i < count; ++i) tensors_.emplace(tensors[i].name, tensors[i]);
    }
    const Tensor& at(const std::string& name, int num_rows, int num_columns) const {
        const auto found = tensors_.find(name);
        if (found == tensors_.end()) throw std::invalid_argument("lacks the tensor " + name);
        if (found->second.num_rows != num_rows || found->second.num_columns != num_columns)
            throw std::invalid_argument("the tensor " + name + " has the wrong shape");
        return found->second;
    }
    // A row as floats.
    static void read_row(const Tensor& tensor, int row, float* values) {
        const size_t start = static_cast<size_t>(row) * tensor.num_columns;
        for (int i = 0; i < tensor.num_columns; ++i)
            values[i] = tensor.floats ? tensor.floats[start + i] : tensor.bytes[start + i] * tensor.scales[row];
    }
    std::vector<float> vector(const std::string& name, int size, int padded_size) const {
        std::vector<float> values(padded_size, 0.0f);
        read_row(at(name, 1, size), 0, values.data());
        return values;
    }

private:
    std::unordered_map<std::string, Tensor> tensors_;
};

struct LayerNorm {
    std::vector<float> weight, bias, is_real;  // is_real: 1, and 0 where there is but padding
    int size = 0;

    LayerNorm() = default;
    LayerNorm(const TensorTable& table, const std::string& name, int d, int width)
        : weight(table.vector(name + ".weight", d, width)), bias(table.vector(name + ".bias", d, width)),
          is_real(width, 0.0f), size(d) {
        std::fill(is_real.begin(), is_real.begin() + d, 1.0f);
    }

    // values and result: [width]; they may be the same.
    void apply(const float* values, float* result) const {
        const int width = static_cast<int>(weight.size());
        Vec total = Vec{};
        for (int i = 0; i < width; i += LANES) total += load(values + i);
        const Vec mean = splat(sum(total) / size);
        Vec squares = Vec{};
        for (int i = 0; i < width; i += LANES) {
            const Vec centred = (load(values + i) - mean) * load(&is_real[i]);
            squares = fma(centred, centred, squares);
        }
        const Vec factor = splat(1.0f / std::sqrt(sum(squares) / size + 1e-5f));
        for (int i = 0; i < width; i += LANES)
            store(result + i, fma((load(values + i) - mean) * factor, load(&weight[i]), load(&bias[i])));
    }
};

// Rows of numbers to look up, in as many bits as the precision has.
template <class Precision> class Embedding;

template <> class Embedding<Float32> {
public:
    Embedding(const Tensor& tensor, int width) : width_(width), rows_(static_cast<size_t>(tensor.num_rows) * width) {
        for (int i = 0; i < tensor.num_rows; ++i) TensorTable::read_row(tensor, i, &rows_[static_cast<size_t>(i) * width]);
    }
    // result = factor · row + addend
    void look_up(int id, float factor, const float* addend, float* result) const {
        const float* row = &rows_[static_cast<size_t>(id) * width_];
        for (int i = 0; i < width_; i += LANES) store(result + i, fma(load(row + i), splat(factor), load(addend + i)));
    }
    const float* rows() const { return rows_.data(); }

private:
    int width_;
    std::vector<float> rows_;
};

template <> class Embedding<Int8> {
public:
    Embedding(const Tensor& tensor, int width)
        : width_(width), rows_(static_cast<size_t>(tensor.num_rows) * width), scales_(tensor.num_rows) {
        std::vector<float> row(width, 0.0f);
        for (int i = 0; i < tensor.num_rows; ++i) {
            TensorTable::read_row(tensor, i, row.data());
            float limit = 0;
            for (const float value : row) limit = std::max(limit, std::fabs(value));
            scales_[i] = std::max(limit / 127.0f, std::numeric_limits<float>::min());
            for (int j = 0; j < width; ++j)
                rows_[static_cast<size_t>(i) * width + j] = static_cast<int8_t>(std::nearbyint(row[j] / scales_[i]));
        }
    }
    void look_up(int id, float factor, const float* addend, float* result) const {
        const int8_t* row = &rows_[static_cast<size_t>(id) * width_];
        const Vec scale = splat(scales_[id] * factor);
        for (int i = 0; i < width_; i += LANES) store(result + i, fma(load(row + i), scale, load(addend + i)));
    }
    const int8_t* rows() const { return rows_.data(); }

private:
    int width_;
    std::vector<int8_t> rows_;
    std::vector<float> scales_;
};

template <class Precision> struct FeedForwardWeights {
    LayerNorm norm;
    typename Precision::Matrix inner, outer;
};

template <class Precision> struct AttentionWeights {
    LayerNorm norm;
    typename Precision::Matrix inputs;  // queries, keys and values side by side, or the queries alone
    typename Precision::Matrix output;
};

template <class Precision> struct EncoderLayer {
    AttentionWeights<Precision> attention;
    FeedForwardWeights<Precision> feed_forward;
};

template <class Precision> struct DecoderLayer {
    AttentionWeights<Precision> self_attention, cross_attention;
    typename Precision::Matrix source;  // the source's keys and values for cross-attention, side by side
    FeedForwardWeights<Precision> feed_forward;
};

template <class Precision> class Weights {
public:
    using Matrix = typename Precision::Matrix;
    Shape shape;
    std::shared_ptr<Embedding<Precision>> source_embedding, target_embedding;
    std::vector<float> positions;  // [longest sentence][width]
    int num_positions = 0;
    std::vector<EncoderLayer<Precision>> encoder;
    std::vector<DecoderLayer<Precision>> decoder;
    LayerNorm encoder_norm, decoder_norm;  // in pre-norm only
    Matrix output;
    std::shared_ptr<Embedding<Precision>> output_rows;  // the same weights, row by row: for shortlists
    std::vector<uint8_t> is_forbidden;  // [target vocabulary] 1 for what no hypothesis may hold

    Weights(const Shape& s, const TensorTable& table, const Tensor& position_encodings, const uint8_t* forbidden)
        : shape(s), is_forbidden(forbidden, forbidden + s.target_vocab_size) {
        const Tensor& source = table.at("source_embedding.weight", s.source_vocab_size, s.d_model);
        const Tensor& target = table.at("target_embedding.weight", s.target_vocab_size, s.d_model);
        source_embedding = std::make_shared<Embedding<Precision>>(source, s.width());
        const Tensor& projection = table.at("output_projection.weight", s.target_vocab_size, s.d_model);
        const auto embedding = [&](const Tensor& tensor, const Tensor& other, const auto& shared) {
            const bool is_same = tensor.floats == other.floats && tensor.bytes == other.bytes;
            return is_same ? shared : std::make_shared<Embedding<Precision>>(tensor, s.width());
        };
        target_embedding = embedding(target, source, source_embedding);
        output_rows = embedding(projection, target, target_embedding);
        num_positions = position_encodings.num_rows;
        positions.assign(static_cast<size_t>(num_positions) * s.width(), 0.0f);
        for (int i = 0; i < num_positions; ++i)
            TensorTable::read_row(position_encodings, i, &positions[static_cast<size_t>(i) * s.width()]);
        for (int i = 0; i < s.num_encoder_layers; ++i) {
            const std::string name = "encoder_layers." + std::to_string(i);
            encoder.push_back({attention(table, name + ".self_attention", true), feed_forward(table, name)});
        }
        for (int i = 0; i < s.num_decoder_layers; ++i) {
            const std::string name = "decoder_layers." + std::to_string(i);
            const std::string cross = name + ".cross_attention";
            Matrix source_matrix(s.keys_width() + s.values_width(), s.width());
            add_heads(source_matrix, 0, table, cross + ".key", s.d_key, s.key_width(), 1.0f);
            add_heads(source_matrix, s.keys_width(), table, cross + ".value", s.d_value, s.value_width(), 1.0f);
            decoder.push_back({attention(table, name + ".self_attention", true), attention(table, cross, false),
                               std::move(source_matrix), feed_forward(table, name)});
        }
        if (s.is_pre_norm) {
            encoder_norm = LayerNorm(table, "encoder_norm", s.d_model, s.width());
            decoder_norm = LayerNorm(table, "decoder_norm", s.d_model, s.width());
        }
        output = Matrix(s.target_vocab_size, s.width());
        add_rows(output, projection, nullptr);
        const std::vector<float> nothing(s.width(), 0.0f);
        for (int i = s.target_vocab_size; i % LANES; ++i) output.set_row(i, nothing.data(), 1.0f, -INFINITE);
    }

    const float* position(int index) const { return &positions[static_cast<size_t>(index) * shape.width()]; }

private:
    void add_rows(Matrix& matrix, const Tensor& weight, const Tensor* bias) const {
        std::vector<float> row(matrix.num_inputs, 0.0f), biases(weight.num_rows, 0.0f);
        if (bias) TensorTable::read_row(*bias, 0, biases.data());
        for (int i = 0; i < weight.num_rows; ++i) {
            TensorTable::read_row(weight, i, row.data());
            matrix.set_row(i, row.data(), 1.0f, biases[i]);
        }
    }

    // A projection into heads of width d, each of which takes `padded` outputs from `start` on.
    void add_heads(Matrix& matrix, int start, const TensorTable& table, const std::string& name, int d, int padded,
                   float factor) const {
        const Tensor& weight = table.at(name + ".weight", shape.num_heads * d, shape.d_model);
        const Tensor& bias = table.at(name + ".bias", 1, shape.num_heads * d);
        std::vector<float> row(matrix.num_inputs, 0.0f), biases(bias.num_columns);
        TensorTable::read_row(bias, 0, biases.data());
        for (int i = 0; i < weight.num_rows; ++i) {
            TensorTable::read_row(weight, i, row.data());
            matrix.set_row(start + i / d * padded + i % d, row.data(), factor, biases[i] * factor);
        }
    }

    AttentionWeights<Precision> attention(const TensorTable& table, const std::string& name, bool is_self) const {
        const Shape& s = shape;
        AttentionWeights<Precision> weights;
        weights.norm = LayerNorm(table, name + "_residual.norm", s.d_model, s.width());
        weights.inputs = Matrix(s.keys_width() + (is_self ? s.keys_width() + s.values_width() : 0), s.width());
        // Queries come out scaled.
        add_heads(weights.inputs, 0, table, name + ".query", s.d_key, s.key_width(), 1.0f / std::sqrt(1.0f * s.d_key));
        if (is_self) {
            add_heads(weights.inputs, s.keys_width(), table, name + ".key", s.d_key, s.key_width(), 1.0f);
            add_heads(weights.inputs, 2 * s.keys_width(), table, name + ".value", s.d_value, s.value_width(), 1.0f);
        }
        // The output's inputs are the heads' contexts with their padding.
        weights.output = Matrix(s.width(), s.values_width());
        const Tensor& weight = table.at(name + ".output.weight", s.d_model, s.num_heads * s.d_value);
        const std::vector<float> bias = table.vector(name + ".output.bias", s.d_model, s.width());
        std::vector<float> row(weight.num_columns), padded(s.values_width(), 0.0f);
        for (int i = 0; i < s.d_model; ++i) {
            TensorTable::read_row(weight, i, row.data());
            for (int j = 0; j < weight.num_columns; ++j)
                padded[j / s.d_value * s.value_width() + j % s.d_value] = row[j];
            weights.output.set_row(i, padded.data(), 1.0f, bias[i]);
        }
        return weights;
    }

    FeedForwardWeights<Precision> feed_forward(const TensorTable& table, const std::string& layer) const {
        const Shape& s = shape;
        const std::string name = layer + ".feed_forward";
        FeedForwardWeights<Precision> weights{LayerNorm(table, name + "_residual.norm", s.d_model, s.width()),
                                              Matrix(s.hidden_width(), s.width()), Matrix(s.width(), s.hidden_width())};
        add_rows(weights.inner, table.at(name + ".inner.weight", s.d_ff, s.d_model),
                 &table.at(name + ".inner.bias", 1, s.d_ff));
        add_rows(weights.outer, table.at(name + ".outer.weight", s.d_model, s.d_ff),
                 &table.at(name + ".outer.bias", 1, s.d_model));
        return weights;
    }
};

}  // namespace dragoman

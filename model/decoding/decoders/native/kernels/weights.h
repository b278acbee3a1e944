// The network's weights, packed for the kernels from the tensors of a bundle.
#pragma once

#include <memory>
#include <mutex>
#include <numeric>
#include <set>
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

enum Activation { RELU, SWISH, GELU, GELU_TANH, GELU_SIGMOID };

// The architecture; mirrored in library.py. activation: an Activation.
struct Shape {
    int32_t d_model, d_ff, num_heads, d_key, d_value;
    int32_t num_encoder_layers, num_decoder_layers;
    int32_t is_pre_norm, has_final_norm, has_embedding_norm, activation, scales_embeddings, has_output_bias;
    int32_t starts_with_zeros, has_ssru;
    int32_t source_vocab_size, target_vocab_size;
    int32_t eos_id, max_source_length;
    float layer_norm_epsilon;

    // Lengths and widths are rounded up to whole vectors; what is added holds zeros throughout.
    static int padded(int length) { return (length + LANES - 1) / LANES * LANES; }
    static int padded_width(int width) { return (width + WIDTH_STEP - 1) / WIDTH_STEP * WIDTH_STEP; }
    int width() const { return padded_width(d_model); }
    int hidden_width() const { return padded_width(d_ff); }
    int key_width() const { return padded_width(d_key); }  // of one head
    int value_width() const { return padded_width(d_value); }
    int keys_width() const { return num_heads * key_width(); }  // of all heads
    int values_width() const { return num_heads * value_width(); }
    float embedding_factor() const { return scales_embeddings ? std::sqrt(static_cast<float>(d_model)) : 1.0f; }
};

// Python has compared the shapes with the table of parameters; here nothing is read or written beyond an array's end.
class TensorTable {
public:
    TensorTable(const Tensor* tensors, int count) {
        for (int i = 0; i < count; ++i) unused_.insert(tensors_.emplace(tensors[i].name, tensors[i]).first->first);
    }
    const Tensor& at(const std::string& name) const {
        const auto found = tensors_.find(name);
        if (found == tensors_.end()) throw std::invalid_argument("lacks the tensor " + name);
        unused_.erase(name);
        return found->second;
    }
    // A network that has more parameters than are computed with is another network.
    void check_all_used() const {
        if (!unused_.empty()) throw std::invalid_argument("the kernels know no tensor " + *unused_.begin());
    }
    static void check_fits(const Tensor& tensor, int most_rows, int most_columns) {
        if (tensor.num_rows > most_rows || tensor.num_columns > most_columns)
            throw std::invalid_argument("the tensor " + std::string(tensor.name) + " is too large");
    }
    // A row as floats.
    static void read_row(const Tensor& tensor, int row, float* values, size_t size) {
        if (row >= tensor.num_rows || tensor.num_columns > static_cast<int64_t>(size))
            throw std::invalid_argument("the tensor " + std::string(tensor.name) + " has the wrong shape");
        const size_t start = static_cast<size_t>(row) * tensor.num_columns;
        if (tensor.floats)
            std::copy_n(tensor.floats + start, tensor.num_columns, values);
        else
            for (int i = 0; i < tensor.num_columns; ++i) values[i] = tensor.bytes[start + i] * tensor.scales[row];
    }
    std::vector<float> vector(const std::string& name, int padded_size) const {
        std::vector<float> values(padded_size, 0.0f);
        read_row(at(name), 0, values.data(), values.size());
        return values;
    }

private:
    mutable std::set<std::string> unused_;
    std::unordered_map<std::string, Tensor> tensors_;
};

struct LayerNorm {
    std::vector<float> weight, bias, is_real;  // is_real: 1, and 0 where there is but padding
    int size = 0;
    float epsilon = 0;

    LayerNorm() = default;
    LayerNorm(const TensorTable& table, const std::string& name, const Shape& shape)
        : weight(table.vector(name + ".weight", shape.width())), bias(table.vector(name + ".bias", shape.width())),
          is_real(shape.width(), 0.0f), size(shape.d_model), epsilon(shape.layer_norm_epsilon) {
        std::fill(is_real.begin(), is_real.begin() + size, 1.0f);
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
        const Vec factor = splat(1.0f / std::sqrt(sum(squares) / size + epsilon));
        for (int i = 0; i < width; i += LANES)
            store(result + i, fma((load(values + i) - mean) * factor, load(&weight[i]), load(&bias[i])));
    }
};

// Rows of numbers to look up, in as many bits as the precision has.
template <class Precision> class Embedding;

template <> class Embedding<Float32> {
public:
    Embedding(const Tensor& tensor, int width) : width_(width), rows_(static_cast<size_t>(tensor.num_rows) * width) {
        for (int i = 0; i < tensor.num_rows; ++i) TensorTable::read_row(tensor, i, &rows_[static_cast<size_t>(i) * width], width);
    }
    // result = factor · row + addend
    void look_up(int id, float factor, const float* addend, float* result) const {
        const float* row = &rows_[static_cast<size_t>(id) * width_];
        for (int i = 0; i < width_; i += LANES) store(result + i, fma(load(row + i), splat(factor), load(addend + i)));
    }
    const float* rows() const { return rows_.data(); }
    float scale(int) const { return 1.0f; }

private:
    int width_;
    std::vector<float> rows_;
};

template <> class Embedding<Int8> {
public:
    Embedding(const Tensor& tensor, int width)
        : width_(width), rows_(static_cast<size_t>(tensor.num_rows) * width), scales_(tensor.num_rows) {
        TensorTable::check_fits(tensor, tensor.num_rows, width);
        std::vector<float> row(width, 0.0f);
        for (int i = 0; i < tensor.num_rows; ++i) {
            int8_t* to = &rows_[static_cast<size_t>(i) * width];
            if (tensor.bytes) {
                std::memcpy(to, tensor.bytes + static_cast<size_t>(i) * tensor.num_columns, tensor.num_columns);
                scales_[i] = tensor.scales[i];
            } else {
                TensorTable::read_row(tensor, i, row.data(), row.size());
                scales_[i] = Int8::quantize_weights(row.data(), width, to);
            }
        }
    }
    float scale(int id) const { return scales_[id]; }
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

template <class Precision> struct SsruWeights {
    LayerNorm norm;
    typename Precision::Matrix inputs;  // what the gates come from, and the inputs, side by side
};

template <class Precision> struct DecoderLayer {
    SsruWeights<Precision> ssru;  // either this or self-attention
    AttentionWeights<Precision> self_attention, cross_attention;
    typename Precision::Matrix source;  // the source's keys and values for cross-attention, side by side
    FeedForwardWeights<Precision> feed_forward;
};

template <class Precision> class Weights {
public:
    using Matrix = typename Precision::Matrix;
    Shape shape;
    std::shared_ptr<Embedding<Precision>> source_embedding, target_embedding;
    int num_positions = 0;  // of the target
    std::vector<EncoderLayer<Precision>> encoder;
    std::vector<DecoderLayer<Precision>> decoder;
    LayerNorm encoder_embedding_norm, decoder_embedding_norm, encoder_norm, decoder_norm;  // where there are any
    Matrix outline;  // of the output projection
    std::shared_ptr<Embedding<Precision>> output_rows;  // its weights, row by row
    std::vector<uint8_t> is_forbidden;  // [target vocabulary] 1 for what no hypothesis may hold

    // source_positions, target_positions: a row for each position; they may be one tensor.
    Weights(const Shape& s, const TensorTable& table, const Tensor& source_positions, const Tensor& target_positions,
            const uint8_t* forbidden)
        : shape(s), is_forbidden(forbidden, forbidden + s.target_vocab_size) {
        const Tensor& source = table.at("source_embedding.weight");
        const Tensor& target = table.at("target_embedding.weight");
        source_embedding = std::make_shared<Embedding<Precision>>(source, s.width());
        const Tensor& projection = table.at("output_projection.weight");
        if (source.num_rows != s.source_vocab_size || target.num_rows != s.target_vocab_size ||
            projection.num_rows != s.target_vocab_size)
            throw std::invalid_argument("the vocabulary's size is another");
        const auto embedding = [&](const Tensor& tensor, const Tensor& other, const auto& shared) {
            const bool is_same = tensor.floats == other.floats && tensor.bytes == other.bytes;
            return is_same ? shared : std::make_shared<Embedding<Precision>>(tensor, s.width());
        };
        target_embedding = embedding(target, source, source_embedding);
        output_rows = embedding(projection, target, target_embedding);
        num_positions = target_positions.num_rows;
        source_positions_ = positions(source_positions);
        const bool is_same = source_positions.floats == target_positions.floats;
        target_positions_ = is_same ? source_positions_ : positions(target_positions);
        if (s.has_embedding_norm) {
            encoder_embedding_norm = LayerNorm(table, "encoder_embedding_norm", s);
            decoder_embedding_norm = LayerNorm(table, "decoder_embedding_norm", s);
        }
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
            decoder.push_back({s.has_ssru ? ssru(table, name + ".ssru") : SsruWeights<Precision>(),
                               s.has_ssru ? AttentionWeights<Precision>() : attention(table, name + ".self_attention", true),
                               attention(table, cross, false), std::move(source_matrix), feed_forward(table, name)});
        }
        if (s.has_final_norm) {
            encoder_norm = LayerNorm(table, "encoder_norm", s);
            decoder_norm = LayerNorm(table, "decoder_norm", s);
        }
        std::vector<float> biases(s.target_vocab_size, 0.0f);
        if (s.has_output_bias) TensorTable::read_row(table.at("output_projection.bias"), 0, biases.data(), biases.size());
        outline = Matrix(s.target_vocab_size, s.width(), true);
        for (int i = 0; i < s.target_vocab_size; ++i)
            outline.outline_row(i, output_rows->rows() + static_cast<size_t>(i) * s.width(), output_rows->scale(i), biases[i]);
        table.check_all_used();
    }

    // The output projection into all pieces, made when it is first needed: with shortlists it never is.
    const Matrix& output() const {
        std::call_once(is_output_made_, [this] {
            std::vector<int32_t> ids(shape.target_vocab_size);
            std::iota(ids.begin(), ids.end(), 0);
            Matrix made(shape.target_vocab_size, shape.width());
            made.take(outline, output_rows->rows(), ids.data());
            const std::vector<float> nothing(shape.width(), 0.0f);
            for (int i = shape.target_vocab_size; i % LANES; ++i) made.set_row(i, nothing.data(), 1.0f, -INFINITE);
            output_ = std::move(made);
        });
        return output_;
    }

    const float* source_position(int index) const { return &(*source_positions_)[static_cast<size_t>(index) * shape.width()]; }
    const float* target_position(int index) const { return &(*target_positions_)[static_cast<size_t>(index) * shape.width()]; }

private:
    mutable std::once_flag is_output_made_;
    mutable Matrix output_;
    std::shared_ptr<std::vector<float>> source_positions_, target_positions_;  // [positions][width]

    std::shared_ptr<std::vector<float>> positions(const Tensor& tensor) const {
        const int width = shape.width();
        const auto rows = std::make_shared<std::vector<float>>(static_cast<size_t>(tensor.num_rows) * width, 0.0f);
        for (int i = 0; i < tensor.num_rows; ++i)
            TensorTable::read_row(tensor, i, &(*rows)[static_cast<size_t>(i) * width], width);
        return rows;
    }

    // A row on its way from a tensor into a matrix. What has 8 bits and goes where 8 bits are stays as it is.
    class Row {
    public:
        // Each `group` numbers take `padded` places.
        Row(int width, int group = 1, int padded = 1)
            : group_(group), padded_(padded), floats_(width, 0.0f), bytes_(width, 0) {}

        void set(Matrix& matrix, int output, const Tensor& tensor, int row, float factor, float bias) {
            if (row >= tensor.num_rows || (tensor.num_columns - 1) / group_ * padded_ + group_ > matrix.num_inputs)
                throw std::invalid_argument("the tensor " + std::string(tensor.name) + " has the wrong shape");
            const size_t start = static_cast<size_t>(row) * tensor.num_columns;
            if constexpr (std::is_same_v<Precision, Int8>)
                if (tensor.bytes) {
                    spread(tensor.bytes + start, tensor.num_columns, bytes_.data());
                    return matrix.set_row(output, bytes_.data(), tensor.scales[row] * factor, bias);
                }
            if (tensor.floats)
                spread(tensor.floats + start, tensor.num_columns, floats_.data());
            else
                for (int j = 0; j < tensor.num_columns; ++j)
                    floats_[j / group_ * padded_ + j % group_] = tensor.bytes[start + j] * tensor.scales[row];
            matrix.set_row(output, floats_.data(), factor, bias);
        }

    private:
        int group_, padded_;
        std::vector<float> floats_;
        std::vector<int8_t> bytes_;

        template <class Number> void spread(const Number* from, int count, Number* to) const {
            if (group_ == padded_) std::copy_n(from, count, to);
            else
                for (int j = 0; j < count; j += group_)
                    std::copy_n(from + j, std::min(group_, count - j), to + j / group_ * padded_);
        }
    };

    // Fills the outputs from `start` on.
    void add_rows(Matrix& matrix, int start, const Tensor& weight, const Tensor* bias) const {
        TensorTable::check_fits(weight, matrix.num_outputs - start, matrix.num_inputs);
        std::vector<float> biases(weight.num_rows, 0.0f);
        if (bias) TensorTable::read_row(*bias, 0, biases.data(), biases.size());
        Row row(matrix.num_inputs);
        for (int i = 0; i < weight.num_rows; ++i) row.set(matrix, start + i, weight, i, 1.0f, biases[i]);
    }

    // A projection into heads of width d, each of which takes `padded` outputs from `start` on.
    void add_heads(Matrix& matrix, int start, const TensorTable& table, const std::string& name, int d, int padded,
                   float factor) const {
        const Tensor& weight = table.at(name + ".weight");
        TensorTable::check_fits(weight, shape.num_heads * d, shape.d_model);
        std::vector<float> biases(weight.num_rows);
        TensorTable::read_row(table.at(name + ".bias"), 0, biases.data(), biases.size());
        Row row(matrix.num_inputs);
        for (int i = 0; i < weight.num_rows; ++i)
            row.set(matrix, start + i / d * padded + i % d, weight, i, factor, biases[i] * factor);
    }

    AttentionWeights<Precision> attention(const TensorTable& table, const std::string& name, bool is_self) const {
        const Shape& s = shape;
        AttentionWeights<Precision> weights;
        weights.norm = LayerNorm(table, name + "_residual.norm", s);
        weights.inputs = Matrix(s.keys_width() + (is_self ? s.keys_width() + s.values_width() : 0), s.width());
        // Queries come out scaled.
        add_heads(weights.inputs, 0, table, name + ".query", s.d_key, s.key_width(), 1.0f / std::sqrt(1.0f * s.d_key));
        if (is_self) {
            add_heads(weights.inputs, s.keys_width(), table, name + ".key", s.d_key, s.key_width(), 1.0f);
            add_heads(weights.inputs, 2 * s.keys_width(), table, name + ".value", s.d_value, s.value_width(), 1.0f);
        }
        // The output's inputs are the heads' contexts with their padding.
        weights.output = Matrix(s.width(), s.values_width());
        const Tensor& weight = table.at(name + ".output.weight");
        TensorTable::check_fits(weight, s.d_model, s.num_heads * s.d_value);
        const std::vector<float> bias = table.vector(name + ".output.bias", s.width());
        Row row(s.values_width(), s.d_value, s.value_width());
        for (int i = 0; i < s.d_model; ++i) row.set(weights.output, i, weight, i, 1.0f, bias[i]);
        return weights;
    }

    SsruWeights<Precision> ssru(const TensorTable& table, const std::string& name) const {
        const int width = shape.width();
        SsruWeights<Precision> weights{LayerNorm(table, name + "_residual.norm", shape), Matrix(2 * width, width)};
        add_rows(weights.inputs, 0, table.at(name + ".forget.weight"), &table.at(name + ".forget.bias"));
        add_rows(weights.inputs, width, table.at(name + ".input.weight"), nullptr);
        return weights;
    }

    FeedForwardWeights<Precision> feed_forward(const TensorTable& table, const std::string& layer) const {
        const Shape& s = shape;
        const std::string name = layer + ".feed_forward";
        FeedForwardWeights<Precision> weights{LayerNorm(table, name + "_residual.norm", s),
                                              Matrix(s.hidden_width(), s.width()), Matrix(s.width(), s.hidden_width())};
        add_rows(weights.inner, 0, table.at(name + ".inner.weight"), &table.at(name + ".inner.bias"));
        add_rows(weights.outer, 0, table.at(name + ".outer.weight"), &table.at(name + ".outer.bias"));
        return weights;
    }
};

}  // namespace dragoman

// rows · Wᵀ + bias, in 32-bit floats and in 8-bit integers.
//
// A weight matrix [num_outputs, num_inputs] is packed into panels of a few vectors of outputs, in the order in which
// the innermost loop reads it. A tile of up to 6 rows and one panel is summed over all inputs in registers; `use_tile` then takes it
// while it is in the cache. A number's sum runs over the inputs in one order, whatever tile it lies in.
#pragma once

#include <algorithm>
#include <vector>

#include "buffer.h"
#include "products.h"

namespace dragoman {

constexpr int PANEL = NUM_REGISTERS / 8 * LANES;
constexpr int TILE_ROWS = 6;  // sums fill three quarters of the registers, and leave some to the rows and the weights

// The sums of a tile: row r's at values + r · PANEL.
struct Tile {
    alignas(64) float values[TILE_ROWS * PANEL];
};

// ---------------------------------------------------------------------------------------------------------- float32

struct Float32 {
    using Input = float;
    using Cached = float;  // keys and values

    // Rows ready to be multiplied.
    struct Inputs {
        const float* rows = nullptr;
        int stride = 0;

        void prepare(const float* values, int, int num_inputs) { rows = values, stride = num_inputs; }
    };

    class Matrix {
    public:
        int num_outputs = 0, num_inputs = 0;

        Matrix() = default;
        // is_outline: without the weights, for `take`.
        Matrix(int outputs, int inputs, bool is_outline = false)
            : num_outputs(outputs), num_inputs(inputs),
              weights_(is_outline ? 0 : static_cast<size_t>(rounded_up(outputs)) * inputs), bias_(rounded_up(outputs)) {}

        // Sets one output's weights: factor · row, and its bias.
        void set_row(int output, const float* row, float factor, float bias) {
            for (int i = 0; i < num_inputs; ++i) weights_.data()[place(output, i)] = row[i] * factor;
            outline_row(output, row, factor, bias);
        }
        // What a matrix has of an output besides its weights.
        void outline_row(int output, const float*, float, float bias) { bias_.data()[output] = bias; }

        // Becomes the outputs `ids` of another matrix, whose rows lie one after the other in `rows` as well.
        void take(const Matrix& from, const float* rows, const int32_t* ids) {
            for (int output = 0; output < num_outputs; ++output) {
                const float* row = rows + static_cast<size_t>(ids[output]) * num_inputs;
                for (int i = 0; i < num_inputs; ++i) weights_.data()[place(output, i)] = row[i];
                bias_.data()[output] = from.bias_.data()[ids[output]];
            }
        }

        // The tile of `count` rows from `first` on with panel `panel`, whose width is a multiple of LANES.
        void multiply(const Inputs& inputs, int first, int count, int panel, Tile& tile) const {
            const float* rows = inputs.rows + static_cast<size_t>(first) * inputs.stride;
            const float* weights = weights_.data() + static_cast<size_t>(panel) * PANEL * num_inputs;
            switch (panel_vectors(panel)) {
                case 1: return dispatch<1>(rows, inputs.stride, count, weights, panel, tile);
                case 2: return dispatch<2>(rows, inputs.stride, count, weights, panel, tile);
                case 3: return dispatch<3>(rows, inputs.stride, count, weights, panel, tile);
                default: return dispatch<4>(rows, inputs.stride, count, weights, panel, tile);
            }
        }

        int panel_vectors(int panel) const {
            return std::min(PANEL / LANES, (rounded_up(num_outputs) - panel * PANEL) / LANES);
        }

    private:
        Buffer<float> weights_, bias_;

        static int rounded_up(int outputs) { return (outputs + LANES - 1) / LANES * LANES; }
        size_t place(int output, int input) const {
            const int panel = output / PANEL;
            return static_cast<size_t>(panel) * PANEL * num_inputs +
                   static_cast<size_t>(input) * panel_vectors(panel) * LANES + output % PANEL;
        }

        template <int VECTORS>
        void dispatch(const float* rows, int stride, int count, const float* weights, int panel, Tile& tile) const {
            switch (count) {
                case 1: return run<1, VECTORS>(rows, stride, weights, panel, tile);
                case 2: return run<2, VECTORS>(rows, stride, weights, panel, tile);
                case 3: return run<3, VECTORS>(rows, stride, weights, panel, tile);
                case 4: return run<4, VECTORS>(rows, stride, weights, panel, tile);
                case 5: return run<5, VECTORS>(rows, stride, weights, panel, tile);
                default: return run<6, VECTORS>(rows, stride, weights, panel, tile);
            }
        }

        template <int ROWS, int VECTORS>
        __attribute__((noinline)) void run(const float* rows, int stride, const float* weights, int panel,
                                           Tile& tile) const {
            Vec sums[ROWS][VECTORS];
#pragma GCC unroll 6
            for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 4
                for (int v = 0; v < VECTORS; ++v) sums[r][v] = Vec{};
            for (int i = 0; i < num_inputs; ++i, weights += VECTORS * LANES) {
                Vec column[VECTORS];
#pragma GCC unroll 4
                for (int v = 0; v < VECTORS; ++v) column[v] = load(weights + v * LANES);
#pragma GCC unroll 6
                for (int r = 0; r < ROWS; ++r) {
                    const Vec input = splat(rows[static_cast<size_t>(r) * stride + i]);
#pragma GCC unroll 4
                    for (int v = 0; v < VECTORS; ++v) sums[r][v] = fma(input, column[v], sums[r][v]);
                }
            }
            const float* bias = bias_.data() + panel * PANEL;
#pragma GCC unroll 6
            for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 4
                for (int v = 0; v < VECTORS; ++v)
                    store(tile.values + r * PANEL + v * LANES, sums[r][v] + load(bias + v * LANES));
        }
    };
};

// ------------------------------------------------------------------------------------------------------------- int8

// Weights are quantized once, a scale for each output; inputs on the fly, a scale for each row: v ≈ scale · q with q in
// -127 … 127. Sums of products of integers are exact, so that nothing but the row itself decides its result.
struct Int8 {
    // Quantizes a row of weights, whose length is a multiple of LANES, and returns its scale.
    static float quantize_weights(const float* row, int count, int8_t* quantized) {
        Vec largest = Vec{};
        for (int i = 0; i < count; i += LANES) largest = maximum(largest, absolute(load(row + i)));
        const float scale = std::max(greatest(largest) / 127.0f, std::numeric_limits<float>::min());
        for (int i = 0; i < count; i += LANES) {
            const ByteVec bytes = low_bytes((IntVec)(load(row + i) / splat(scale) + splat(ROUNDER)));
            std::memcpy(quantized + i, &bytes, sizeof bytes);
        }
        return scale;
    }

    using Input = InputByte;
    using Cached = Bfloat16;

    class Inputs {
    public:
        int stride = 0;

        // Quantizes rows [num_rows, num_inputs]; num_inputs is a multiple of LANES.
        void prepare(const float* values, int num_rows, int num_inputs) {
            stride = num_inputs;
            InputByte* quantized = quantized_.reserve(static_cast<size_t>(num_rows) * num_inputs);
            float* scales = scales_.reserve(num_rows);
            for (int row = 0; row < num_rows; ++row, values += num_inputs, quantized += num_inputs)
                scales[row] = quantize(values, num_inputs, quantized);
        }
        const InputByte* row(int index) const { return quantized_.data() + static_cast<size_t>(index) * stride; }
        float scale(int index) const { return scales_.data()[index]; }

    private:
        Buffer<InputByte> quantized_;
        Buffer<float> scales_;

        static float quantize(const float* values, int count, InputByte* quantized) {
            Vec largest = Vec{};
            for (int i = 0; i < count; i += LANES) largest = maximum(largest, absolute(load(values + i)));
            const float limit = greatest(largest);
            const float inverse = limit > 0 ? 127.0f / limit : 0.0f;
            for (int i = 0; i < count; i += LANES) {
                const Vec rounded = fma(load(values + i), splat(inverse), splat(ROUNDER + ZERO));
                const ByteVec bytes = low_bytes((IntVec)rounded);
                std::memcpy(quantized + i, &bytes, sizeof bytes);
            }
            return limit / 127.0f;
        }
    };

    class Matrix {
    public:
        int num_outputs = 0, num_inputs = 0;

        Matrix() = default;
        // is_outline: without the weights, for `take`.
        Matrix(int outputs, int inputs, bool is_outline = false)
            : num_outputs(outputs), num_inputs(inputs),
              weights_(is_outline ? 0 : static_cast<size_t>(rounded_up(outputs)) * inputs), scales_(rounded_up(outputs)),
              bias_(rounded_up(outputs)), offsets_(rounded_up(outputs)) {}

        // Quantizes one output's weights, factor · row, and sets its bias.
        void set_row(int output, const float* row, float factor, float bias) {
            quantized_.resize(num_inputs);
            const float scale = quantize_weights(row, num_inputs, quantized_.data());
            set_row(output, quantized_.data(), scale * factor, bias);
        }
        // The same of weights that are quantized already: scale · row.
        void set_row(int output, const int8_t* row, float scale, float bias) {
            int8_t* to = weights_.data() + place(output, 0);
            const int stride = panel_vectors(output / PANEL) * LANES * GROUP;
            for (int i = 0; i < num_inputs; i += GROUP, to += stride) std::memcpy(to, row + i, GROUP);
            outline_row(output, row, scale, bias);
        }
        // What a matrix has of an output besides its weights.
        void outline_row(int output, const int8_t* row, float scale, float bias) {
            int32_t total = 0;
            for (int i = 0; i < num_inputs; ++i) total += row[i];
            scales_.data()[output] = scale;
            bias_.data()[output] = bias;
            offsets_.data()[output] = -ZERO * total;
        }

        // Becomes the outputs `ids` of another matrix, whose rows lie one after the other in `rows` as well.
        void take(const Matrix& from, const int8_t* rows, const int32_t* ids) {
            const int num_whole = num_inputs / (4 * LANES) * (4 * LANES);
            const auto row = [&](int output) { return rows + static_cast<size_t>(ids[output]) * num_inputs; };
            for (int first = 0; first < num_outputs; first += LANES) {
                const int count = std::min(LANES, num_outputs - first);
                const int stride = panel_vectors(first / PANEL) * LANES * GROUP;
                int8_t* to = weights_.data() + place(first, 0);
                for (int i = 0; i < num_whole; i += 4 * LANES) {  // squares of four inputs each
                    Vec square[LANES];
                    for (int r = 0; r < LANES; ++r) square[r] = r < count ? load_as<Vec>(row(first + r) + i) : Vec{};
                    gather_groups(square);
                    for (int k = 0; k < LANES; k += GROUP / 4, to += stride)
                        std::memcpy(to, &square[k], GROUP / 4 * sizeof(Vec));
                }
                for (int i = num_whole; i < num_inputs; i += GROUP, to += stride)
                    for (int r = 0; r < count; ++r) std::memcpy(to + GROUP * r, row(first + r) + i, GROUP);
            }
            for (int output = 0; output < num_outputs; ++output) {
                scales_.data()[output] = from.scales_.data()[ids[output]];
                bias_.data()[output] = from.bias_.data()[ids[output]];
                offsets_.data()[output] = from.offsets_.data()[ids[output]];
            }
        }

        void multiply(const Inputs& inputs, int first, int count, int panel, Tile& tile) const {
            switch (panel_vectors(panel)) {
                case 1: return dispatch<1>(inputs, first, count, panel, tile);
                case 2: return dispatch<2>(inputs, first, count, panel, tile);
                case 3: return dispatch<3>(inputs, first, count, panel, tile);
                default: return dispatch<4>(inputs, first, count, panel, tile);
            }
        }

        int panel_vectors(int panel) const {
            return std::min(PANEL / LANES, (rounded_up(num_outputs) - panel * PANEL) / LANES);
        }

    private:
        Buffer<int8_t> weights_;  // [panel][num_inputs / GROUP][output in the panel][GROUP]
        Buffer<float> scales_, bias_;
        std::vector<int8_t> quantized_;  // scratch of set_row
        Buffer<int32_t> offsets_;  // -ZERO · the sum of each output's weights, which undoes the inputs' + ZERO

        static int rounded_up(int outputs) { return (outputs + LANES - 1) / LANES * LANES; }
        size_t place(int output, int input) const {
            const int panel = output / PANEL;
            return static_cast<size_t>(panel) * PANEL * num_inputs +
                   static_cast<size_t>(input / GROUP) * panel_vectors(panel) * LANES * GROUP + output % PANEL * GROUP +
                   input % GROUP;
        }

        template <int VECTORS>
        void dispatch(const Inputs& inputs, int first, int count, int panel, Tile& tile) const {
            switch (count) {
                case 1: return run<1, VECTORS>(inputs, first, panel, tile);
                case 2: return run<2, VECTORS>(inputs, first, panel, tile);
                case 3: return run<3, VECTORS>(inputs, first, panel, tile);
                case 4: return run<4, VECTORS>(inputs, first, panel, tile);
                case 5: return run<5, VECTORS>(inputs, first, panel, tile);
                default: return run<6, VECTORS>(inputs, first, panel, tile);
            }
        }

        template <int ROWS, int VECTORS>
        __attribute__((noinline)) void run(const Inputs& inputs, int first, int panel, Tile& tile) const {
            IntVec sums[ROWS][VECTORS];
            sum_products<ROWS, VECTORS>(inputs.row(first), inputs.stride,
                                        weights_.data() + static_cast<size_t>(panel) * PANEL * num_inputs, num_inputs, sums);
#pragma GCC unroll 4
            for (int v = 0; v < VECTORS; ++v) {
                const int output = panel * PANEL + v * LANES;
                IntVec offset;
                std::memcpy(&offset, offsets_.data() + output, sizeof offset);
                const Vec scale = load(scales_.data() + output), bias = load(bias_.data() + output);
#pragma GCC unroll 6
                for (int r = 0; r < ROWS; ++r) {
                    const Vec whole = __builtin_convertvector(sums[r][v] + offset, Vec);
                    store(tile.values + r * PANEL + v * LANES,
                          fma(whole, scale * splat(inputs.scale(first + r)), bias));
                }
            }
        }
    };
};

// ------------------------------------------------------------------------------------------------------------- both

// Calls use_tile(first_row, num_rows, first_output, num_vectors, tile) for every tile of rows · Wᵀ + bias. A panel stays
// in the cache while many rows pass: all of them, or as many as fit into the first cache beside it if it is small.
template <class Precision, class UseTile>
void multiply(const typename Precision::Inputs& inputs, int num_rows, const typename Precision::Matrix& matrix,
              UseTile use_tile) {
    constexpr int FIRST_CACHE = 32768;
    const int row_bytes = matrix.num_inputs * sizeof(typename Precision::Input), panel_bytes = PANEL * row_bytes;
    const int most_rows = panel_bytes <= FIRST_CACHE / 2 ? (FIRST_CACHE - panel_bytes) / row_bytes : num_rows;
    const int num_blocks = (num_rows + most_rows - 1) / std::max(most_rows, 1);
    const int num_panels = (matrix.num_outputs + PANEL - 1) / PANEL;
    Tile tile;
    for (int block = 0, start = 0; block < num_blocks; ++block) {
        const int end = start + (num_rows - start) / (num_blocks - block);
        const int num_tiles = (end - start + TILE_ROWS - 1) / TILE_ROWS;
        for (int panel = 0; panel < num_panels; ++panel) {
            const int vectors = matrix.panel_vectors(panel);
            for (int i = 0, first = start; i < num_tiles; ++i) {  // tiles of nearly equal height
                const int count = (end - first) / (num_tiles - i);
                matrix.multiply(inputs, first, count, panel, tile);
                use_tile(first, count, panel * PANEL, vectors, tile);
                first += count;
            }
        }
        start = end;
    }
}

}  // namespace dragoman

// Computes what the kernels compute from made-up numbers, compares it with slow twins, and prints a digest of the bits by
// step: lines of "name digest", or one that says what is wrong, with 1 as the result.

#include <cstdio>
#include <map>

#include "attention.h"
#include "processor.h"
#include "weights.h"

using namespace dragoman;

namespace {

struct Random {
    uint64_t state = 1;
    uint32_t next() {
        state = state * 6364136223846793005u + 1442695040888963407u;
        return static_cast<uint32_t>(state >> 33);
    }
    float number() { return static_cast<float>(next()) / 1073741824.0f - 1.0f; }
    int8_t byte() { return static_cast<int8_t>(static_cast<int>(next() % 255) - 127); }
    std::vector<float> numbers(size_t size, float factor = 1.0f) {
        std::vector<float> found(size);
        for (float& one : found) one = number() * factor;
        return found;
    }
};

// FNV-1a.
class Digest {
public:
    void add(const void* bytes, size_t count) {
        for (size_t i = 0; i < count; ++i) value_ = (value_ ^ static_cast<const uint8_t*>(bytes)[i]) * 1099511628211u;
    }
    void add(const std::vector<float>& values) { add(values.data(), values.size() * sizeof(float)); }
    void add(const Digest& other) { add(&other.value_, sizeof other.value_); }
    void print(const char* name) const { std::printf("%s %016llx\n", name, static_cast<unsigned long long>(value_)); }

private:
    uint64_t value_ = 14695981039346656037u;
};

[[noreturn]] void fail(const char* what, double found, double due) {
    std::printf("%s: %.9g in place of %.9g\n", what, found, due);
    std::exit(1);
}

void expect_close(const char* what, double found, double due, double bound) {
    if (!(std::abs(found - due) <= bound)) fail(what, found, due);
}

// ------------------------------------------------------------------------------------------- integers: equal everywhere

void quantize_weights() {
    Random random;
    Digest digest;
    for (int round = 0; round < 200; ++round) {
        const std::vector<float> row = random.numbers(96, round % 7 ? 0.3f : 0.0f);
        int8_t quantized[96];
        const float scale = Int8::quantize_weights(row.data(), 96, quantized);
        for (int i = 0; i < 96; ++i) expect_close("a weight", quantized[i], row[i] / scale, 0.500001);
        digest.add(&scale, sizeof scale);
        digest.add(quantized, sizeof quantized);
    }
    digest.print("weights");
}

// Rows that are integers, whose products are integers then.
void multiply_integers() {
    Random random;
    Digest digest;
    for (const int num_inputs : {8, 16, 24, 40, 96, 1024})
        for (const int num_outputs : {1, 5, 16, 37, 75, 200})
            for (int num_rows = 1; num_rows <= 13; num_rows += num_inputs > 100 ? 4 : 1) {
                const int width = Shape::padded_width(num_inputs);
                std::vector<float> rows(static_cast<size_t>(num_rows) * width);
                for (int r = 0; r < num_rows; ++r) {
                    for (int i = 0; i < num_inputs; ++i) rows[static_cast<size_t>(r) * width + i] = random.byte();
                    rows[static_cast<size_t>(r) * width] = 127;  // the scale is 1 then
                }
                std::vector<int8_t> weights(static_cast<size_t>(num_outputs) * width);
                for (int o = 0; o < num_outputs; ++o)
                    for (int i = 0; i < num_inputs; ++i)
                        weights[static_cast<size_t>(o) * width + i] = num_rows % 2 ? random.byte() : static_cast<int8_t>(random.next());
                Int8::Matrix matrix(num_outputs, width), taken(num_outputs, width);
                std::vector<int32_t> ids(num_outputs);
                for (int o = 0; o < num_outputs; ++o) {
                    matrix.set_row(o, &weights[static_cast<size_t>(o) * width], 1.0f, 0.0f);
                    ids[o] = num_outputs - 1 - o;
                }
                taken.take(matrix, weights.data(), ids.data());
                Int8::Inputs inputs;
                inputs.prepare(rows.data(), num_rows, width);
                std::vector<float> results(static_cast<size_t>(num_rows) * num_outputs), others(results);
                const auto run = [&](const Int8::Matrix& of, std::vector<float>& to) {
                    multiply<Int8>(inputs, num_rows, of, [&](int first, int count, int output, int vectors, const Tile& tile) {
                        for (int r = 0; r < count; ++r)
                            for (int o = output; o < std::min(output + vectors * LANES, num_outputs); ++o)
                                to[static_cast<size_t>(first + r) * num_outputs + o] = tile.values[r * PANEL + o - output];
                    });
                };
                run(matrix, results), run(taken, others);
                for (int r = 0; r < num_rows; ++r)
                    for (int o = 0; o < num_outputs; ++o) {
                        int32_t due = 0;
                        for (int i = 0; i < width; ++i)
                            due += static_cast<int>(rows[static_cast<size_t>(r) * width + i]) * weights[static_cast<size_t>(o) * width + i];
                        const float* row = &results[static_cast<size_t>(r) * num_outputs];
                        expect_close("a sum of products", row[o], due, 0);
                        expect_close("one of a shortlist", others[static_cast<size_t>(r) * num_outputs + ids[o]], due, 0);
                    }
                digest.add(results);
            }
    digest.print("products");
}

// ------------------------------------------------------------------- rounded once a number: equal where fma rounds once

void multiply_quantized() {
    Random random;
    Digest digest;
    for (int round = 0; round < 60; ++round) {
        const int num_rows = 1 + round % 9, num_inputs = 64, num_outputs = 80;
        const std::vector<float> rows = random.numbers(static_cast<size_t>(num_rows) * num_inputs, 3.0f);
        const std::vector<float> weights = random.numbers(static_cast<size_t>(num_outputs) * num_inputs, 0.2f);
        const std::vector<float> bias = random.numbers(num_outputs);
        Int8::Matrix matrix(num_outputs, num_inputs);
        for (int o = 0; o < num_outputs; ++o) matrix.set_row(o, &weights[static_cast<size_t>(o) * num_inputs], 0.5f, bias[o]);
        Int8::Inputs inputs;
        inputs.prepare(rows.data(), num_rows, num_inputs);
        std::vector<float> results(static_cast<size_t>(num_rows) * num_outputs);
        multiply<Int8>(inputs, num_rows, matrix, [&](int first, int count, int output, int vectors, const Tile& tile) {
            for (int r = 0; r < count; ++r)
                std::copy_n(tile.values + r * PANEL, vectors * LANES, &results[static_cast<size_t>(first + r) * num_outputs + output]);
        });
        for (int r = 0; r < num_rows; ++r)
            for (int o = 0; o < num_outputs; ++o) {
                double due = bias[o];
                for (int i = 0; i < num_inputs; ++i)
                    due += 0.5 * rows[static_cast<size_t>(r) * num_inputs + i] * weights[static_cast<size_t>(o) * num_inputs + i];
                expect_close("a product in 8 bits", results[static_cast<size_t>(r) * num_outputs + o], due, 0.06);
            }
        digest.add(results);
    }
    digest.print("quantized");
}

void multiply_floats() {
    Random random;
    Digest digest;
    const int num_inputs = 56, num_outputs = 83;
    for (int num_rows = 1; num_rows < 14; ++num_rows) {
        const std::vector<float> rows = random.numbers(static_cast<size_t>(num_rows) * num_inputs);
        const std::vector<float> weights = random.numbers(static_cast<size_t>(num_outputs) * num_inputs);
        std::vector<float> results(static_cast<size_t>(num_rows) * num_outputs);
        Float32::Matrix matrix(num_outputs, num_inputs);
        for (int o = 0; o < num_outputs; ++o) matrix.set_row(o, &weights[static_cast<size_t>(o) * num_inputs], 1.0f, 0.25f);
        Float32::Inputs inputs;
        inputs.prepare(rows.data(), num_rows, num_inputs);
        multiply<Float32>(inputs, num_rows, matrix, [&](int first, int count, int output, int vectors, const Tile& tile) {
            for (int r = 0; r < count; ++r)
                for (int o = output; o < std::min(output + vectors * LANES, num_outputs); ++o) {
                    double due = 0.25;
                    for (int i = 0; i < num_inputs; ++i)
                        due += static_cast<double>(rows[static_cast<size_t>(first + r) * num_inputs + i]) *
                               weights[static_cast<size_t>(o) * num_inputs + i];
                    const float found = tile.values[r * PANEL + o - output];
                    expect_close("a product of floats", found, due, 2e-5);
                    results[static_cast<size_t>(first + r) * num_outputs + o] = found;
                }
        });
        digest.add(results);
    }
    digest.print("floats");
}

// ------------------------------------------------------------------ approximations: equal where they are computed alike

void approximate() {
    Random random;
    std::map<std::string, Digest> of_function;
    const std::vector<float> numbers = random.numbers(64000, 20.0f);
    for (size_t first = 0; first < numbers.size(); first += LANES) {
        const float* x = &numbers[first];
        float results[LANES];
        const auto check = [&](const char* name, Vec found, double (*due)(double), double bound) {
            store(results, found);
            for (int i = 0; i < LANES; ++i) expect_close(name, results[i], due(x[i]), bound * std::max(1.0, std::abs(due(x[i]))));
            of_function[name].add(results, sizeof results);
        };
        const Vec values = load(x);
        check("2^x", power_of_two(values), [](double v) { return std::exp2(v); }, 1e-6);
        check("the sigmoid", sigmoid(values), [](double v) { return 1 / (1 + std::exp(-v)); }, 1e-6);
        check("the normal distribution", normal_cumulative(values), [](double v) { return std::erfc(-v * std::sqrt(0.5)) / 2; }, 1e-6);
        Bfloat16 halves[LANES];
        store(halves, values);
        check("bfloat16", load(halves), [](double v) { return v; }, 1.0 / 256);
        IntVec is_positive = values > Vec{};
        const uint32_t lanes = lanes_where(is_positive);
        for (int i = 0; i < LANES; ++i) expect_close("a lane's bit", lanes >> i & 1, x[i] > 0, 0);
        expect_close("the greatest", greatest(values), *std::max_element(x, x + LANES), 0);
    }
    Digest digest;
    for (const auto& [name, one] : of_function) digest.add(one);
    digest.print("functions");
}

// ------------------------------------------------------------------- sums over lanes: equal for vectors of one length

template <class Number> void look_back(const char* name, double bound) {
    Random random;
    Digest digest;
    const int heads = 2, d = 16;
    for (int length = 1; length < 40; ++length) {
        const std::vector<float> query = random.numbers(heads * d), numbers = random.numbers(static_cast<size_t>(2) * length * heads * d);
        std::vector<Number> memory(numbers.size());
        for (size_t i = 0; i < numbers.size(); i += LANES) store(&memory[i], load(&numbers[i]));
        std::vector<const Number*> keys, values;
        for (int t = 0; t < length; ++t) {
            keys.push_back(&memory[static_cast<size_t>(2 * t) * heads * d]);
            values.push_back(&memory[static_cast<size_t>(2 * t + 1) * heads * d]);
        }
        std::vector<float> weights(heads * 64), context(heads * d);
        attend_to_past<Number>({keys.data(), values.data(), length}, query.data(), heads, d, d, weights.data(), context.data());
        for (int head = 0; head < heads; ++head) {
            std::vector<double> scores(length);
            double total = 0;
            for (int t = 0; t < length; ++t) {
                for (int j = 0; j < d; ++j)
                    scores[t] += static_cast<double>(query[head * d + j]) * numbers[static_cast<size_t>(2 * t) * heads * d + head * d + j];
                total += scores[t] = std::exp(scores[t]);
            }
            for (int j = 0; j < d; ++j) {
                double due = 0;
                for (int t = 0; t < length; ++t)
                    due += scores[t] / total * numbers[static_cast<size_t>(2 * t + 1) * heads * d + head * d + j];
                expect_close(name, context[head * d + j], due, bound);
            }
        }
        digest.add(context);
    }
    digest.print(name);
}

}  // namespace

int main() {
    if (lacks_instructions()) {
        std::puts("the processor lacks instructions");
        return 2;
    }
    quantize_weights();
    multiply_integers();
    multiply_quantized();
    approximate();
    multiply_floats();
    look_back<float>("attention", 2e-6);
    look_back<Bfloat16>("attention-bfloat16", 2e-2);
}

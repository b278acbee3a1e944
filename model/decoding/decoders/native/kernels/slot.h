// What a decoder remembers of one sentence: its own keys and values, and those of every hypothesis ever fed.
#pragma once

#include <vector>

#include "weights.h"

namespace dragoman {

// Memory that released sentences hand to the next ones, so that it is taken from the system once.
template <class Number> class PagePool {
public:
    Buffer<Number> take(size_t size) {
        for (size_t i = free_.size(); i-- > 0;)
            if (free_[i].size() == size) {
                Buffer<Number> page = std::move(free_[i]);
                free_[i] = std::move(free_.back());
                free_.pop_back();
                return page;
            }
        if (!free_.empty()) free_.pop_back();  // of another size: what is kept never exceeds what was once in use
        return Buffer<Number>(size);
    }
    void give_back(Buffer<Number>&& page) { free_.push_back(std::move(page)); }

private:
    std::vector<Buffer<Number>> free_;
};

constexpr int PAGE_POSITIONS = 16;

template <class Precision> struct Slot {
    using Cached = typename Precision::Cached;

    int source_length = 0;
    int padded_length = 0;
    int beam_size = 0;
    bool keep_attention = false;
    Buffer<Cached> source;  // [layer]: keys [num_heads][d_key][padded length], then values [padded length][all heads' width]
    // [layer][position in the page][beam]: keys, then values, of all heads; or of an SSRU the state, in floats
    std::vector<Buffer<Cached>> pages;
    std::vector<float> attention;  // [position][beam][source_length]
    std::vector<int32_t> allowed_ids;  // empty: all pieces
    typename Precision::Matrix allowed_output;

    // Padded, so that sentences of like length use memory of the same size after each other.
    size_t source_layer_size(const Shape& shape) const {
        return static_cast<size_t>(shape.num_heads) * shape.d_key * padded_length +
               static_cast<size_t>(padded_length) * shape.values_width();
    }
    const Cached* source_keys(const Shape& shape, int layer, int head) const {
        return source.data() + layer * source_layer_size(shape) + static_cast<size_t>(head) * shape.d_key * padded_length;
    }
    const Cached* source_values(const Shape& shape, int layer) const {
        return source_keys(shape, layer, shape.num_heads);
    }

    // One position's keys and values of one beam lie side by side: this many numbers.
    static size_t entry_size(const Shape& shape) {
        if (shape.has_ssru) return shape.width() * sizeof(float) / sizeof(Cached);
        return shape.keys_width() + shape.values_width();
    }
    size_t page_size(const Shape& shape) const {
        return static_cast<size_t>(shape.num_decoder_layers) * PAGE_POSITIONS * beam_size * entry_size(shape);
    }
    Cached* entry(const Shape& shape, int layer, int position, int beam) {
        const size_t place = (static_cast<size_t>(layer) * PAGE_POSITIONS + position % PAGE_POSITIONS) * beam_size + beam;
        return pages[position / PAGE_POSITIONS].data() + place * entry_size(shape);
    }

    float* state(const Shape& shape, int layer, int position, int beam) {
        return reinterpret_cast<float*>(entry(shape, layer, position, beam));
    }

    // Makes room for a position.
    void reserve(const Shape& shape, int position, PagePool<Cached>& pool) {
        while (static_cast<int>(pages.size()) * PAGE_POSITIONS <= position) pages.push_back(pool.take(page_size(shape)));
        if (keep_attention) attention.resize(static_cast<size_t>(position + 1) * beam_size * source_length);
    }
    void release(PagePool<Cached>& pool) {
        for (Buffer<Cached>& page : pages) pool.give_back(std::move(page));
        if (source.size()) pool.give_back(std::move(source));
        *this = Slot();
    }
};

}  // namespace dragoman

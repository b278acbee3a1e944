// One decoding step of all rows: from the pieces they are fed to their last layer's states.
#pragma once

#include "encoder.h"
#include "output.h"

namespace dragoman {

// Ascending pieces of every row, one row's behind another's; null offsets where no row has any. Mirrored in library.py.
struct PieceLists {
    const int32_t *offsets, *token_ids;
    int32_t count;

    PieceList of_row(int row) const {
        return offsets ? PieceList{token_ids + offsets[row], token_ids + offsets[row + 1]} : PieceList{};
    }
};

// The live hypotheses of a step; `model.decoding.decoder.Rows` tells what the fields mean. Mirrored in library.py.
struct Rows {
    const int32_t *slots, *offsets, *positions, *token_ids;
    const double* log_probs;
    const uint8_t* ancestry;
    int64_t ancestry_slot_stride, ancestry_beam_stride;
    const int32_t *num_extensions, *num_candidates;
    PieceLists excluded, wanted;
    int32_t num_slots, num_rows;
    int32_t ancestry_slots, ancestry_beams, ancestry_positions;

    const uint8_t* ancestors(int i, int beam) const {
        return ancestry + slots[i] * ancestry_slot_stride + beam * ancestry_beam_stride;
    }
};

// What a step feeds to a slot: the last pieces of its live hypotheses, or all pieces of the one that is given, in order.
enum class Feed { LIVE, GIVEN };

template <class Precision> class Step {
public:
    Step(const Weights<Precision>& weights, Slot<Precision>* slots, const Rows& rows, Workspace<Precision>& space,
         Feed feed = Feed::LIVE)
        : weights_(weights), shape_(weights.shape), slots_(slots), rows_(rows), space_(space), feed_(feed),
          num_rows_(rows.num_rows) {}

    // results: [R][width]
    void run(float* results) {
        Sublayers<Precision> sublayers(shape_, space_, num_rows_);
        const int width = shape_.width(), values_width = shape_.values_width();
        float* states = space_.states.reserve(static_cast<size_t>(num_rows_) * width);
        embed(states);
        if (shape_.has_embedding_norm) sublayers.normalize(weights_.decoder_embedding_norm);
        float* contexts = space_.contexts.reserve(static_cast<size_t>(num_rows_) * values_width);
        for (int index = 0; index < shape_.num_decoder_layers; ++index) {
            const DecoderLayer<Precision>& layer = weights_.decoder[index];
            const AttentionWeights<Precision>&self = layer.self_attention, &cross = layer.cross_attention;
            if (shape_.has_ssru) {
                recur(index, sublayers.project_inputs(layer.ssru.norm, layer.ssru.inputs), states);
                sublayers.finish(layer.ssru.norm);
            } else {
                attend_to_target(index, sublayers.project_inputs(self.norm, self.inputs), contexts);
                sublayers.add_output(self.norm, self.output, contexts, values_width);
            }
            attend_to_source(index, sublayers.project_inputs(cross.norm, cross.inputs), contexts);
            sublayers.add_output(cross.norm, cross.output, contexts, values_width);
            sublayers.feed_forward(layer.feed_forward);
        }
        for (int r = 0; r < num_rows_; ++r, states += width, results += width) {
            if (shape_.has_final_norm)
                weights_.decoder_norm.apply(states, results);
            else
                std::memcpy(results, states, width * sizeof(float));
        }
    }

private:
    using Cached = typename Precision::Cached;

    const Weights<Precision>& weights_;
    const Shape& shape_;
    Slot<Precision>* const slots_;
    const Rows& rows_;
    Workspace<Precision>& space_;
    const Feed feed_;
    const int num_rows_;

    int num_fed(int i) const { return rows_.offsets[i + 1] - rows_.offsets[i]; }
    // Of the slot's row of this number.
    int position(int i, int row) const { return feed_ == Feed::GIVEN ? row : rows_.positions[i]; }
    int beam(int row) const { return feed_ == Feed::GIVEN ? 0 : row; }

    void embed(float* states) const {
        const float factor = shape_.embedding_factor();
        for (int i = 0; i < rows_.num_slots; ++i)
            for (int row = 0; row < num_fed(i); ++row, states += shape_.width()) {
                const float* place = weights_.target_position(position(i, row));
                if (shape_.starts_with_zeros && position(i, row) == 0)
                    std::memcpy(states, place, shape_.width() * sizeof(float));
                else
                    weights_.target_embedding->look_up(rows_.token_ids[rows_.offsets[i] + row], factor, place, states);
            }
    }

    // projected: what the gates come from, and the inputs, of every row. The state of a row is kept where self-attention
    // keeps keys and values; the state before it is its last ancestor's.
    void recur(int layer, const float* projected, float* states) const {
        const int width = shape_.width();
        for (int i = 0; i < rows_.num_slots; ++i) {
            Slot<Precision>& slot = slots_[rows_.slots[i]];
            for (int row = 0; row < num_fed(i); ++row, projected += 2 * width, states += width) {
                const int t = position(i, row);
                float* state = slot.state(shape_, layer, t, beam(row));
                const float* last = nullptr;  // 0
                if (t) last = slot.state(shape_, layer, t - 1, feed_ == Feed::GIVEN ? 0 : rows_.ancestors(i, row)[t - 1]);
                for (int j = 0; j < width; j += LANES) {
                    const Vec gate = sigmoid(load(projected + j)), input = load(projected + width + j);
                    const Vec next = fma(gate, (last ? load(last + j) : Vec{}) - input, input);
                    store(state + j, next);
                    store(states + j, load(states + j) + maximum(next, Vec{}));
                }
            }
        }
    }

    // projected: queries, keys and values of every row.
    void attend_to_target(int layer, const float* projected, float* contexts) const {
        const int keys_width = shape_.keys_width(), values_width = shape_.values_width();
        for (int i = 0; i < rows_.num_slots; ++i) {
            Slot<Precision>& slot = slots_[rows_.slots[i]];
            const int longest = position(i, num_fed(i) - 1) + 1;
            float* weights = space_.weights.reserve(static_cast<size_t>(shape_.num_heads) * Shape::padded(longest));
            space_.past_keys.resize(longest), space_.past_values.resize(longest);
            for (int row = 0; row < num_fed(i); ++row) {
                const int length = position(i, row) + 1;
                Cached* own = slot.entry(shape_, layer, length - 1, beam(row));
                copy(projected + keys_width, keys_width + values_width, own);
                const bool is_given = feed_ == Feed::GIVEN;  // then the row before has left all but its own entry here
                const uint8_t* ancestors = is_given ? nullptr : rows_.ancestors(i, row);
                for (int t = is_given ? length - 1 : 0; t < length; ++t) {
                    const Cached* entry = t + 1 < length ? slot.entry(shape_, layer, t, ancestors[t]) : own;
                    space_.past_keys[t] = entry;
                    space_.past_values[t] = entry + keys_width;
                }
                attend_to_past<Cached>({space_.past_keys.data(), space_.past_values.data(), length}, projected, shape_.num_heads,
                               shape_.key_width(), shape_.value_width(), weights, contexts);
                projected += 2 * keys_width + values_width;
                contexts += values_width;
            }
        }
    }

    // queries: of every row. All beams of a slot look at the one copy of its source together.
    void attend_to_source(int layer, const float* queries, float* contexts) const {
        const int keys_width = shape_.keys_width(), values_width = shape_.values_width();
        for (int i = 0; i < rows_.num_slots; ++i) {
            Slot<Precision>& slot = slots_[rows_.slots[i]];
            const int beams = num_fed(i);
            float* weights = space_.weights.reserve(static_cast<size_t>(beams) * slot.padded_length);
            for (int head = 0; head < shape_.num_heads; ++head) {
                attend<Cached>({slot.source_keys(shape_, layer, head), slot.padded_length,
                        slot.source_values(shape_, layer) + head * shape_.value_width(), values_width, slot.source_length},
                       {queries + head * shape_.key_width(), keys_width, contexts + head * shape_.value_width(),
                        values_width},
                       beams, shape_.d_key, shape_.value_width(), weights);
                if (slot.keep_attention && layer == shape_.num_decoder_layers - 1)
                    keep_attention(slot, i, head == 0, weights);
            }
            queries += static_cast<size_t>(beams) * keys_width;
            contexts += static_cast<size_t>(beams) * values_width;
        }
    }

    void keep_attention(Slot<Precision>& slot, int i, bool is_first, const float* weights) const {
        for (int row = 0; row < num_fed(i); ++row) {
            const size_t place = static_cast<size_t>(position(i, row)) * slot.beam_size + beam(row);
            float* kept = &slot.attention[place * slot.source_length];
            for (int s = 0; s < slot.source_length; ++s)
                kept[s] = (is_first ? 0.0f : kept[s]) + weights[row * slot.padded_length + s] / shape_.num_heads;
        }
    }
};

}  // namespace dragoman

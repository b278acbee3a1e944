// The terms of one slot's search: `model.decoding.search.terms.Terms` in C++, to the same bit.
#pragma once

#include <bit>
#include <tuple>

#include "checks.h"

namespace dragoman {

// `model.decoding.search.automaton.Automaton` says what the fields mean. Mirrored in library.py.
struct Automaton {
    const int32_t *pieces, *moves, *depths, *remaining, *offsets, *advancing;
    const int64_t *completes, *begun, *leads;
    int32_t num_nodes, num_terms, num_pieces, num_completes, num_advancing;
};

inline void check_automaton(const Automaton& automaton, int vocab_size) {
    const auto [pieces, moves, depths, remaining, offsets, advancing, completes, begun, leads, num_nodes, num_terms,
                num_pieces, num_completes, num_advancing] = automaton;
    check_index("term", num_terms - 1, 63);
    check_index("node", num_nodes - 1, INT32_MAX);
    check_ascending("term's piece", pieces, num_pieces, vocab_size);
    check_indices("node", moves, num_nodes * (num_pieces + 1), num_nodes);
    bool is_sound = offsets[0] == 0 && offsets[num_nodes] == num_advancing;
    for (int node = 0; node < num_nodes; ++node) {
        is_sound = is_sound && offsets[node] <= offsets[node + 1] && depths[node] >= (node > 0);
        if (!is_sound) refuse("the nodes of the terms make no sense");
    }
    for (int node = 0; node < num_nodes; ++node)
        check_ascending("term's piece", advancing + offsets[node], offsets[node + 1] - offsets[node], vocab_size);
}

// Their state follows the slot's live hypotheses.
class Terms {
public:
    // joined_ids: the pieces of which none follows a form that has just met a term.
    Terms(const Automaton& given, PieceList joined_ids)
        : num_terms_(given.num_terms), num_pieces_(given.num_pieces), num_completes_(given.num_completes),
          pieces_(copy(given.pieces, num_pieces_)), moves_(copy(given.moves, given.num_nodes * (num_pieces_ + 1))),
          depths_(copy(given.depths, given.num_nodes)), remaining_(copy(given.remaining, given.num_nodes * num_terms_)),
          offsets_(copy(given.offsets, given.num_nodes + 1)), advancing_(copy(given.advancing, given.num_advancing)),
          completes_(masks(given.completes, given.num_nodes * num_completes_)), begun_(masks(given.begun, given.num_nodes)),
          leads_(masks(given.leads, given.num_advancing)), joined_ids_(joined_ids.first, joined_ids.last),
          all_((uint64_t{1} << num_terms_) - 1), states_(1) {}

    int num_hypotheses() const { return static_cast<int>(states_.size()); }
    bool has_unmet(int beam) const { return states_[beam].met != all_; }
    PieceList excluded(int beam) const {
        if (!states_[beam].has_just_met) return {};
        return {joined_ids_.data(), joined_ids_.data() + joined_ids_.size()};
    }

    // Appends the pieces that begin or continue a form of an unmet term, ascending.
    void want(int beam, std::vector<int32_t>& wanted) const {
        const State& state = states_[beam];
        for (int place = offsets_[state.node]; place < offsets_[state.node + 1]; ++place)
            if (leads_[place] & all_ & ~state.met) wanted.push_back(advancing_[place]);
    }

    // Puts extensions into the order in which they get places in the beam; see `banked_order` in terms.py. num_left: the
    // pieces for which there will be room.
    void order(std::vector<Extension>& extensions, int num_left, int32_t eos_id) {
        double best = -INFINITE;
        for (const Extension& extension : extensions) best = std::max(best, extension.log_prob);
        judged_.clear();
        for (const Extension& extension : extensions) {
            const State state = move(states_[extension.parent], extension.token_id);
            const uint64_t unmet = all_ & ~state.met;
            const bool has_begun = begun_[state.node] & unmet;
            const bool is_late = unmet && (extension.token_id == eos_id || num_left < num_needed(state.node, unmet));
            const double loss = (best - extension.log_prob) / (has_begun ? depths_[state.node] : 1);
            judged_.push_back({extension, loss, is_late, 2 * std::popcount(state.met) + has_begun, 0});
        }
        std::sort(judged_.begin(), judged_.end(), [](const Judged& one, const Judged& other) {
            return std::tie(one.is_late, one.bank, one.loss, one.extension.parent, one.extension.token_id) <
                   std::tie(other.is_late, other.bank, other.loss, other.extension.parent, other.extension.token_id);
        });
        for (size_t i = 1; i < judged_.size(); ++i) {
            const bool is_same = judged_[i].is_late == judged_[i - 1].is_late && judged_[i].bank == judged_[i - 1].bank;
            judged_[i].turn = is_same ? judged_[i - 1].turn + 1 : 0;
        }
        std::sort(judged_.begin(), judged_.end(), [](const Judged& one, const Judged& other) {
            return std::tie(one.is_late, one.turn, other.bank) < std::tie(other.is_late, other.turn, one.bank);
        });
        for (size_t i = 0; i < judged_.size(); ++i) extensions[i] = judged_[i].extension;
    }

    // lives: the new live hypotheses.
    void follow(const std::vector<Extension>& lives) {
        next_.clear();
        for (const Extension& extension : lives) next_.push_back(move(states_[extension.parent], extension.token_id));
        states_.swap(next_);
    }

private:
    struct State {
        int node = 0;
        uint64_t met = 0;
        bool has_just_met = false;
    };
    struct Judged {
        Extension extension;
        double loss;
        bool is_late;
        int bank, turn;
    };

    const int num_terms_, num_pieces_, num_completes_;
    const std::vector<int32_t> pieces_, moves_, depths_, remaining_, offsets_, advancing_;
    const std::vector<uint64_t> completes_, begun_, leads_;
    const std::vector<int32_t> joined_ids_;
    const uint64_t all_;
    std::vector<State> states_, next_;  // by beam
    std::vector<Judged> judged_;

    static std::vector<int32_t> copy(const int32_t* numbers, int count) { return {numbers, numbers + count}; }
    static std::vector<uint64_t> masks(const int64_t* numbers, int count) { return {numbers, numbers + count}; }

    State move(const State& state, int32_t piece) const {
        const auto found = std::lower_bound(pieces_.begin(), pieces_.end(), piece);
        const int column = found != pieces_.end() && *found == piece ? static_cast<int>(found - pieces_.begin()) : num_pieces_;
        State next = {moves_[state.node * (num_pieces_ + 1) + column], state.met, false};
        for (int i = 0; i < num_completes_; ++i) {
            const uint64_t completed = completes_[next.node * num_completes_ + i] & ~next.met;
            next.met |= completed & -completed;
        }
        next.has_just_met = next.met != state.met;
        return next;
    }

    // The fewest pieces that complete the unmet terms one after another, after what has begun at the node.
    int num_needed(int node, uint64_t unmet) const {
        int needed = 0, gain = 0;
        for (int term = 0; term < num_terms_; ++term) {
            if (!(unmet >> term & 1)) continue;
            needed += remaining_[term];
            gain = std::max(gain, remaining_[term] - remaining_[node * num_terms_ + term]);
        }
        return needed - gain;
    }
};

}  // namespace dragoman

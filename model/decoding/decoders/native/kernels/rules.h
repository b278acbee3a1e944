// The rules of one slot's search: `model.decoding.search.rules` in C++, to the same bit.
#pragma once

#include <optional>

#include "terms.h"

namespace dragoman {

// `model.decoding.search.rule.SlotRules` says what the fields mean. Mirrored in library.py.
struct SlotRules {
    const int32_t *prefix_ids, *suppressed_ids, *joined_ids;
    int32_t num_prefix, num_suppressed, num_joined, ngram_size;
    Automaton automaton;  // without nodes where there are no terms
};

inline void check_rules(const SlotRules& rules, int vocab_size) {
    check_indices("piece of a prefix", rules.prefix_ids, rules.num_prefix, vocab_size);
    check_ascending("suppressed piece", rules.suppressed_ids, rules.num_suppressed, vocab_size);
    check_ascending("joined piece", rules.joined_ids, rules.num_joined, vocab_size);
    check_index("n-gram", rules.ngram_size, INT32_MAX);
    if (rules.automaton.num_nodes) check_automaton(rules.automaton, vocab_size);
}

class Rules {
public:
    explicit Rules(const SlotRules& given)
        : prefix_ids_(given.prefix_ids, given.prefix_ids + given.num_prefix),
          suppressed_ids_(given.suppressed_ids, given.suppressed_ids + given.num_suppressed),
          ngram_size_(given.ngram_size) {
        if (given.automaton.num_nodes)
            terms_.emplace(given.automaton, PieceList{given.joined_ids, given.joined_ids + given.num_joined});
    }

    // Whether the prefix says which piece comes at this position.
    bool is_forced(int position) const { return position < static_cast<int>(prefix_ids_.size()); }
    bool has_terms() const { return terms_.has_value(); }

    // Appends the pieces that may not follow a hypothesis to `excluded`, whose pieces from `first` on ascend and are this
    // hypothesis' own, so that they still do. history: its pieces.
    void exclude(int beam, const std::vector<int32_t>& history, int32_t eos_id, size_t first,
                 std::vector<int32_t>& excluded) const {
        add({suppressed_ids_.data(), suppressed_ids_.data() + suppressed_ids_.size()}, first, excluded);
        if (terms_ && terms_->has_unmet(beam)) add({&eos_id, &eos_id + 1}, first, excluded);
        if (terms_) add(terms_->excluded(beam), first, excluded);
        const int length = static_cast<int>(history.size());
        for (int end = ngram_size_ - 1; ngram_size_ && end < length; ++end)  // where an n-gram of the history ends
            if (std::equal(history.end() - ngram_size_ + 1, history.end(), history.begin() + end - ngram_size_ + 1))
                add({&history[end], &history[end] + 1}, first, excluded);
    }
    bool needs_history(int length) const { return ngram_size_ && length >= ngram_size_; }

    // Appends the pieces whose log probabilities the rules need, ascending.
    void want(int beam, int position, std::vector<int32_t>& wanted) const {
        if (is_forced(position))
            wanted.push_back(prefix_ids_[position]);
        else if (terms_)
            terms_->want(beam, wanted);
    }

    // The only extension of a hypothesis within the prefix. wanted: its log probability with the prefix's next piece; an
    // impossible one adds nothing.
    Extension force(int position, double log_prob, double wanted) const {
        return {wanted == -INFINITE ? log_prob : wanted, 0, prefix_ids_[position]};
    }

    void order(std::vector<Extension>& extensions, int num_left, int32_t eos_id) {
        terms_->order(extensions, num_left, eos_id);
    }

    void check_hypotheses(int slot, int count) const {
        if (terms_ && terms_->num_hypotheses() != count)
            refuse("slot " + std::to_string(slot) + " has rules for " + std::to_string(terms_->num_hypotheses()) +
                   " hypotheses, not for " + std::to_string(count));
    }

    // lives: the new live hypotheses.
    void follow(const std::vector<Extension>& lives) {
        if (terms_) terms_->follow(lives);
    }

private:
    const std::vector<int32_t> prefix_ids_, suppressed_ids_;
    const int ngram_size_;
    std::optional<Terms> terms_;

    static void add(PieceList pieces, size_t first, std::vector<int32_t>& excluded) {
        const size_t middle = excluded.size();
        excluded.insert(excluded.end(), pieces.first, pieces.last);
        std::inplace_merge(excluded.begin() + first, excluded.begin() + middle, excluded.end());
        excluded.erase(std::unique(excluded.begin() + first, excluded.end()), excluded.end());
    }
};

}  // namespace dragoman

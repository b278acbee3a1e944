"""Terms that a translation lacks, put where the words stand that the model chose instead.

A term that the model would not choose by itself has about the same small probability everywhere, so a beam with
constraints often adds it behind the sentence. The decoder's attention says which words of the free translation come
from the term's words. The translation is kept up to these, continued with the term, and searched from there on; if the
search then says the same once more, the term takes the place of the words and nothing else changes. Only a term whose
words cannot be found is left to the constraints of the beam.
"""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice, takewhile
from typing import Literal

import numpy as np

from dragoman.model.codec import Codec
from dragoman.model.decoding.request import Request, TokenHypothesis
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import InvalidInputError
from dragoman.translation.drafts import Draft, Found, PreparedText, Round, replace_sentences, restore
from dragoman.translation.languages import has_spaces
from dragoman.translation.markup.alignment import word_indices, words_of
from dragoman.translation.markup.word_weights import sum_by_word
from dragoman.translation.terms.matching import WantedTerm
from dragoman.translation.terms.outcomes import find_outcomes
from dragoman.translation.terms.pieces import encode_terms, wide_enough

MAX_PLACED = 8
"""Terms of a sentence that are placed one after another; the beam takes the others."""

MIN_SHARE = 0.2
"""Least share of a word's attention that makes it a term's translation, though it looks at another word more."""

MIN_NEIGHBOUR_SHARE, MIN_NEIGHBOUR_LENGTH = 0.5, 4
"""Least share of attention and least number of letters of a word that belongs to the one beside it; shorter ones are
articles and prepositions, which stay."""

_SENTENCE_END = re.compile(r"[.!?…:][\"'”’»)\]]*$")


@dataclass(frozen=True, slots=True)
class Placing:
    """How far the terms of a sentence are placed.

    first:    the request of the free search.
    way:      of the newest request: from the term on it is searched, all of it is given, or the beam has constraints.
    placed:   the terms in its prefix.
    whole:    the pieces of the translation before with the term instead of some words, for "searched".
    replaced: these words.
    count:    how often the translation before had them behind that place.
    prefix_ids: of the newest search, up to the last term that is placed.
    """

    first: Request
    way: Literal["searched", "given", "constrained"]
    placed: tuple[str, ...] = ()
    whole: tuple[int, ...] = ()
    replaced: tuple[str, ...] = ()
    count: int = 0
    prefix_ids: tuple[int, ...] = ()

    @property
    def open_request(self) -> Request:
        """The request without what is given behind the terms."""
        return replace(self.first, prefix_ids=self.prefix_ids)


def place_terms(
    prepared: PreparedText,
    found: Found,
    vocabulary: Codec,
    *,
    forbidden_ids: Collection[int],
    check: Callable[[Request], None],
) -> Round | None:
    """A round for the sentences whose best translation lacks a term; None if none does, or if nothing is left to try.

    forbidden_ids: pieces that no translation can hold. check: raises InvalidInputError for a request that the engine
    refuses.
    """
    replacements: dict[int, PreparedText] = {}
    for index, (draft, hypotheses) in enumerate(zip(prepared.drafts, found, strict=True)):
        if not draft.terms or (draft.placing is not None and (draft.search or draft.placing.way == "constrained")):
            continue
        placer = _Placer(prepared, index, vocabulary, forbidden_ids)
        again = placer.place(hypotheses)
        if again is not None:
            request, placing = again
            try:
                check(request)
            except InvalidInputError:  # the engine has no room for so wide a beam
                continue
            changed = replace(draft, placing=placing)
            replacements[index] = replace(prepared, segments=(request,), drafts=(changed,), gaps=("", ""))
    return replace_sentences(prepared, found, replacements) if replacements else None


class _Placer:
    """Places the terms of one sentence."""

    def __init__(self, prepared: PreparedText, index: int, vocabulary: Codec, forbidden_ids: Collection[int]) -> None:
        self._prepared = prepared
        self._draft: Draft = prepared.drafts[index]
        self._segment = prepared.segments[index]
        self._vocabulary = vocabulary
        self._forbidden_ids = forbidden_ids
        self._source_pieces: tuple[str, ...] = ()

    def place(self, hypotheses: Sequence[TokenHypothesis]) -> tuple[Request, Placing] | None:
        prepared, draft = self._prepared, self._draft
        for hypothesis in map(prepared.without_frame, hypotheses):
            self._source_pieces = self._vocabulary.source.pieces(self._segment.source_ids)
            text = restore(draft, self._source_pieces, hypothesis, self._vocabulary, prepared.frame)
            if text and not text.isspace():
                break
        else:
            return None
        lacking = [
            term
            for term, outcome in zip(draft.terms, find_outcomes(draft.terms, text), strict=True)
            if not (outcome.is_met or term.reason) and term.source.lower() in draft.text.lower()
        ]
        placing = draft.placing or Placing(self._segment, "given", prefix_ids=self._segment.prefix_ids)
        if placing.way == "searched" and self._is_worse(placing, hypothesis, lacking):
            return self._give(placing)
        if len(placing.placed) < MAX_PLACED:
            attempts = [self._search(placing, hypothesis, term) for term in lacking]
            # A term that the translation has is placed where else the sentence has it, from left to right.
            attempts += [
                self._search(placing, hypothesis, term, number)
                for term in draft.terms
                if term.again and term not in lacking and not term.reason
                for number in range(_num_met(term, text), 1 + len(term.again))
            ]
            possible = [attempt for attempt in attempts if attempt is not None]
            if possible:
                return min(possible, key=lambda attempt: len(attempt[0].prefix_ids))
        return self._constrain(placing) if lacking else None

    def _is_worse(self, placing: Placing, hypothesis: TokenHypothesis, lacking: Sequence[WantedTerm]) -> bool:
        """Whether the search went on with the words in whose place the term stands, or did not end the term there."""
        if any(term.source in placing.placed for term in lacking):
            return True
        rest = self._words_behind(hypothesis.token_ids, self._num_given(placing.prefix_ids))
        return sum(word in placing.replaced for word in rest) > placing.count

    @property
    def _needs_attention(self) -> bool:
        """Whether a further search needs it, because other terms may be placed after it."""
        asked = self._prepared.options.return_attention
        return asked or self._draft.needs_weights or sum(1 + len(term.again) for term in self._draft.terms) > 1

    def _num_given(self, prefix_ids: Sequence[int]) -> int:
        """The pieces of a prefix without those of the frame."""
        return len(prefix_ids) - len(self._prepared.frame.target)

    def _words_behind(self, token_ids: Sequence[int], place: int) -> list[str]:
        return [_core(word) for word in words_of(self._vocabulary.target.pieces(token_ids[place:]))]

    def _give(self, placing: Placing) -> tuple[Request, Placing] | None:
        """The translation before, with the term instead of the words."""
        eos_id = self._vocabulary.shape.eos_id
        given = (*self._prepared.frame.target, *placing.whole, eos_id)
        if len(given) > placing.first.max_target_length:
            return None
        asked = self._prepared.options
        options = SearchOptions(
            beam_size=1,
            length_penalty=asked.length_penalty,
            length_normalization=asked.length_normalization,
            coverage_penalty=asked.coverage_penalty,
            return_attention=self._needs_attention,
        )
        request = replace(placing.first, options=options, prefix_ids=given, max_target_length=len(given))
        return request, replace(placing, way="given")

    def _search(
        self, placing: Placing, hypothesis: TokenHypothesis, term: WantedTerm, number: int = 0
    ) -> tuple[Request, Placing] | None:
        """The translation up to the words that stand for a term, continued with it; None if there are none, or if they
        are the term. number: which of the times that the sentence has it."""
        prepared, target = self._prepared, self._vocabulary.target
        token_ids = hypothesis.token_ids
        pieces = target.pieces(token_ids)
        indices, words = word_indices(pieces), words_of(pieces)
        located = self._locate(hypothesis, pieces, words, (term.source, *term.again)[: number + 1])
        if located is None or indices.index(located[0]) < self._num_given(placing.prefix_ids):
            return None
        begin = indices.index(located[0])
        end = len(indices) - indices[::-1].index(located[-1])
        lead, tail = _marks(words[located[0]])[0], _marks(words[located[-1]])[1]
        before = words[: located[0]]
        replaced = tuple(_core(words[place]) for place in located)
        if _num_met(term, " ".join(_around(words, located, term))):
            return None
        form = _best_form(term.forms, replaced[-1], is_first=_begins_sentence(before))
        with_term, with_tail = target.encode(lead + form), target.encode(lead + form + tail)
        prefix_ids = (*prepared.frame.target, *token_ids[:begin], *with_term)
        whole = (*token_ids[:begin], *with_tail, *token_ids[end:])
        if any(piece in self._forbidden_ids for piece in with_tail):
            return None
        if len(prefix_ids) >= placing.first.max_target_length:
            return None
        options = replace(prepared.options, return_attention=self._needs_attention)
        request = replace(placing.first, options=options, prefix_ids=prefix_ids)
        count = sum(word in replaced for word in self._words_behind(token_ids, end))
        placed = (*placing.placed, term.source)
        return request, Placing(placing.first, "searched", placed, whole, replaced, count, prefix_ids)

    def _locate(
        self, hypothesis: TokenHypothesis, pieces: Sequence[str], words: Sequence[str], times: Sequence[str]
    ) -> range | None:
        """The words of a translation that come from a term's; None if they cannot be found. times: the term's words
        each time that the source has it, up to that which is sought."""
        direction = self._prepared.direction
        if hypothesis.attention is None or not (has_spaces(direction.source) and has_spaces(direction.target)):
            return None
        inner = self._prepared.frame.inner(len(self._source_pieces))
        own = self._source_pieces[inner]
        source_words = words_of(own)
        same = [words.casefold() for words in times].count(times[-1].casefold())
        columns = _find_words(source_words, times[-1], same)
        if not columns:
            return None
        weights = sum_by_word(
            hypothesis.attention,
            pieces,
            range(*inner.indices(len(self._source_pieces))),
            word_indices(own),
            (len(source_words), len(words)),
        )
        if weights is None:
            return None
        protected = () if self._draft.last is None else self._draft.last.kept_words
        shares = weights[:, columns.start : columns.stop].sum(axis=1)
        for place, word in enumerate(words):
            if not _core(word) or any(one in word for one in protected):
                shares[place] = 0
        looks = np.isin(weights.argmax(axis=1), columns) & (shares > 0)
        best = int(np.where(looks, shares, 0).argmax() if looks.any() else shares.argmax())
        if not looks[best] and shares[best] < MIN_SHARE:
            return None
        first = last = best
        belongs = looks & (shares >= MIN_NEIGHBOUR_SHARE)
        belongs &= np.array([len(_core(word)) >= MIN_NEIGHBOUR_LENGTH for word in words])
        while first and belongs[first - 1]:
            first -= 1
        while last + 1 < len(words) and belongs[last + 1]:
            last += 1
        return range(first, last + 1)

    def _constrain(self, placing: Placing) -> tuple[Request, Placing] | None:
        """A search with all terms as constraints of the beam, behind what is placed."""
        room = placing.first.max_target_length - len(placing.prefix_ids) - 1
        shown = [term for term in self._draft.terms if term.source.lower() in self._draft.text.lower()]
        _, forms = encode_terms(shown, self._vocabulary.target, self._forbidden_ids, room)
        if not forms:
            return None
        asked = self._prepared.options
        options = replace(
            asked,
            beam_size=wide_enough(asked.beam_size, len(forms)),
            return_attention=asked.return_attention
            or (self._draft.needs_weights and placing.first.options.return_attention),
        )
        request = replace(placing.open_request, options=options, terms=forms)
        return request, replace(placing, way="constrained")


def _find_words(words: Sequence[str], phrase: str, count: int) -> range:
    """The words that a phrase covers where it stands for this time; none if it is not there so often."""
    text = " ".join(words)
    pattern = r"(?<!\w)" + r"\s+".join(map(re.escape, phrase.split())) + r"(?!\w)"
    match = next(islice(re.finditer(pattern, text, re.IGNORECASE), count - 1, None), None)
    if match is None:
        return range(0)
    return range(text.count(" ", 0, match.start()), text.count(" ", 0, match.end()) + 1)


def _num_met(term: WantedTerm, text: str) -> int:
    """How often a text has a term, at most as often as the source has it."""
    times = [term] * (1 + len(term.again))
    return sum(outcome.is_met for outcome in find_outcomes(times, text))


def _around(words: Sequence[str], located: range, term: WantedTerm) -> Sequence[str]:
    """The located words, with as many beside them as a term of several words may have."""
    more = max(len(form.split()) for form in term.forms) - 1
    return words[max(0, located[0] - more) : located[-1] + 1 + more]


def _marks(word: str) -> tuple[str, str]:
    """The marks before and behind a word."""
    core = re.search(r"\w(?:.*\w)?", word)
    return ("", "") if core is None else (word[: core.start()], word[core.end() :])


def _core(word: str) -> str:
    """A word without marks around it, in lower case."""
    lead, trail = _marks(word)
    return word[len(lead) : len(word) - len(trail)].casefold() if any(map(str.isalnum, word)) else ""


def _begins_sentence(before: Sequence[str]) -> bool:
    """Whether a sentence begins behind these words."""
    return not any(map(_core, before)) or _SENTENCE_END.search(before[-1]) is not None


def _best_form(forms: Sequence[str], replaced: str, *, is_first: bool) -> str:
    """The form whose ending is most like that of the word that it replaces, as of "Hunden" and "Tieren"."""
    capitalized = {form[0].title() + form[1:] for form in forms if not form[0].isupper()}
    plain = [form for form in forms if form not in capitalized] or list(forms)
    best = max(plain, key=lambda form: _num_alike(reversed(form.casefold()), reversed(replaced)))
    raised = best[0].title() + best[1:]
    return raised if is_first and raised in forms else best


def _num_alike(one: Iterable[str], other: Iterable[str]) -> int:
    """With how many equal characters both begin."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))

"""A further search for sentences whose translation is not sound: a loop, blank, far too short, with other figures.

The second search has a wider beam, no shortlist, and gives all its hypotheses, so that a sound one can be chosen; after
a loop no three pieces may occur twice, after a translation that is too short it must be longer. If there is no sound
one and the sentence is long enough, its parts are translated. What is then still a loop is returned untranslated.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from dragoman.model.codec import Codec
from dragoman.model.config import Direction
from dragoman.model.decoding.request import Request, TokenHypothesis
from dragoman.model.decoding.search_options import MAX_BEAM_SIZE, SearchOptions
from dragoman.model.errors import InvalidInputError
from dragoman.translation.checks.assessing import best_of_searches, find_warnings
from dragoman.translation.drafts import Draft, Found, PreparedText, Round, replace_sentences, restore
from dragoman.translation.results import Hypothesis, WarningKind
from dragoman.translation.sentences import split_to_fit

MIN_BEAM_SIZE = 8
"""Of the second search."""

NGRAM_SIZE = 3
"""Pieces that may not occur twice, after a loop."""

MIN_PIECES_TO_CUT = 10
"""Of a sentence that is translated in parts."""

_LOST_IN_LENGTH: frozenset[WarningKind] = frozenset(("repeats", "much_shorter", "much_longer", "cut_off"))
"""The warnings that shorter parts may help against."""

Prepare = Callable[[str, Direction, SearchOptions], PreparedText]
"""Prepares a text as one sentence."""


def search_again(
    prepared: PreparedText,
    found: Found,
    vocabulary: Codec,
    *,
    keeps_unchanged: bool,
    check: Callable[[Request], None],
    prepare: Prepare,
) -> Round | None:
    """A round for the sentences without a sound translation; None if all are sound, or if nothing else is left to try.
    Samples are what they are.

    check: raises InvalidInputError for a request that the engine refuses.
    """
    max_retries = prepared.options.max_retries
    if not max_retries or prepared.options.sampling_temperature is not None:
        return None
    replacements: dict[int, PreparedText] = {}
    for index, (draft, hypotheses) in enumerate(zip(prepared.drafts, found, strict=True)):
        if draft.search >= max_retries or not hypotheses or (keeps_unchanged and not draft.is_provisional):
            continue
        segment = prepared.segments[index] if draft.placing is None else draft.placing.open_request
        kinds = _kinds_of_best(prepared, index, hypotheses, vocabulary)
        if kinds is not None and not kinds - _expected(prepared.options):
            continue
        again: PreparedText | None
        if not draft.search:
            again = _second_search(prepared, segment, draft, hypotheses, kinds or frozenset(), check)
        elif kinds is None or kinds & _LOST_IN_LENGTH:
            again = _cut(prepared, segment, draft, vocabulary, prepare)
        else:
            again = None
        if again is not None:
            replacements[index] = again
    return replace_sentences(prepared, found, replacements) if replacements else None


def _expected(options: SearchOptions) -> frozenset[WarningKind]:
    """Warnings that follow from the options."""
    return frozenset(("cut_off", "much_shorter")) if options.max_target_length is not None else frozenset()


def _kinds_of_best(
    prepared: PreparedText, index: int, hypotheses: Sequence[TokenHypothesis], vocabulary: Codec
) -> frozenset[WarningKind] | None:
    """The kinds of the best hypothesis' warnings; None if all are blank or cannot be restored, or loops at last."""
    draft = prepared.drafts[index]
    pieces = vocabulary.source.pieces(prepared.segments[index].source_ids) if draft.needs_weights else ()
    candidates: list[Hypothesis] = []
    for hypothesis in map(prepared.without_frame, (*hypotheses, *draft.earlier)):
        text = restore(draft, pieces, hypothesis, vocabulary, prepared.frame)
        if text and not text.isspace():
            warnings = find_warnings(prepared, draft, text, hypothesis)
            candidates.append(Hypothesis(text, hypothesis.score, warnings=warnings))
            if not draft.search:
                break
    if draft.search:
        candidates = best_of_searches(candidates)
    return frozenset(warning.kind for warning in candidates[0].warnings) if candidates else None


def _second_search(
    prepared: PreparedText,
    segment: Request,
    draft: Draft,
    hypotheses: Sequence[TokenHypothesis],
    kinds: frozenset[WarningKind],
    check: Callable[[Request], None],
) -> PreparedText | None:
    given = segment.options
    beam_size = min(max(MIN_BEAM_SIZE, 2 * given.beam_size), MAX_BEAM_SIZE)
    options = replace(given, beam_size=beam_size, n_best=beam_size)
    if "repeats" in kinds and not given.no_repeat_ngram_size:
        options = replace(options, no_repeat_ngram_size=NGRAM_SIZE)
    if "much_shorter" in kinds:
        wanted = max(given.min_target_length, len(segment.source_ids) // 2)
        options = replace(options, min_target_length=min(wanted, segment.max_target_length - 1))
    request = replace(segment, options=options, allowed_ids=None)
    try:
        check(request)
    except InvalidInputError:  # the engine has no room for so wide a beam
        return None
    again = replace(draft, search=1, earlier=tuple(hypotheses))
    return replace(prepared, segments=(request,), drafts=(again,), gaps=("", ""))


def _cut(
    prepared: PreparedText, segment: Request, draft: Draft, vocabulary: Codec, prepare: Prepare
) -> PreparedText | None:
    """The sentence in parts, cut at clauses if possible."""
    num_pieces = len(segment.source_ids) - prepared.frame.num_source
    if num_pieces < MIN_PIECES_TO_CUT or draft.changes or prepared.options.return_attention:
        return None
    parts = split_to_fit(draft.source, 3 * num_pieces // 5, lambda part: len(vocabulary.source.encode(part)))
    segments: list[Request] = []
    drafts: list[Draft] = []
    gaps: list[str] = [""]
    options = prepared.options
    for part in parts:
        core = part.strip()
        ready = prepare(core, prepared.direction, options)
        lead, trail = part.split(core, maxsplit=1) if core else (part, "")
        gaps[-1] += lead + ready.gaps[0]
        segments += ready.segments
        drafts += [replace(one, search=2) for one in ready.drafts]
        gaps += ready.gaps[1:]
        gaps[-1] += trail
        options = replace(options, target_prefix="")
    return replace(prepared, segments=tuple(segments), drafts=tuple(drafts), gaps=tuple(gaps))

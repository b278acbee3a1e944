"""Translation through a pivot language, where no model has the direction: the first leg's hypotheses go onward, and
both legs' scores add up."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from dragoman.model.config import Direction
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import InvalidInputError
from dragoman.server.scheduling.worker import TextFailure
from dragoman.server.translating.orders import Outcome, Translated, TranslationOrder
from dragoman.translation.results import Hypothesis, Translation, TranslationWarning
from dragoman.translation.terms.glossary import Entry, Glossary, forms_in

MAX_FORWARDED = 4
"""Most hypotheses of a text that go onward, if several are requested."""


def pivot_directions(directions: Collection[Direction], pivot: str) -> frozenset[Direction]:
    """The directions that no model has, but that two make together."""
    sources = {direction.source for direction in directions if direction.target == pivot}
    targets = {direction.target for direction in directions if direction.source == pivot}
    joined = {Direction(source, target) for source in sources for target in targets if source != target}
    return frozenset(joined.difference(directions))


def check_pivoted(order: TranslationOrder, pivot: str) -> None:
    """Raise InvalidInputError for options that need one model's pieces."""
    if order.wanted.is_large:
        raise InvalidInputError(
            f"return_options: this direction goes through {pivot}, so there are no pieces, attention and alignment"
        )


def first_leg(options: SearchOptions) -> SearchOptions:
    """The search options for the first leg: without what is meant for the translation."""
    return replace(
        options,
        n_best=min(options.n_best, MAX_FORWARDED),
        target_prefix="",
        suppressed_pieces=(),
        min_target_length=SearchOptions().min_target_length,
        max_target_length=None,
    )


def kept_terms(glossary: Glossary, source: str, pivot: str, target: str) -> Glossary:
    """The terms for the first leg, which leaves them as they are: the second leg finds and translates them."""
    return Glossary(
        tuple(
            Entry({source: forms, pivot: forms}, is_kept=True, is_exact=entry.is_exact)
            for entry in glossary.entries
            if (forms := forms_in(entry, source)) and forms_in(entry, target)
        )
    )


def join(first: Translated, onward: Sequence[Outcome], n_best: int) -> Outcome:
    """The outcome of both legs. onward: those of the first one's hypotheses, best first.

    A hypothesis' score is the sum of both, and its estimated quality their product. Its first leg's warnings concern
    the whole translation, its second leg's the whole source.
    """
    source = first.translation.source
    found: dict[str, Hypothesis] = {}
    last: Translated | None = None
    for begun, outcome in zip(first.translation.hypotheses, onward, strict=True):
        if isinstance(outcome, TextFailure):
            if last is None and len(onward) == 1:
                return outcome
            continue
        last = last or outcome
        for ended in outcome.translation.hypotheses:
            joined = _join_hypotheses(source, begun, ended)
            if joined.text not in found or found[joined.text].score < joined.score:
                found[joined.text] = joined
    if last is None:
        return next(outcome for outcome in onward if isinstance(outcome, TextFailure))
    ranked = sorted(found.values(), key=lambda hypothesis: -hypothesis.score)[:n_best]
    return replace(
        first,
        translation=Translation(source, tuple(ranked)),
        model=join_names(first.model, last.model),
        revision=join_names(first.revision, last.revision),
    )


def join_names(first: str, second: str) -> str:
    """Two models' names or revisions as one."""
    return first if first == second else f"{first}+{second}" if first and second else first or second


def _join_hypotheses(source: str, begun: Hypothesis, ended: Hypothesis) -> Hypothesis:
    whole = (0, len(source)), (0, len(ended.text))
    warnings = [TranslationWarning(warning.kind, warning.source, whole[1]) for warning in begun.warnings]
    warnings += [TranslationWarning(warning.kind, whole[0], warning.target) for warning in ended.warnings]
    quality = None if begun.quality is None or ended.quality is None else begun.quality * ended.quality
    cut_off = next((one.finish_reason for one in (begun, ended) if one.finish_reason == "length"), None)
    return Hypothesis(
        ended.text,
        begun.score + ended.score,
        finish_reason=cut_off or ended.finish_reason,
        warnings=tuple(dict.fromkeys(warnings)),
        quality=quality,
        terms=ended.terms,
    )

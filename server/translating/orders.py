"""Orders to translate or score texts, and the outcomes: the interface to transports."""

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import InvalidInputError
from dragoman.server.call_context import Priority
from dragoman.server.scheduling.worker import TextFailure
from dragoman.translation.results import Translation
from dragoman.translation.terms.glossary import Entry

TextFormat: TypeAlias = Literal["plain", "html"]

AUTO = "auto"
"""A source language that means: detect each text's language."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Requested contents of each hypothesis beside its text and score."""

    pieces: bool = False
    token_log_probs: bool = False
    attention: bool = False
    alignment: bool = False
    sentences: bool = False

    @property
    def is_large(self) -> bool:
        """Whether an answer may be megabytes large."""
        return any((self.pieces, self.token_log_probs, self.attention, self.alignment, self.sentences))

    @property
    def needs_attention(self) -> bool:
        """Whether the decoder must keep its attention."""
        return self.attention or self.alignment


_DEFAULTS = SearchOptions()
_NOTHING = Wanted()


@dataclass(frozen=True, slots=True)
class ScoreOrder:
    """An order to score given translations. Languages are BCP 47 tags, such as "de-DE" for a model's "de".

    source_language: empty for the target's only source language. model: None for the first one that fits.
    """

    target_language: str
    source_language: str = ""
    model: str | None = None
    options: SearchOptions = _DEFAULTS
    wanted: Wanted = _NOTHING
    priority: Priority = Priority.BATCH

    @property
    def search(self) -> SearchOptions:
        """The search options, with attention if the answer needs it."""
        if self.options.return_attention is self.wanted.needs_attention:
            return self.options
        return replace(self.options, return_attention=self.wanted.needs_attention)


@dataclass(frozen=True, slots=True)
class GivenTerm:
    """A term of an order.

    targets:  forms of which one is due. is_kept: whether it is not translated; then there are no targets.
    is_exact: whether the source must have the same capitals.
    """

    source: str
    targets: tuple[str, ...] = ()
    is_kept: bool = False
    is_exact: bool = False

    def entry(self, source_language: str, target_language: str) -> Entry:
        """It in a glossary."""
        targets = (self.source,) if self.is_kept else self.targets
        forms = {source_language: (self.source,), target_language: targets}
        return Entry(forms, self.is_kept, self.is_exact)


@dataclass(frozen=True, slots=True)
class TranslationOrder(ScoreOrder):
    """An order to translate texts.

    source_language: AUTO detects each text's language; so does an empty one if the target has several sources.
    split_sentences: whether to split texts into sentences.
    join_lines:      whether to join the lines of wrapped paragraphs before.
    protect:         whether to keep placeholders, addresses, names and their like from translation.
    localize_figures: whether to write figures in the target's notation.
    terms:           with given translations; they go before those of the glossary.
    glossary:        name of a stored glossary; empty for none. ignores_case: whether its terms are found in any
                     capitals, even those that are exact.
    glossary_owner:  if not None, `glossary` is the id of a glossary of this caller, see `owned_glossaries`.
    """

    priority: Priority = Priority.INTERACTIVE
    split_sentences: bool = True
    join_lines: bool = True
    protect: bool = True
    localize_figures: bool = False
    text_format: TextFormat = "plain"
    terms: tuple[GivenTerm, ...] = ()
    glossary: str = ""
    ignores_case: bool = False
    glossary_owner: str | None = None

    def check_html(self) -> None:
        """Raise InvalidInputError for options that HTML does not allow."""
        if self.wanted.is_large:
            raise InvalidInputError("return_options: only plain text has pieces, attention and alignment")
        if self.options.n_best > 1:
            raise InvalidInputError("search_options: n_best must be 1 for HTML")
        if self.options.target_prefix:
            raise InvalidInputError("search_options: target_prefix must be empty for HTML")


@dataclass(frozen=True, slots=True)
class Translated:
    """One text's translation.

    model, revision: of the model that translated; empty for an unchanged text.
    is_detected:     whether the source language was detected.
    is_unchanged:    whether the text is in the target language and is returned unchanged.
    is_approved:     whether it is one of the team's own translations.
    """

    translation: Translation
    source_language: str
    model: str
    revision: str
    is_detected: bool = False
    is_unchanged: bool = False
    is_approved: bool = False


Outcome: TypeAlias = Translated | TextFailure


@dataclass(frozen=True, slots=True)
class LiveOutcome:
    """A text's translation so far, see `LiveText`."""

    stable_text: str
    unstable_text: str
    outcome: Outcome | None

"""What a transport hands in and gets back: how texts are to be translated or scored, and what became of each."""

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from dragoman.model.decoding.search_options import SearchOptions
from dragoman.server.call_context import Priority
from dragoman.server.scheduling.worker import TextFailure
from dragoman.translation.results import Translation

TextFormat: TypeAlias = Literal["plain", "html"]

AUTO = "auto"
"""In the place of a source language: each text's own is detected."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What comes with each hypothesis beside its text and score."""

    pieces: bool = False
    token_log_probs: bool = False
    attention: bool = False
    alignment: bool = False

    @property
    def is_large(self) -> bool:
        """Whether an answer may have megabytes."""
        return self.pieces or self.token_log_probs or self.attention or self.alignment

    @property
    def needs_attention(self) -> bool:
        """Whether the decoder has to keep its attention."""
        return self.attention or self.alignment


_DEFAULTS = SearchOptions()
_NOTHING = Wanted()


@dataclass(frozen=True, slots=True)
class ScoreOrder:
    """How given translations are to be scored. Languages are BCP 47 tags, such as "de-DE" for a model's "de".

    source_language: empty where only one language leads to the target. model: None for the only one that fits.
    """

    target_language: str
    source_language: str = ""
    model: str | None = None
    options: SearchOptions = _DEFAULTS
    wanted: Wanted = _NOTHING
    priority: Priority = Priority.BATCH

    @property
    def search(self) -> SearchOptions:
        """The options, with the attention that the answer is made of."""
        if self.options.return_attention is self.wanted.needs_attention:
            return self.options
        return replace(self.options, return_attention=self.wanted.needs_attention)


@dataclass(frozen=True, slots=True)
class TranslationOrder(ScoreOrder):
    """How texts are to be translated.

    source_language: AUTO has each text's language detected, and so has an empty one where several languages lead to the
                     target.
    split_sentences: whether texts are split into sentences.
    """

    priority: Priority = Priority.INTERACTIVE
    split_sentences: bool = True
    text_format: TextFormat = "plain"


@dataclass(frozen=True, slots=True)
class Translated:
    """One text's translation.

    model, revision: what translated; empty for a text that is unchanged.
    is_detected:     whether the source language was detected.
    is_unchanged:    whether the text is in the target language, so that it stands for its own translation.
    """

    translation: Translation
    source_language: str
    model: str
    revision: str
    is_detected: bool = False
    is_unchanged: bool = False


Outcome: TypeAlias = Translated | TextFailure

"""What a run trains on: the parallel corpus and its vocabulary, as configured."""

import re
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import ConfigDict, Field, model_validator

from dragoman.model.config import Direction, FilePath, StrictModel
from dragoman.model.errors import InvalidInputError


class GrammarConfig(StrictModel):
    """The corpus that Dragoman makes itself from a small English–German grammar, in place of files."""

    sentences: int = Field(30_000, ge=100, description="Sentence pairs to train on.")
    held_out: int = Field(500, ge=10, description="Pairs each in dev and test, of combinations never trained on.")


_LANGUAGE_CODE = re.compile(r"[A-Za-z]{1,8}([-_][A-Za-z0-9]{1,8})*")
"""As long as those of BCP 47, so that a misspelt option of a corpus is no language."""


class CorpusConfig(StrictModel):
    """A parallel corpus: the file of each language, by the language's code; line N of each means the same."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, FilePath] = Field(init=False)

    repeat: int = Field(1, ge=1, description="How often an epoch has each pair, such as to favour human translations.")
    directions: tuple[str, ...] = Field(
        (),
        strict=False,
        description="Of the run's directions those that learn from it, as from synthetic text only one should; if none "
        "is given, all that it has both languages of.",
    )

    @model_validator(mode="after")
    def _other_keys_are_languages(self) -> Self:
        for key in self.__pydantic_extra__:
            if not _LANGUAGE_CODE.fullmatch(key):
                raise ValueError(f"{key} is neither an option of a corpus nor a language's code")
        if len(set(self.directions)) < len(self.directions):
            raise ValueError("directions has one of them twice")
        return self

    @property
    def files(self) -> dict[str, Path]:
        return dict(self.__pydantic_extra__)

    def taught(self, directions: Sequence[Direction]) -> list[Direction]:
        """Which of the run's directions learn from this corpus."""
        wanted = [Direction.parse(direction) for direction in self.directions]
        return [direction for direction in spoken_by(self.files, directions) if not wanted or direction in wanted]


def spoken_by(languages: Container[str], directions: Sequence[Direction]) -> list[Direction]:
    """The directions between these languages."""
    return [direction for direction in directions if direction.source in languages and direction.target in languages]


class DataConfig(StrictModel):
    """The parallel corpus. Paths are relative to the folder where the command runs; .gz is unpacked as it is read."""

    directions: tuple[str, ...] = Field(min_length=1, strict=False, description='What to learn: ["en-de", "de-en"].')
    train: tuple[CorpusConfig, ...] = Field((), strict=False, description="Corpora: a file for each language.")
    dev: dict[str, FilePath] = Field({}, description="Held-out sentences for validation: a file for each language.")
    grammar: GrammarConfig | None = Field(None, description="Makes its own corpus; then train and dev stay empty.")
    max_length: int = Field(128, ge=1, description="Pairs with more pieces on a side are left out, and counted.")
    shuffle_pairs: int = Field(262_144, ge=1024, description="Pairs that are shuffled at a time, and held in memory.")
    sampling_temperature: float = Field(
        1.0,
        ge=1,
        allow_inf_nan=False,
        description="1: an epoch has every pair once. More: as many pairs, but corpora and directions get shares in "
        "proportion to size^(1/temperature), so that small ones count for more.",
    )

    @property
    def parsed_directions(self) -> tuple[Direction, ...]:
        return tuple(Direction.parse(direction) for direction in self.directions)

    @property
    def languages(self) -> tuple[str, ...]:
        """All languages of all directions, sorted."""
        return tuple(
            sorted({code for direction in self.parsed_directions for code in (direction.source, direction.target)})
        )

    @model_validator(mode="after")
    def _directions_are_clear_and_have_files(self) -> Self:
        try:
            directions = self.parsed_directions
        except InvalidInputError as error:
            raise ValueError(str(error)) from error
        for number, direction in enumerate(directions):
            if direction in directions[:number]:
                raise ValueError(f"{direction} is there twice")
        if self.grammar is not None:
            if self.train or self.dev:
                raise ValueError("give either files (train, dev) or the grammar, not both")
            if not set(self.languages) <= {"en", "de"}:
                raise ValueError("the grammar speaks en and de only")
            return self
        for number, corpus in enumerate(self.train):
            _check_directions(corpus, directions, f"train.{number}")
        for direction in directions:
            if not any(spoken_by(corpus.files, [direction]) for corpus in self.train):
                raise ValueError(f"no corpus in train has both languages of {direction}")
            if not any(direction in corpus.taught(directions) for corpus in self.train):
                raise ValueError(
                    f"every corpus in train that has both languages of {direction} is for other directions"
                )
            if not spoken_by(self.dev, [direction]):
                raise ValueError(f"dev lacks a language of {direction}")
        for number, corpus in enumerate(self.train):
            if not spoken_by(corpus.files, directions):
                raise ValueError(f"train.{number} has not both languages of any direction")
        return self


def _check_directions(corpus: CorpusConfig, directions: Sequence[Direction], name: str) -> None:
    """Raises ValueError unless a corpus's own directions are the run's and between its languages."""
    for wanted in corpus.directions:
        try:
            direction = Direction.parse(wanted)
        except InvalidInputError as error:
            raise ValueError(f"{name}.directions: {error}") from error
        if direction not in directions:
            raise ValueError(f"{name}.directions: {direction} is none of the run's directions")
        if not spoken_by(corpus.files, [direction]):
            raise ValueError(f"{name} lacks a language of {direction}")


class SubwordRegularizationConfig(StrictModel):
    """Other pieces for the same text in every epoch, drawn at random. Of a unigram vocabulary, alpha is the power of
    the probabilities that segmentations are drawn with (Kudo 2018): the smaller, the more random, 0.1 to 0.5 being
    usual. Of a BPE vocabulary it is the share of merges left out (BPE-dropout, Provilkov et al. 2020), usually 0.1."""

    source_alpha: float = Field(0.0, ge=0, le=1, description="Of the source side; 0: always the best segmentation.")
    target_alpha: float = Field(0.0, ge=0, le=1, description="Of the target side; 0: always the best segmentation.")


class VocabularyConfig(StrictModel):
    """SentencePiece models: given as files, or learnt from the training corpus."""

    size: int = Field(8000, ge=300, description="Pieces, of each side if the vocabulary is not joint.")
    type: Literal["unigram", "bpe"] = "unigram"
    joint: bool = Field(True, description="One vocabulary for both sides.")
    byte_fallback: bool = Field(True, description="Spell unseen characters as UTF-8 bytes rather than as unknown.")
    character_coverage: float = Field(0.9999, gt=0, le=1)
    source_file: FilePath | None = Field(None, description="A SentencePiece model to use; for both sides if joint.")
    target_file: FilePath | None = Field(None, description="The target side's model if the vocabulary is not joint.")

    @model_validator(mode="after")
    def _files_fit_together(self) -> Self:
        if self.target_file is not None and (self.joint or self.source_file is None):
            raise ValueError("target_file goes with source_file and joint = false")
        if self.source_file is not None and not self.joint and self.target_file is None:
            raise ValueError("source_file with joint = false needs target_file too")
        return self

"""The configuration of a corpus: files that are kept encoded on the disk, or shards that are read as a stream."""

import re
from collections.abc import Container, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Self

from pydantic import ConfigDict, Discriminator, Field, Tag, field_validator, model_validator

from dragoman.model.config import Direction
from dragoman.model.config_files import FilePath, StrictModel

_LANGUAGE_CODE = re.compile(r"[A-Za-z]{1,8}([-_][A-Za-z0-9]{1,8})*")
"""Subtags have at most 8 characters, as in BCP 47, so that a misspelt option of a corpus is no language."""


def parse_direction(text: str) -> Direction:
    """A direction, or a language alone, as a language model has it: "de" is de→de. Raises InvalidInputError."""
    return Direction(text, text) if text.isalpha() else Direction.parse(text)


class TextFiles(StrictModel):
    """A file for each language, under the language's code; the files' lines N mean the same."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, FilePath] = Field(init=False)

    directions: tuple[str, ...] = Field((), strict=False)

    @model_validator(mode="after")
    def _other_keys_are_languages(self) -> Self:
        for key in self.__pydantic_extra__:
            if not _LANGUAGE_CODE.fullmatch(key):
                raise ValueError(f"{key} is neither an option of a corpus nor a language's code")
        if len(set(self.directions)) < len(self.directions):
            raise ValueError("directions lists a direction twice")
        return self

    @property
    def files(self) -> dict[str, Path]:
        return dict(self.__pydantic_extra__)

    @property
    def languages(self) -> tuple[str, ...]:
        """The codes of the languages that the text has."""
        return tuple(self.files)

    def taught(self, directions: Sequence[Direction]) -> list[Direction]:
        """The directions of the run that use these files."""
        wanted = [parse_direction(direction) for direction in self.directions]
        return [direction for direction in spoken_by(self.languages, directions) if not wanted or direction in wanted]


Patterns = str | Annotated[tuple[str, ...], Field(min_length=1, strict=False)]
"""Paths, addresses or patterns of files."""

Step = tuple[Annotated[float, Field(ge=0, le=1)], Annotated[float, Field(ge=0, allow_inf_nan=False)]]
"""From this share of the run on, this weight."""


def _kind_of_weight(weight: object) -> str:
    return "(steps)" if isinstance(weight, list | tuple) else "(number)"


_Weight = Annotated[
    Annotated[float, Field(ge=0, allow_inf_nan=False), Tag("(number)")]
    | Annotated[tuple[Annotated[Step, Field(strict=False)], ...], Field(min_length=1, strict=False), Tag("(steps)")],
    Discriminator(_kind_of_weight),
]


class CorpusConfig(TextFiles):
    """A parallel corpus: a file for each language, under the language's code; the files' lines N mean the same. Or
    shards, which are read while the run goes on and are never held whole."""

    name: str | None = Field(
        None, min_length=1, description="Name under which the run shows this corpus's loss; by default that of a file."
    )
    shards: Patterns | dict[str, Patterns] | None = Field(
        None,
        description='Files that are read as a stream: "web/*.tsv.gz", or a list; TSV, JSON lines or Parquet, .gz and '
        ".zst, local or at an address such as s3://bucket/web/*.parquet. Or text files for each language, whose "
        'lines N mean the same: {en = "web/*.en", de = "web/*.de"}.',
    )
    columns: dict[str, str | int] = Field(
        {},
        description='The column of each language in the shards, {en = "source", de = "target"}; in TSV its number, '
        "from 1, or its name in the first line.",
    )
    weight: _Weight | None = Field(
        None,
        description="Share of the run's pairs that come from this corpus, in proportion to the other weights, 1 if not "
        "said; or steps, [[0, 1.0], [0.5, 0.2]]: from half of the run on 0.2. With a weight or shards anywhere, there "
        "are no epochs: each corpus is read again and again.",
    )
    repeat: int = Field(
        1, ge=1, description="Times that an epoch has each pair, for instance 2 for human translations."
    )
    directions: tuple[str, ...] = Field(
        (),
        strict=False,
        description="Directions that learn from this corpus (from synthetic text only one should); by default all of "
        "the run's directions whose languages it has.",
    )

    @model_validator(mode="after")
    def _is_files_or_shards(self) -> Self:
        if self.shards is None:
            if self.columns:
                raise ValueError("columns are those of shards")
            return self
        if self.files:
            raise ValueError(f"has shards and a file of {next(iter(self.files))}: give one of the two")
        if isinstance(self.shards, dict) == bool(self.columns):
            raise ValueError(
                "shards that have both sides need columns"
                if not self.columns
                else "columns do not go with shards of one language each"
            )
        if len(self.languages) < 2:
            raise ValueError("shards and columns must name two languages or more")
        if self.repeat != 1:
            raise ValueError("repeat does not go with shards, which have no epochs: say weight")
        for language in self.languages:
            if not _LANGUAGE_CODE.fullmatch(language):
                raise ValueError(f"{language} is no language's code")
        return self

    @field_validator("columns")
    @classmethod
    def _numbers_begin_at_one(cls, columns: dict[str, str | int]) -> dict[str, str | int]:
        if any(isinstance(column, int) and column < 1 for column in columns.values()):
            raise ValueError("columns are numbered from 1")
        return columns

    @field_validator("weight")
    @classmethod
    def _steps_rise(cls, weight: float | tuple[Step, ...] | None) -> float | tuple[Step, ...] | None:
        if isinstance(weight, tuple):
            begins = [begin for begin, _ in weight]
            if begins[0] != 0 or any(later <= begin for begin, later in pairwise(begins)):
                raise ValueError("the steps of a weight begin at 0 and rise: [[0, 1.0], [0.5, 0.2]]")
        return weight

    @property
    def languages(self) -> tuple[str, ...]:
        """See `TextFiles`."""
        if self.shards is None:
            return tuple(self.files)
        return tuple(self.shards if isinstance(self.shards, dict) else self.columns)

    @property
    def patterns(self) -> dict[str, tuple[str, ...]]:
        """The shards of each language; of all under "" if they have both sides."""
        shards = self.shards if isinstance(self.shards, dict) else {"": self.shards or ()}
        return {code: (found,) if isinstance(found, str) else found for code, found in shards.items()}

    @property
    def steps(self) -> tuple[Step, ...]:
        """The weight as steps."""
        return self.weight if isinstance(self.weight, tuple) else ((0.0, 1.0 if self.weight is None else self.weight),)


def spoken_by(languages: Container[str], directions: Sequence[Direction]) -> list[Direction]:
    """The directions between these languages."""
    return [direction for direction in directions if direction.source in languages and direction.target in languages]

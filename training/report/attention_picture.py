"""What the decoder looks at: cross-attention as a picture, in geometry that the page's template turns into SVG."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dragoman.model.config import Direction
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.training.report.charts import evenly
from dragoman.translation.results import Translation
from dragoman.translation.translator import Translator

CELL = 18
"""Width and height of a cell, in about pixels."""

CHARACTER = 7
"""Width of a character of a label."""

LEAST_WEIGHT = 0.03
"""What is less is not drawn."""

MAX_PIECES = 32
"""Of a source sentence that is chosen for a picture."""

NUM_PICTURES = 3
"""Of each direction."""

END = "</s>"
"""How the row of the end of sentence is labelled, as SentencePiece calls it."""


@dataclass(frozen=True, slots=True)
class Label:
    """A piece beside or above the cells. place: the middle of its row or column."""

    place: float
    text: str


@dataclass(frozen=True, slots=True)
class Cell:
    """left, top: of the cell; opacity: the weight, 0 to 1."""

    left: int
    top: int
    opacity: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionPicture:
    """One sentence: rows are the translation's pieces, columns the source's.

    summary: what each row looks at most, in words.
    """

    direction: Direction
    source: str
    hypothesis: str
    width: int
    height: int
    left: int
    top: int
    rows: tuple[Label, ...]
    columns: tuple[Label, ...]
    cells: tuple[Cell, ...]
    summary: str


def picture_attention(
    translator: Translator, direction: Direction, sources: Sequence[str], options: SearchOptions
) -> Iterator[AttentionPicture]:
    """Pictures of a few sentences, evenly chosen among those that are not too long. options: with return_attention."""
    pieces = translator.vocabulary.source.encode_all(list(sources))
    short = [number for number, ids in enumerate(pieces) if 0 < len(ids) <= MAX_PIECES]
    chosen = [sources[number] for number in evenly(short, NUM_PICTURES)]
    for translation in translator.stream(chosen, direction, options):
        picture = draw_attention(direction, translation)
        if picture is not None:
            yield picture


def draw_attention(direction: Direction, translation: Translation) -> AttentionPicture | None:
    """None if the translation came without attention."""
    best = translation.hypotheses[0]
    if best.attention is None or not best.attention.size:
        return None
    weights = best.attention
    num_rows, num_columns = weights.shape
    row_names = (*best.pieces, *[END] * (num_rows - len(best.pieces)))[:num_rows]
    column_names = translation.source_pieces[:num_columns]
    left, top = (max(map(_label_width, names), default=0) + 8 for names in (row_names, column_names))
    cells = tuple(
        Cell(
            left + column * CELL,
            top + row * CELL,
            round(float(weights[row, column]), 2),
            f"{row_names[row]} ← {column_names[column]}: {weights[row, column]:.2f}",
        )
        for row in range(num_rows)
        for column in range(num_columns)
        if weights[row, column] >= LEAST_WEIGHT
    )
    looked_at = weights.argmax(axis=1)
    return AttentionPicture(
        direction=direction,
        source=translation.source,
        hypothesis=best.text,
        width=left + num_columns * CELL + 4,
        height=top + num_rows * CELL + 4,
        left=left,
        top=top,
        rows=tuple(Label(top + (row + 0.5) * CELL, name) for row, name in enumerate(row_names)),
        columns=tuple(Label(left + (column + 0.5) * CELL, name) for column, name in enumerate(column_names)),
        cells=cells,
        summary="; ".join(
            f"{name} looks at {column_names[column]} most ({weights[row, column]:.2f})"
            for row, (name, column) in enumerate(zip(row_names, looked_at, strict=True))
        ),
    )


def _label_width(text: str) -> int:
    """Characters of East Asian scripts are twice as wide; marks above and below letters take no room."""
    widths = (
        0 if unicodedata.combining(character) else 1 + (unicodedata.east_asian_width(character) in "WF")
        for character in text
    )
    return CHARACTER * sum(widths)

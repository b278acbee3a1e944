"""Where the decoder looks: cross-attention as a table whose cells the page shades."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dragoman.model.config import Direction
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.training.report.charts import evenly
from dragoman.translation.results import Translation
from dragoman.translation.translator import Translator

LEAST_WEIGHT = 0.03
"""A smaller weight is not shown."""

MAX_PIECES = 32
"""Of a source sentence that is chosen for a picture."""

NUM_PICTURES = 3
"""Of each direction."""

END = "</s>"
"""Label of the end of sentence's row: SentencePiece's name of the piece."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionPicture:
    """One sentence.

    columns: the source's pieces.
    rows:    the translation's pieces, each with its weights, one a column; None where a weight is not shown.
    summary: the column of each row's greatest weight, in words.
    """

    direction: Direction
    source: str
    hypothesis: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[float | None, ...]], ...]
    summary: str


def picture_attention(
    translator: Translator, direction: Direction, sources: Sequence[str], options: SearchOptions
) -> Iterator[AttentionPicture]:
    """Pictures of a few sentences, evenly chosen among those that are short enough. options: with return_attention."""
    pieces = translator.vocabulary.source.encode_all(list(sources))
    short = [number for number, ids in enumerate(pieces) if 0 < len(ids) <= MAX_PIECES]
    chosen = [sources[number] for number in evenly(short, NUM_PICTURES)]
    for translation in translator.stream(chosen, direction, options):
        picture = draw_attention(direction, translation)
        if picture is not None:
            yield picture


def draw_attention(direction: Direction, translation: Translation) -> AttentionPicture | None:
    """The picture of a translation; None if it has no attention."""
    best = translation.hypotheses[0]
    if best.attention is None or not best.attention.size:
        return None
    weights = best.attention
    num_rows, num_columns = weights.shape
    names = (*best.pieces, *[END] * (num_rows - len(best.pieces)))[:num_rows]
    columns = tuple(translation.source_pieces[:num_columns])
    return AttentionPicture(
        direction=direction,
        source=translation.source,
        hypothesis=best.text,
        columns=columns,
        rows=tuple(
            (name, tuple(round(weight, 2) if weight >= LEAST_WEIGHT else None for weight in row))
            for name, row in zip(names, weights.tolist(), strict=True)
        ),
        summary="; ".join(
            f"{name} looks at {columns[column]} most ({weights[row, column]:.2f})"
            for row, (name, column) in enumerate(zip(names, weights.argmax(axis=1), strict=True))
        ),
    )

"""`dragoman score`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from dragoman.commands.options import (
    MODEL,
    OUTPUT,
    SCORING_OPTIONS,
    AsJson,
    Device,
    From,
    Overwrite,
    To,
    WithAlignment,
    WithAttention,
    with_search_options,
)
from dragoman.model.errors import InvalidInputError
from dragoman.model.files import open_output, refuse_to_replace

if TYPE_CHECKING:
    from dragoman.model.decoding.search_options import SearchOptions


@with_search_options(SCORING_OPTIONS)
def score(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="A folder or a shipped bundle's name.")],
    to: To,
    source: Annotated[Path, typer.Option(metavar="FILE", help="Source texts, one per line; may be .gz.")],
    target: Annotated[Path, typer.Option(metavar="FILE", help="Their translations, one per line.")],
    source_language: From = None,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Leave blank and too long pairs without a score, instead of stopping.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write here, instead of to standard output.", rich_help_panel=OUTPUT),
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    pieces: Annotated[
        bool, typer.Option("--pieces", help="Add the pieces and their log probabilities.", rich_help_panel=OUTPUT)
    ] = False,
    alignment: WithAlignment = False,
    attention: WithAttention = False,
    precision: Annotated[
        Literal["float32", "bfloat16", "float16", "int8"],
        typer.Option(help="Number format of the computation.", rich_help_panel=MODEL),
    ] = "float32",
    device: Device = "cpu",
    *,
    options: "SearchOptions",
) -> None:
    """Score given translations by their probability under the model: per pair a line with score, TAB, log probability.

    For quality estimation, reranking and filtering. Each pair is scored as one sentence. --pieces adds two columns: the
    translation's pieces, and their log probabilities with the end of sentence last. --alignment adds a column such as
    "0-0 1-2". --json writes objects instead.
    """
    from dataclasses import replace

    from dragoman.training.display import track_on_terminal
    from dragoman.training.evaluation.pair_scores import PairFiles
    from dragoman.translation.batch.formats import score_to_json, score_to_tsv
    from dragoman.translation.languages import find_direction

    if attention and not as_json:
        raise InvalidInputError("--attention needs --json")
    if output is not None and not overwrite:
        refuse_to_replace(output)
    files = PairFiles(source, target)
    from dragoman.translation.scoring.scorer import Scorer

    scorer = Scorer.load(bundle, precision=precision, device=device)
    direction = find_direction(scorer.info, source_language, to)
    options = replace(options, return_attention=alignment or attention)
    num_unscored = 0
    with open_output(output) as lines:
        scores = files.score(scorer, direction, options, keep_going=keep_going)
        for outcome in scores if output is None else track_on_terminal(scores, str(direction), files.num_pairs):
            num_unscored += isinstance(outcome, InvalidInputError)
            if as_json:
                line = score_to_json(outcome, attention=attention)
            else:
                line = score_to_tsv(outcome, pieces=pieces, alignment=alignment)
            lines.write(f"{line}\n".encode())
    if num_unscored:
        typer.echo(f"pairs without a score, blank or too long: {num_unscored:,}", err=True)

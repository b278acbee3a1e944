"""`dragoman combine`."""

from pathlib import Path
from typing import Annotated

import typer

from dragoman.commands.options import OUTPUT, Overwrite
from dragoman.model.files import open_output, refuse_to_replace
from dragoman.translation.batch.lines import encode_line


def combine(
    systems: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE", show_default=False, help="One system's output of dragoman translate --json --n-best."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write here, instead of to standard output.", rich_help_panel=OUTPUT),
    ] = None,
    overwrite: Overwrite = False,
    tokenize: Annotated[str, typer.Option(help="sacreBLEU's tokenizer for BLEU.")] = "13a",
) -> None:
    """Choose for each text the hypothesis that agrees most with the hypotheses of all systems.

    It has the greatest mean BLEU against all hypotheses of its text, weighted
    by their scores (minimum Bayes risk, Kumar and Byrne 2004). The systems may
    have different vocabularies. Systems with the same vocabulary can also
    decode as an ensemble: translate --model A --model B.

    dragoman translate --model A --to de --input in.txt --output a.jsonl
    --json --beam-size 12 --n-best 12, the same with B, and then
    dragoman combine a.jsonl b.jsonl --output out.txt

    All systems have the same weight: give them the same --n-best and
    --length-penalty.
    """
    from dragoman.training.display import track_on_terminal
    from dragoman.training.evaluation.consensus import choose_consensus, hypothesis_weights, is_lopsided, read_systems
    from dragoman.training.evaluation.metrics import SentenceBleu

    if output is not None and not overwrite:
        refuse_to_replace(output)
    bleu = SentenceBleu(tokenize)
    texts = read_systems(systems)
    num_texts = num_lopsided = 0
    with open_output(output) as lines:
        for found in texts if output is None else track_on_terminal(texts, "Combining", None):
            lines.write(encode_line(choose_consensus(hypothesis_weights(found), bleu.score)))
            num_texts += 1
            num_lopsided += is_lopsided(found)
    if num_lopsided:
        typer.echo(
            f"in {num_lopsided:,} of {num_texts:,} texts one system has a single hypothesis, which weighs as much as "
            "another system's whole list: were all translated with the same --n-best?",
            err=True,
        )

"""`dragoman combine`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dragoman.commands.options import OUTPUT, Overwrite
from dragoman.model.files import open_output, refuse_to_replace
from dragoman.translation.batch.lines import encode_line

if TYPE_CHECKING:
    from dragoman.training.evaluation.noisy_channel import NoisyChannel

NOISY = "Noisy channel"


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
    channel: Annotated[
        str | None,
        typer.Option(
            metavar="BUNDLE",
            help="Choose by a model that translates back into the texts' language.",
            rich_help_panel=NOISY,
        ),
    ] = None,
    source_language: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="LANGUAGE",
            help="The texts' language; optional if --channel has one direction.",
            rich_help_panel=NOISY,
        ),
    ] = None,
    channel_weight: Annotated[
        float, typer.Option(min=0, max=10, help="Of the texts' log probability by --channel.", rich_help_panel=NOISY)
    ] = 1.0,
    language_model: Annotated[
        str | None,
        typer.Option(metavar="BUNDLE", help="Choose by a language model of the translations.", rich_help_panel=NOISY),
    ] = None,
    language_model_weight: Annotated[
        float,
        typer.Option(min=0, max=10, help="Of the translations' log probability by it.", rich_help_panel=NOISY),
    ] = 1.0,
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

    With --channel or --language-model, the chosen hypothesis has the greatest
    sum of its score, the text's log probability by the channel, and its own by
    the language model, each divided by its length (Yee et al. 2019). One file
    is enough. Find the weights on a dev set.
    """
    from dragoman.training.display import track_on_terminal
    from dragoman.training.evaluation.consensus import choose_consensus, hypothesis_weights, is_lopsided, read_systems
    from dragoman.training.evaluation.metrics import SentenceBleu

    if output is not None and not overwrite:
        refuse_to_replace(output)
    bleu = SentenceBleu(tokenize)
    noisy = None
    if channel is not None or language_model is not None:
        noisy = _make_noisy_channel(channel, source_language, channel_weight, language_model, language_model_weight)
    texts = read_systems(systems)
    num_texts = num_lopsided = 0
    with open_output(output) as lines:
        for found in texts if output is None else track_on_terminal(texts, "Combining", None):
            chosen = choose_consensus(hypothesis_weights(found), bleu.score) if noisy is None else noisy.choose(found)
            lines.write(encode_line(chosen))
            num_texts += 1
            num_lopsided += is_lopsided(found)
    if num_lopsided and noisy is None:
        typer.echo(
            f"in {num_lopsided:,} of {num_texts:,} texts one system has a single hypothesis, which weighs as much as "
            "another system's whole list: were all translated with the same --n-best?",
            err=True,
        )


def _make_noisy_channel(
    channel: str | None,
    source_language: str | None,
    channel_weight: float,
    language_model: str | None,
    language_model_weight: float,
) -> "NoisyChannel":
    from dragoman.model.errors import InvalidInputError
    from dragoman.training.evaluation.noisy_channel import NoisyChannel
    from dragoman.translation.languages import find_direction
    from dragoman.translation.scoring.fluency import LanguageScorer
    from dragoman.translation.scoring.scorer import Scorer

    scorer = Scorer.load(channel) if channel is not None else None
    back = None
    if scorer is not None:
        directions = scorer.info.directions
        if source_language is None and len(directions) > 1:
            known = ", ".join(map(str, directions))
            raise InvalidInputError(f"{channel} has several directions, {known}: name the texts' language with --from")
        back = (scorer, find_direction(scorer.info, None, source_language or directions[0].target))
    return NoisyChannel(
        channel=back,
        language_model=LanguageScorer.load(language_model) if language_model is not None else None,
        channel_weight=channel_weight,
        language_model_weight=language_model_weight,
    )

"""The commands that learn from a corpus or measure with one. They import what they need when they run, for `--help`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from model.decoding.command_options import (
    MODEL,
    OUTPUT,
    SCORING_OPTIONS,
    SEARCH_OPTIONS,
    AsJson,
    Device,
    From,
    Overwrite,
    Precision,
    Split,
    To,
    UseShortlist,
    WithAlignment,
    WithAttention,
    with_search_options,
)
from model.errors import InvalidInputError
from model.files import open_output, refuse_to_replace, write_atomically

if TYPE_CHECKING:
    from model.decoding.search_options import SearchOptions


def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.toml", show_default=False, help="What to train.")],
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Overrides a key: --set optimization.max_updates=2000."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run's newest checkpoint.")] = False,
) -> None:
    """Train a model; its run folder gets checkpoints, metrics and the best bundle.

    On several processors, accelerators or hosts: torchrun --nproc-per-node N -m dragoman train CONFIG.toml. They need
    one run folder that all can reach. --resume then also begins a run that is not there yet.
    """
    from training.config import load_run_config
    from training.distributed import PeerError, is_main_process
    from training.interruption import Interrupted
    from training.run import train as run_training

    try:
        folder = run_training(load_run_config(config, overrides or ()), resume=resume)
    except PeerError as error:
        raise typer.Exit(2) from error  # the process that it befell tells
    except Interrupted as end:
        if is_main_process():
            typer.echo(f"dragoman: {end}", err=True)
        raise typer.Exit(end.exit_code) from end
    if is_main_process():
        typer.echo(f"The best bundle is {folder}")


@with_search_options([name for name in SEARCH_OPTIONS if name != "n_best"])
def evaluate(
    reference: Annotated[Path, typer.Option(metavar="FILE", help="Human translations, one a line.")],
    bundles: Annotated[
        list[str] | None,
        typer.Argument(metavar="BUNDLE", help="A folder, or a shipped bundle's name; several make an ensemble."),
    ] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="LANGUAGE", help="Target language.")] = None,
    source_language: From = None,
    source: Annotated[Path | None, typer.Option(metavar="FILE", help="What to translate, one text a line.")] = None,
    hypothesis: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Score these translations in place of a bundle's.")
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Compare with these translations by paired bootstrap.")
    ] = None,
    baseline_bundle: Annotated[
        str | None, typer.Option(metavar="BUNDLE", help="Compare with another bundle by paired bootstrap.")
    ] = None,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the translations here.")] = None,
    record: Annotated[
        str | None, typer.Option(metavar="NAME", help="Write the scores into the bundle, as those of this test set.")
    ] = None,
    tokenize: Annotated[str, typer.Option(help="sacreBLEU's tokenizer for BLEU.")] = "13a",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    precision: Precision = "auto",
    device: Device = "cpu",
    use_shortlist: UseShortlist = False,
    split: Split = True,
    *,
    options: "SearchOptions",
) -> None:
    """Score a bundle, or a file of translations: BLEU, chrF and TER with sacreBLEU's signatures."""
    from model.decoding.search_options import SearchOptions
    from training.evaluation import EvaluationSet, record_scores
    from training.metrics import format_report, report_to_json, score_translations

    if bool(bundles) == (hypothesis is not None):
        raise InvalidInputError("give either a BUNDLE to translate with, or --hypothesis FILE")
    if baseline is not None and baseline_bundle is not None:
        raise InvalidInputError("give either --baseline FILE or --baseline-bundle BUNDLE")
    if record is not None and (not bundles or len(bundles) > 1):
        raise InvalidInputError("--record NAME writes into a bundle: give one BUNDLE")
    recordable = SearchOptions(beam_size=options.beam_size, length_penalty=options.length_penalty)
    if record is not None and (options != recordable or use_shortlist or not split):
        raise InvalidInputError(
            "--record keeps beam size and length penalty alone: leave out other search options, --shortlist and "
            "--no-split"
        )
    if output is not None and output.exists():
        raise InvalidInputError(f"{output}: exists already; choose another name for the output")
    evaluation_set = EvaluationSet(reference, source)

    def translate_with(names: list[str]) -> list[str]:
        if to is None:
            raise InvalidInputError(f"to translate with {' and '.join(names)}, give --to LANGUAGE")
        return evaluation_set.translate(
            names,
            source_language,
            to,
            options,
            split_sentences=split,
            precision=precision,
            device=device,
            use_shortlist=use_shortlist,
        )

    compared = None
    if baseline is not None:
        compared = evaluation_set.read_hypotheses(baseline)
    elif baseline_bundle is not None:
        compared = translate_with([baseline_bundle])
    hypotheses = translate_with(bundles) if bundles else evaluation_set.read_hypotheses(hypothesis or Path())
    report = score_translations(hypotheses, evaluation_set.references, baseline=compared, tokenize=tokenize)
    # First what it took minutes to find out; what is written may meet a full disk.
    typer.echo(json.dumps(report_to_json(report), indent=2) if as_json else format_report(report))
    if output is not None:
        write_atomically(output, "".join(f"{line}\n" for line in hypotheses))
    if record is not None and bundles and to is not None:
        record_scores(bundles[0], source_language, to, record, report, options)


@with_search_options(SCORING_OPTIONS)
def score(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="A folder, or a shipped bundle's name.")],
    to: To,
    source: Annotated[Path, typer.Option(metavar="FILE", help="Source texts, one a line; .gz works too.")],
    target: Annotated[Path, typer.Option(metavar="FILE", help="Their given translations, one a line.")],
    source_language: From = None,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="A blank or too long pair gets no score, in place of an error.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write here, in place of the terminal.", rich_help_panel=OUTPUT),
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    pieces: Annotated[
        bool, typer.Option("--pieces", help="With the pieces and their log probabilities.", rich_help_panel=OUTPUT)
    ] = False,
    alignment: WithAlignment = False,
    attention: WithAttention = False,
    precision: Annotated[
        Literal["float32", "bfloat16", "float16"], typer.Option(help="What to compute in.", rich_help_panel=MODEL)
    ] = "float32",
    device: Device = "cpu",
    *,
    options: "SearchOptions",
) -> None:
    """Tell how likely the model finds given translations: a line for a pair, with score, TAB and log probability.

    For quality estimation, reranking and filtering. Each pair is scored as a whole, also one of several
    sentences. --pieces adds two columns, the translation's pieces and the log probability of each, the end of sentence
    last; --alignment adds one such as "0-0 1-2"; --json gives objects instead.
    """
    from dataclasses import replace

    from model.decoding.formats import score_to_json, score_to_tsv
    from training.display import track_on_terminal
    from training.pair_scores import PairFiles

    if attention and not as_json:
        raise InvalidInputError("--attention is a part of --json")
    if output is not None and not overwrite:
        refuse_to_replace(output)
    files = PairFiles(source, target)
    from model.decoding.scoring import Scorer  # imports torch, for which a wrong file need not wait

    scorer = Scorer.load(bundle, precision=precision, device=device)
    direction = scorer.info.find_direction(source_language, to)
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


def shortlist(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="A folder, or a shipped bundle's name.")],
    to: To,
    source: Annotated[Path, typer.Option(metavar="FILE", help="Sentences to learn from, one a line; .gz works too.")],
    target: Annotated[Path, typer.Option(metavar="FILE", help="Their translations, one a line.")],
    source_language: From = None,
    frequent: Annotated[int, typer.Option(min=64, help="Target pieces that are always possible.")] = 100,
    best: Annotated[int, typer.Option(min=1, help="Most candidates that a source piece adds to them.")] = 50,
    vmap: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the lists for CTranslate2, too, as its vmap.txt.")
    ] = None,
) -> None:
    """Learn which target pieces a source piece may need, and write it into a bundle: translating is faster with it."""
    from rich.console import Console

    from training.shortlist import ShortlistOptions, add_shortlist

    options = ShortlistOptions(frequent=frequent, best=best)
    with Console(stderr=True).status("learning"):
        direction, coverage = add_shortlist(
            bundle, source_language, to, source=source, target=target, options=options, vmap=vmap
        )
    typer.echo(
        f"{direction}: {coverage.mean_size:,.0f} of {coverage.vocab_size:,} pieces for a sentence; they cover "
        f"{coverage.pieces:.1%} of the pieces of {coverage.num_pairs:,} held-out translations, "
        f"{coverage.sentences:.1%} of them whole"
    )


def average(
    bundles: Annotated[
        list[str], typer.Argument(metavar="BUNDLE", help="Folders, or shipped bundles' names; two or more.")
    ],
    output: Annotated[Path, typer.Option(metavar="DIR", help="Where the new bundle goes.", show_default=False)],
    storage: Annotated[
        Literal["int8", "float16", "float32"], typer.Option(help="How its weights are stored.")
    ] = "float16",
    overwrite: Overwrite = False,
) -> None:
    """Write a bundle whose weights are the mean of others'.

    Of models that were fine-tuned from the same bundle, such as with other
    seeds, the mean is often better than each, and costs no more than one: a
    model soup (Wortsman et al. 2022). Of others it is worth nothing.
    """
    from model.bundle import find_bundle, read_config
    from training.weight_mean import average_bundles, share_their_origin

    if not overwrite:
        refuse_to_replace(output)
    info = average_bundles(bundles, output, storage)
    if not share_their_origin([read_config(find_bundle(bundle)) for bundle in bundles]):
        typer.echo(
            "the bundles do not say that they were fine-tuned from the same one: is the mean any good?", err=True
        )
    typer.echo(f"{output}: {info.name}, the mean of {len(bundles)} bundles")

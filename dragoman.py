"""Dragoman's face: the command line, and the names that `import dragoman` offers, both imported only when used."""

import importlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from model.errors import DragomanError, InvalidInputError, NotFoundError
from model.files import write_atomically

if TYPE_CHECKING:
    from model.config import Direction
    from model.decoding.request import Hypothesis, SearchOptions, Translation
    from model.decoding.translator import Translator
    from server.batch_job import TranslateStream
    from server.client import AsyncClient, Client, ServerError
    from server.job_progress import Scalar

__all__ = [
    "AsyncClient",
    "Client",
    "Direction",
    "DragomanError",
    "Hypothesis",
    "InvalidInputError",
    "NotFoundError",
    "SearchOptions",
    "ServerError",
    "Translation",
    "Translator",
]

_HOMES = {
    "AsyncClient": "server.client",
    "Client": "server.client",
    "Direction": "model.config",
    "Hypothesis": "model.decoding.request",
    "SearchOptions": "model.decoding.request",
    "ServerError": "server.client",
    "Translation": "model.decoding.request",
    "Translator": "model.decoding.translator",
}


def __getattr__(name: str) -> Any:
    """Imports a public name on first use: the client's users need no torch, and --help needs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'dragoman' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


DEFAULT_BUNDLE = "en-de"

app = typer.Typer(
    help="Neural machine translation that a team owns whole: train, evaluate, translate, serve.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

To = Annotated[str, typer.Option("--to", metavar="LANGUAGE", help="Target language.")]
From = Annotated[
    str | None, typer.Option("--from", metavar="LANGUAGE", help="Source language; may be left out if it is clear.")
]
BeamSize = Annotated[int, typer.Option(min=1, max=32, help="Hypotheses kept alive; 1 is greedy search.")]
LengthPenalty = Annotated[
    float, typer.Option(min=0, max=10, help="0 favours short translations, higher values longer ones.")
]


@app.command()
def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.toml", show_default=False, help="What to train.")],
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Overrides a key: --set optimization.max_updates=2000."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run's newest checkpoint.")] = False,
) -> None:
    """Train a model; its run folder gets checkpoints, metrics and the best bundle."""
    from training.config import load_run_config
    from training.run import train as run_training

    folder = run_training(load_run_config(config, overrides or ()), resume=resume)
    typer.echo(f"The best bundle is {folder}")


@app.command()
def evaluate(
    reference: Annotated[Path, typer.Option(metavar="FILE", help="Human translations, one a line.")],
    bundle: Annotated[
        str | None, typer.Argument(metavar="[BUNDLE]", help="A folder, or a shipped bundle's name.")
    ] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="LANGUAGE", help="Target language.")] = None,
    source_language: From = None,
    source: Annotated[Path | None, typer.Option(metavar="FILE", help="What to translate, one sentence a line.")] = None,
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
    beam_size: BeamSize = 4,
    length_penalty: LengthPenalty = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score a bundle, or a file of translations: BLEU, chrF and TER with sacreBLEU's signatures."""
    from model.decoding.request import SearchOptions
    from training.evaluation import EvaluationSet, record_scores
    from training.metrics import format_report, report_to_json, score_translations

    if (bundle is None) == (hypothesis is None):
        raise InvalidInputError("give either a BUNDLE to translate with, or --hypothesis FILE")
    if baseline is not None and baseline_bundle is not None:
        raise InvalidInputError("give either --baseline FILE or --baseline-bundle BUNDLE")
    if record is not None and bundle is None:
        raise InvalidInputError("--record NAME writes into a bundle: give a BUNDLE")
    if output is not None and output.exists():
        raise InvalidInputError(f"{output}: exists already; choose another name for the output")
    evaluation_set = EvaluationSet(reference, source)

    options = SearchOptions(beam_size=beam_size, length_penalty=length_penalty)

    def translate_with(name: str) -> list[str]:
        if to is None:
            raise InvalidInputError(f"to translate with {name}, give --to LANGUAGE")
        return evaluation_set.translate(name, source_language, to, options)

    compared = None
    if baseline is not None:
        compared = evaluation_set.read_hypotheses(baseline)
    elif baseline_bundle is not None:
        compared = translate_with(baseline_bundle)
    hypotheses = translate_with(bundle) if bundle is not None else evaluation_set.read_hypotheses(hypothesis or Path())
    report = score_translations(hypotheses, evaluation_set.references, baseline=compared, tokenize=tokenize)
    # First what it took minutes to find out; what is written may meet a full disk.
    typer.echo(json.dumps(report_to_json(report), indent=2) if as_json else format_report(report))
    if output is not None:
        write_atomically(output, "".join(f"{line}\n" for line in hypotheses))
    if record is not None and bundle is not None and to is not None:
        record_scores(bundle, source_language, to, record, report, options)


@app.command()
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


@app.command()
def translate(
    to: To,
    texts: Annotated[list[str] | None, typer.Argument(metavar="[TEXT]...", help="Texts, one translation each.")] = None,
    source_language: From = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="BUNDLE", help="A folder or a shipped bundle; with --server, its model's name."),
    ] = None,
    input_path: Annotated[
        Path | None, typer.Option("--input", metavar="FILE", help="Translate a file, one text a line; .gz works too.")
    ] = None,
    output_path: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Where the translations of --input go.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output if it exists.")] = False,
    server: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Let a running service translate.")] = None,
    beam_size: BeamSize = 4,
    length_penalty: LengthPenalty = 1.0,
) -> None:
    """Translate texts, or a file: after an interruption the same command goes on where it stopped."""
    from model.decoding.request import SearchOptions

    if bool(texts) == (input_path is not None):
        raise InvalidInputError("give either TEXT to translate, or --input FILE")
    if (input_path is None) != (output_path is None):
        raise InvalidInputError("--input FILE and --output FILE go together")
    options = SearchOptions(beam_size=beam_size, length_penalty=length_penalty)
    if server is None:
        source = _local_translations(model or DEFAULT_BUNDLE, source_language, to, options)
    else:
        source = _remote_translations(server, model, source_language, to, options)
    with source as (translate_stream, parameters):
        if input_path is None or output_path is None:
            for translation in translate_stream(texts or []):
                typer.echo(translation.text)
            return
        from server.batch_job import run_batch_job
        from server.progress_display import show_progress

        with show_progress() as on_progress:
            summary = run_batch_job(
                input_path,
                output_path,
                translate_stream,
                parameters=parameters,
                overwrite=overwrite,
                on_progress=on_progress,
            )
    resumed = f", {summary.num_resumed:,} of them before" if summary.num_resumed else ""
    typer.echo(f"{output_path}: {summary.num_lines:,} lines translated{resumed}", err=True)


Source = tuple["TranslateStream", dict[str, "Scalar"]]
"""Who translates, and what a job's translations depend on."""


@contextmanager
def _local_translations(model: str, source_language: str | None, to: str, options: "SearchOptions") -> Iterator[Source]:
    from model.decoding.translator import Translator

    translator = Translator.load(model)
    direction = translator.find_direction(source_language, to)
    parameters = _job_parameters(translator.name, translator.revision, direction, options)
    yield lambda texts: translator.stream(texts, direction, options), parameters


def _job_parameters(model: str, revision: str, direction: "Direction", options: "SearchOptions") -> dict[str, "Scalar"]:
    """A job that goes on later, here or through a server, must find all of these as they were."""
    search = asdict(options) | {"suppressed_pieces": json.dumps(options.suppressed_pieces)}
    return {"model": model, "revision": revision, "direction": str(direction)} | search


@contextmanager
def _remote_translations(
    server: str, model: str | None, source_language: str | None, to: str, options: "SearchOptions"
) -> Iterator[Source]:
    from server.client import Client

    carried = ("beam_size", "n_best", "length_penalty", "max_target_length")  # over the wire
    search = {name: getattr(options, name) for name in carried} | {"source_language": source_language, "model": model}
    with Client(server) as client:
        # The server picks the model if none is named: then all that it has loaded must stay the same.
        revisions = {served.name: served.revision for served in client.list_models() if model in (None, served.name)}
        parameters = search | {"to": to, "revisions": json.dumps(revisions, sort_keys=True)}
        yield lambda texts: client.translate_stream(texts, to, **search), parameters


@app.command()
def serve(
    bundles: Annotated[
        list[str] | None, typer.Argument(metavar="[BUNDLE]...", help=f"Folders or names; {DEFAULT_BUNDLE} if none.")
    ] = None,
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where to listen; port 0 takes a free one.")
    ] = "127.0.0.1:50051",
) -> None:
    """Serve bundles over gRPC until Ctrl-C or SIGTERM; running calls are finished first."""
    from server.signals import exit_on_stop_signals

    exit_on_stop_signals()  # first: importing and loading take a while
    from model.decoding.translator import Translator
    from server.app import serve as run_server

    run_server([Translator.load(bundle) for bundle in bundles or [DEFAULT_BUNDLE]], listen)


@app.command()
def models() -> None:
    """List the bundles that come with Dragoman: languages, size, BLEU."""
    from rich.console import Console
    from rich.table import Table

    from model.bundle import read_config, shipped_bundles, size_on_disk

    table = Table("name", "directions", "parameters", "on disk", "BLEU")
    for folder in shipped_bundles():
        config = read_config(folder)
        scores = [score for score in config.scores if score.metric == "BLEU"]
        table.add_row(
            config.name,
            ", ".join(map(str, config.directions)),
            f"{config.num_parameters / 1e6:.1f} M",
            f"{size_on_disk(folder) / 2**20:.1f} MiB",
            "\n".join(f"{score.direction} {score.score:.1f} ({score.test_set})" for score in scores) or "not measured",
        )
    Console().print(table)


@app.command()
def export(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="A folder, or a shipped bundle's name.")],
    output: Annotated[Path, typer.Argument(metavar="DIR", show_default=False, help="Where the model goes.")],
    to: Annotated[Literal["ctranslate2"], typer.Option("--to", help="For which engine.")],
    quantization: Annotated[
        Literal["float32", "float16", "bfloat16", "int16", "int8"], typer.Option(help="How the weights are stored.")
    ] = "float32",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a model that is there already.")] = False,
) -> None:
    """Write a bundle as a model folder for another engine."""
    from model.bundle import find_bundle
    from model.export import export_ctranslate2

    export_ctranslate2(find_bundle(bundle), output, quantization=quantization, overwrite=overwrite)
    typer.echo(f"{output}: written; its README.md shows how {to} translates with it")


@app.command(hidden=True)
def demo() -> None:
    """Start a server with the bundled model, call it, and show what it answers."""
    from server.demo import run_demo

    run_demo()


def main() -> None:
    """The command `dragoman`; an error that the user can mend is one line and exit code 2."""
    try:
        app(prog_name="dragoman")
    except DragomanError as error:
        typer.echo(f"dragoman: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()

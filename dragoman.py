"""Dragoman's face: the command line, and the names that `import dragoman` offers, both imported only when used."""

import importlib
import json
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from model.decoding.command_options import MODEL, OUTPUT, SCORING_OPTIONS, SEARCH_OPTIONS, with_search_options
from model.errors import DragomanError, InvalidInputError, NotFoundError
from model.files import open_atomically, write_atomically

if TYPE_CHECKING:
    from model.config import Direction
    from model.decoding.request import Hypothesis, SearchOptions, Translation
    from model.decoding.scoring import ScoredTranslation, Scorer
    from model.decoding.translator import Translator
    from server.client import AsyncClient, Client, ModelChangedError, ServerError
    from server.job_progress import Scalar
    from server.translation_source import Task, TranslationSource

__all__ = [
    "AsyncClient",
    "Client",
    "Direction",
    "DragomanError",
    "Hypothesis",
    "InvalidInputError",
    "ModelChangedError",
    "NotFoundError",
    "ScoredTranslation",
    "Scorer",
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
    "ModelChangedError": "server.client",
    "ScoredTranslation": "model.decoding.scoring",
    "Scorer": "model.decoding.scoring",
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
Precision = Annotated[
    Literal["auto", "float32", "bfloat16", "float16", "int8"],
    typer.Option(help="What to compute in; auto is the fastest at no loss of quality.", rich_help_panel=MODEL),
]
Device = Annotated[str, typer.Option(help="cpu, or another that torch knows, such as cuda.", rich_help_panel=MODEL)]
UseShortlist = Annotated[
    bool,
    typer.Option(
        "--shortlist", help="Use the bundle's lexical shortlist: faster, nearly the same.", rich_help_panel=MODEL
    ),
]
Split = Annotated[
    bool,
    typer.Option(
        "--split/--no-split", help="Translate texts sentence by sentence, or each as one.", rich_help_panel=MODEL
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON lines that hold all there is.", rich_help_panel=OUTPUT)]
WithAlignment = Annotated[
    bool, typer.Option("--alignment", help="With which word comes from which.", rich_help_panel=OUTPUT)
]
WithAttention = Annotated[
    bool, typer.Option("--attention", help="With the cross-attention, in JSON.", rich_help_panel=OUTPUT)
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace the output if it exists.", rich_help_panel=OUTPUT)
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
    from model.decoding.request import SearchOptions
    from training.evaluation import EvaluationSet, record_scores
    from training.metrics import format_report, report_to_json, score_translations

    if bool(bundles) == (hypothesis is not None):
        raise InvalidInputError("give either a BUNDLE to translate with, or --hypothesis FILE")
    if baseline is not None and baseline_bundle is not None:
        raise InvalidInputError("give either --baseline FILE or --baseline-bundle BUNDLE")
    if record is not None and (not bundles or len(bundles) > 1):
        raise InvalidInputError("--record NAME writes into a bundle: give one BUNDLE")
    if record is not None and options != SearchOptions(
        beam_size=options.beam_size, length_penalty=options.length_penalty
    ):
        raise InvalidInputError("--record keeps beam size and length penalty alone: leave out other search options")
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


@app.command()
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
    if output is not None and output.exists() and not overwrite:
        raise InvalidInputError(f"{output}: exists already; choose another name, or --overwrite it")
    files = PairFiles(source, target)
    from model.decoding.scoring import Scorer  # imports torch, for which a wrong file need not wait

    scorer = Scorer.load(bundle, precision=precision, device=device)
    direction = scorer.info.find_direction(source_language, to)
    options = replace(options, return_attention=alignment or attention)
    num_unscored = 0
    with open_atomically(output) if output is not None else nullcontext(sys.stdout.buffer) as lines:
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
@with_search_options()
def translate(
    to: To,
    texts: Annotated[list[str] | None, typer.Argument(metavar="TEXT", help="Texts, one translation each.")] = None,
    source_language: From = None,
    input_path: Annotated[
        Path | None, typer.Option("--input", metavar="FILE", help="Translate a file, one text a line; .gz works too.")
    ] = None,
    output_path: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Where the translations of --input go.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    alignment: WithAlignment = False,
    attention: WithAttention = False,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="BUNDLE",
            help="A folder or a shipped bundle; repeated, an ensemble. With --server, its model's name.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Let a running service translate.", rich_help_panel=MODEL),
    ] = None,
    precision: Precision = "auto",
    device: Device = "cpu",
    use_shortlist: UseShortlist = False,
    split: Split = True,
    *,
    options: "SearchOptions",
) -> None:
    """Translate texts, or a file: after an interruption the same command goes on where it stopped.

    A line for a text. With --n-best several, each with the text's number, its score and the translation between TABs;
    with --json an object.
    """
    from server.translation_source import Task, local_source, remote_source

    if bool(texts) == (input_path is not None):
        raise InvalidInputError("give either TEXT to translate, or --input FILE")
    if (input_path is None) != (output_path is None):
        raise InvalidInputError("--input FILE and --output FILE go together")
    if (alignment or attention) and not as_json:
        raise InvalidInputError("--alignment and --attention are parts of --json")
    if output_path is not None and options.n_best > 1 and not as_json:
        raise InvalidInputError(
            "--n-best into a file needs --json: line N of the output belongs to line N of the input"
        )
    task = Task(
        to=to,
        source_language=source_language,
        options=options,
        split_sentences=split,
        with_pieces=as_json,
        with_alignment=alignment,
        with_attention=attention,
    )
    found: AbstractContextManager[TranslationSource]
    if server is not None:
        if precision != "auto" or device != "cpu" or use_shortlist or len(model or ()) > 1:
            raise InvalidInputError("--precision, --device, --shortlist and a second --model are for no --server")
        found = remote_source(server, model[0] if model else None, task)
    else:
        from model.decoding.translator import Translator

        translator = Translator.load(
            model or [DEFAULT_BUNDLE], precision=precision, device=device, use_shortlist=use_shortlist
        )
        loaded_with: dict[str, Scalar] = {"precision": precision, "device": device, "shortlist": use_shortlist}
        found = nullcontext(local_source(translator, task, loaded_with))
    with found as source:
        if input_path is None or output_path is None:
            _print_translations(source, texts or [], task, as_json=as_json)
        else:
            _translate_file(source, input_path, output_path, task, as_json=as_json, overwrite=overwrite)


def _print_translations(source: "TranslationSource", texts: list[str], task: "Task", *, as_json: bool) -> None:
    from model.decoding.formats import translation_to_json, translation_to_tsv

    for number, translation in enumerate(source.translate_stream(texts), start=1):
        if as_json:
            typer.echo(translation_to_json(translation, attention=task.with_attention))
        elif task.options.n_best > 1:
            typer.echo(translation_to_tsv(number, translation))
        else:
            typer.echo(translation.text)


def _translate_file(
    source: "TranslationSource", input_path: Path, output_path: Path, task: "Task", *, as_json: bool, overwrite: bool
) -> None:
    from model.decoding.formats import translation_to_json
    from server.batch_job import run_batch_job
    from server.progress_display import show_progress

    def write(translation: "Translation") -> str:
        return translation_to_json(translation, attention=task.with_attention) if as_json else translation.text

    written = {"as_json": as_json, "with_alignment": task.with_alignment, "with_attention": task.with_attention}
    with show_progress() as on_progress:
        summary = run_batch_job(
            input_path,
            output_path,
            source.translate_stream,
            parameters=source.parameters | written,
            write=write,
            overwrite=overwrite,
            on_progress=on_progress,
        )
    resumed = f", {summary.num_resumed:,} of them before" if summary.num_resumed else ""
    typer.echo(f"{output_path}: {summary.num_lines:,} lines translated{resumed}", err=True)


@app.command()
def serve(
    bundles: Annotated[
        list[str] | None, typer.Argument(metavar="BUNDLE", help=f"Folders or names; {DEFAULT_BUNDLE} if none.")
    ] = None,
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where to listen; port 0 takes a free one.")
    ] = "127.0.0.1:50051",
    max_slots: Annotated[
        int, typer.Option(min=1, max=4096, help="Sentences that each model decodes at once.", rich_help_panel=MODEL)
    ] = 64,
    max_cached_positions: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Bounds the memory of each model: source pieces, and beams times target pieces, of all its sentences.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    precision: Precision = "auto",
    device: Device = "cpu",
    use_shortlist: UseShortlist = False,
) -> None:
    """Serve bundles over gRPC until Ctrl-C or SIGTERM; running calls are finished first."""
    from server.signals import exit_on_stop_signals

    exit_on_stop_signals()  # first: importing and loading take a while
    from model.decoding.translator import Translator
    from server.app import serve as run_server

    translators = [
        Translator.load(
            bundle,
            precision=precision,
            device=device,
            max_slots=max_slots,
            max_cached_positions=max_cached_positions,
            use_shortlist=use_shortlist,
        )
        for bundle in bundles or [DEFAULT_BUNDLE]
    ]
    run_server(translators, listen)


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
    shortlist: Annotated[
        str | None, typer.Option(metavar="DIRECTION", help='Add the lexical shortlist of a direction, such as "en-de".')
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a model that is there already.")] = False,
) -> None:
    """Write a bundle as a model folder for another engine."""
    from model.bundle import find_bundle
    from model.config import Direction
    from model.export import export_ctranslate2

    direction = Direction.parse(shortlist) if shortlist is not None else None
    export_ctranslate2(find_bundle(bundle), output, quantization=quantization, shortlist=direction, overwrite=overwrite)
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

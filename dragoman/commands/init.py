"""`dragoman init`: from a team's files to a corpus and a configuration."""

import re
import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dragoman.commands.options import OUTPUT, Overwrite
from dragoman.model.errors import InvalidInputError
from dragoman.model.files import refuse_to_replace, write_atomically

if TYPE_CHECKING:
    from dragoman.model.bundle import BundleConfig
    from dragoman.training.intake.making import Made
    from dragoman.training.intake.request import Request
    from dragoman.training.intake.speed import Speed

CHARACTERS_PER_PIECE = 3.5
"""About what vocabularies of some thousand pieces give for European languages; for the estimate of the time."""

UNSPACED_CHARACTERS_PER_PIECE = 1.5
"""Likewise for languages without spaces."""

SHORTEST_PIECES = 1.5
"""Characters of a piece where pieces are short, as in a small vocabulary: no sentence should be too long by mistake."""

BUSY = 1.5
"""Ratio of the time of an update to its undisturbed time above which other programs are named."""

UPDATES_SHARE = 0.85
"""Of the time of a run, which its updates take; validations and the beginning take the rest."""

MIN_UPDATES = 50

LONG_SECONDS = 3600
"""Time of a training from which `--minutes` is proposed."""

MAX_LENGTH = 250
"""Longest sentence of a configuration, in pieces: the default architecture has places for 254."""


def init(
    corpora: Annotated[
        list[Path],
        typer.Argument(
            metavar="CORPUS...",
            show_default=False,
            help="Files, folders or archives: TMX, XLIFF, TSV, CSV, XLSX, JSON lines, gettext, or two text files.",
        ),
    ],
    source_language: Annotated[str, typer.Option("--from", metavar="LANGUAGE", help="Source language: en, English.")],
    target_language: Annotated[str, typer.Option("--to", metavar="LANGUAGE", help="Target language: de, German.")],
    folder: Annotated[
        Path | None,
        typer.Option(
            "--output", metavar="DIR", help="Folder of the corpus; by default corpus-en-de, by the languages."
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the configuration NAME.toml and of the run; by default en-de.")
    ] = None,
    columns: Annotated[
        str | None, typer.Option(metavar="A,B", help="Columns of tables, source first: names, or numbers from 1.")
    ] = None,
    both: Annotated[bool, typer.Option("--both", help="Learn both directions in one model.")] = False,
    begin_with: Annotated[
        str | None,
        typer.Option(
            metavar="BUNDLE",
            help="Begin with a model of other languages: worth much for a few thousand pairs. A folder, or en-de.",
        ),
    ] = None,
    held_out: Annotated[
        int | None, typer.Option(min=1, help="Pairs for each of dev and test; by default by the corpus's size.")
    ] = None,
    is_cleaned: Annotated[
        bool, typer.Option("--clean/--no-clean", help="Leave out pairs that `dragoman clean` would reject.")
    ] = True,
    measure: Annotated[
        float, typer.Option(min=0, max=60, help="Seconds for measuring this machine; 0: no estimate.")
    ] = 5.0,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=1, help="Fit the training into about so many minutes on this machine; by default it is whole."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed for drawing dev and test.", rich_help_panel=OUTPUT)] = 1,
    overwrite: Overwrite = False,
) -> None:
    """Make a corpus and a configuration for it from your own files.

    Reads translation memories, spreadsheets, catalogues or texts, says what is in them, leaves out faulty pairs, splits
    off dev and test sets that share no sentence with the training set, and writes a configuration that fits the
    corpus's size, with an estimate of the time that training takes here.

    XML, workbooks and catalogues need the extra `documents`; the estimate needs the extra `train`.
    """
    from dragoman.model.config import Direction
    from dragoman.training.evaluation.metrics import DEFAULT_TOKENIZER, fitting_tokenizer
    from dragoman.training.intake.configuration import write_toml
    from dragoman.training.intake.making import make_corpus, output_files
    from dragoman.training.intake.request import Request
    from dragoman.training.intake.sources import find_sources
    from dragoman.training.intake.survey import find_mix_up
    from dragoman.training.presets import QUICK, TRANSFER, choose_preset, is_too_slow, shorten, values_for
    from dragoman.translation.languages import canonical_language, means_language

    if minutes is not None and not measure:
        raise InvalidInputError("--minutes needs the speed of this machine: leave out --measure 0")
    languages = canonical_language(source_language), canonical_language(target_language)
    if means_language(*languages):
        raise InvalidInputError(f"--from {source_language} and --to {target_language} are one language")
    chosen = parse_columns(columns)
    given = None if begin_with is None else _read_beginning(begin_with, languages)
    name = name if name is not None else "-".join(languages)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise InvalidInputError(f"--name {name}: use letters, digits, dots, underscores and hyphens")
    folder = folder if folder is not None else Path(f"corpus-{'-'.join(languages)}")
    config = Path(f"{name}.toml")
    request = Request(*languages, columns=chosen)
    if not overwrite:
        for path in (*output_files(folder, request), config):
            refuse_to_replace(path)
    sources = find_sources(corpora, request)
    made = make_corpus(sources, request, folder, is_cleaned=is_cleaned, held_out=held_out, seed=seed)
    identified = [made.survey.identified(side, request.identifier) for side in (0, 1)]
    describe_corpus(made, request, [source.format for source in sources], identified)
    mix_up = find_mix_up((identified[0], identified[1]), languages)
    for warning in (*made.warnings, *filter(None, (mix_up,))):
        typer.echo(f"warning: {warning}; look at {folder} before you train", err=True)
    preset = choose_preset(made.counts["train"]) if given is None else TRANSFER
    values = values_for(made.counts["train"], languages, preset)
    if given is not None:  # fewer layers are faster, more would have to be learnt
        depth = getattr(given.architecture, "num_encoder_layers", 0)
        values["architecture"]["num_encoder_layers"] = min(depth, values["architecture"]["num_encoder_layers"])
    write = partial(
        write_toml,
        name=name,
        folder=folder,
        languages=languages,
        directions=[Direction(*way) for way in ((languages, languages[::-1]) if both else (languages,))],
        counts=made.counts,
        max_length=_max_length(made),
        begin_with=begin_with,
    )
    write_atomically(config, write(preset=preset, values=values))
    speed = _measure(config, made, seconds=measure) if measure else None
    if speed is not None and minutes is not None:
        if is_too_slow(preset, _updates_within(minutes, speed)):
            preset, values = QUICK, values_for(made.counts["train"], languages, QUICK)
            write_atomically(config, write(preset=preset, values=values))
            speed = _measure(config, made, seconds=measure) or speed
        shorten(values, max(MIN_UPDATES, _updates_within(minutes, speed)))
        write_atomically(config, write(preset=preset, values=values))
    typer.echo(f"\n{config}: sizes for about {preset.pairs:,} pairs ({preset.origin})")
    typer.echo(f"BLEU: {preset.reached}")
    if given is None and (proposed := _propose_beginning(made.counts["train"], languages)):
        typer.echo(
            "      so few pairs gain much from a model of other languages: the same command with "
            f"--begin-with {proposed} --overwrite"
        )
    if speed is not None:
        _print_time(speed, values["optimization"]["max_updates"])
        if minutes is None and speed.seconds * values["optimization"]["max_updates"] > LONG_SECONDS:
            typer.echo("      for a first model in half an hour: the same command with --minutes 30 --overwrite")
    typer.echo("\nNext:")
    best = shlex.quote(f"runs/{name}/best")
    test = [shlex.quote(str(folder / f"test.{language}")) for language in languages]
    typer.echo(f"  dragoman train {shlex.quote(str(config))}")
    tokenizer = fitting_tokenizer(languages[1:])
    typer.echo(
        f"  dragoman evaluate {best} --from {languages[0]} --to {languages[1]} --source {test[0]} --reference {test[1]}"
        + (f" --tokenize {tokenizer}" if tokenizer != DEFAULT_TOKENIZER else "")
    )
    typer.echo(f"  dragoman serve {best}")


def _read_beginning(name: str, languages: tuple[str, str]) -> "BundleConfig":
    """The bundle that a run begins with. Raises NotFoundError, or InvalidInputError if it has both languages."""
    from dragoman.model.bundle import find_bundle, read_config
    from dragoman.model.decoding.loading import refuse_language_model

    info = read_config(find_bundle(name))
    refuse_language_model(name, info)
    if set(languages) <= _known_languages(info):
        raise InvalidInputError(f"--begin-with {name}: it translates these languages already: dragoman tune {name} …")
    return info


def _known_languages(info: "BundleConfig") -> set[str]:
    return {language for one in info.directions for language in (one.source, one.target)}


def _propose_beginning(num_pairs: int, languages: tuple[str, str]) -> str | None:
    """A shipped bundle that has one of the languages, if the pairs are few."""
    from dragoman.model.bundle import read_config, shipped_bundles
    from dragoman.training.presets import MANY_PAIRS

    for folder in shipped_bundles() if num_pairs < MANY_PAIRS else ():
        if len(_known_languages(read_config(folder)) & set(languages)) == 1:
            return folder.name
    return None


def parse_columns(columns: str | None) -> tuple[str, ...]:
    """The two columns named, source first; none for None. Raises InvalidInputError for another number of them."""
    chosen = tuple(part.strip() for part in columns.split(",")) if columns is not None else ()
    if chosen and (len(chosen) != 2 or not all(chosen) or chosen[0] == chosen[1]):
        raise InvalidInputError(f"--columns {columns}: name two columns, as in 1,2 or English,German")
    return chosen


def describe_corpus(
    made: "Made",
    request: "Request",
    formats: list[str],
    identified: list[list[tuple[str, float]]],
    *,
    written: str = "written",
) -> None:
    """Prints what was read and written. written: "would write" where all is thrown away."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, markup=False, emoji=False)
    for (source, count), kind in zip(made.pairs.items(), formats, strict=True):
        console.print(f"{source}: {kind}, {count:,} pairs", soft_wrap=True)
    for note in request.notes:
        console.print(f"note: {note}", soft_wrap=True)
    survey = made.survey
    table = Table()
    for heading in ("side", "words", "identified as", "median length", "90 %", "99 %", "longest"):
        table.add_column(heading, justify="left" if heading in ("side", "identified as") else "right")
    for side, language in enumerate((request.source, request.target)):
        lengths = survey.lengths(side)
        shares = ", ".join(f"{code} {share:.0%}" for code, share in identified[side][:3] if share >= 0.01)
        values = [lengths.median, lengths.p90, lengths.p99, lengths.longest]
        if lengths.unit == "words":
            table.add_row(language, f"{survey.num_words[side]:,}", shares, *map(str, values))
        else:
            table.add_row(language, f"{survey.num_characters[side]:,} characters", shares, *map(str, values))
    console.print(table)
    rejected = {name: count for name, count in made.removed.items() if count}
    if rejected:
        listed = ", ".join(f"{name} {count:,}" for name, count in rejected.items())
        console.print(
            f"left out by cleaning: {sum(rejected.values()):,} of {made.num_read:,} ({listed})", soft_wrap=True
        )
    counts = ", ".join(f"{part} {count:,}" for part, count in made.counts.items())
    console.print(f"{written}: {counts} pairs; no sentence of dev or test is in train", soft_wrap=True)
    if made.num_alike:
        console.print(f"{made.num_alike:,} more pairs say the same as a held-out one and are in no set", soft_wrap=True)


def _max_length(made: "Made") -> int:
    """Pieces that nearly every sentence has room in."""
    return max(64, min(MAX_LENGTH, int(made.survey.characters(0.995) / SHORTEST_PIECES)))


def _mean_pieces(made: "Made") -> float:
    """Estimated pieces of the mean sentence on the longer side."""
    survey = made.survey
    pieces = [
        survey.num_characters[side]
        / (CHARACTERS_PER_PIECE if survey.lengths(side).unit == "words" else UNSPACED_CHARACTERS_PER_PIECE)
        for side in (0, 1)
    ]
    return max(4.0, max(pieces) / survey.num_pairs)


def _measure(config: Path, made: "Made", *, seconds: float) -> "Speed | None":
    """The speed of training on this machine; None, with a line that says why, without the extra `train`."""
    typer.echo("measuring this machine …", err=True)
    try:
        from dragoman.training.config import load_run_config
        from dragoman.training.intake.speed import measure_speed
        from dragoman.training.learning.allocator import keep_freed_memory
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("torch", "tensorboard"):
            raise
        typer.echo("time: not measured without the extra `train`: pip install 'dragoman[train]'")
        return None
    keep_freed_memory()
    return measure_speed(load_run_config(config), mean_length=_mean_pieces(made), seconds=seconds)


def _updates_within(minutes: float, speed: "Speed") -> int:
    """Updates that fit, in tens, with validations beside them."""
    return int(60 * minutes * UPDATES_SHARE / speed.seconds) // 10 * 10


def _print_time(speed: "Speed", updates: int) -> None:
    typer.echo(
        f"time: {speed.seconds:.2f} s an update of {speed.num_parameters:,} parameters here, so about "
        f"{_duration(speed.seconds * updates)} for {updates:,} updates, and validations on top; "
        f"a tenth of the updates shows in {_duration(speed.seconds * updates / 10)} whether it learns"
    )
    if speed.seconds > BUSY * speed.undisturbed:
        typer.echo(
            "      other programs are using the processors; without them it would be about "
            f"{_duration(speed.undisturbed * updates)}"
        )


def _duration(seconds: float) -> str:
    for unit, length in (("days", 86_400.0), ("hours", 3_600.0), ("minutes", 60.0)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} seconds"

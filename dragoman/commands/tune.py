"""`dragoman tune`: from a bundle and a team's own texts to a bundle that knows them."""

import re
import shlex
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from dragoman.commands.init import describe_corpus
from dragoman.commands.options import OUTPUT
from dragoman.model.files import write_atomically

if TYPE_CHECKING:
    from dragoman.model.bundle import BundleConfig
    from dragoman.model.codec import Codec
    from dragoman.model.config import Direction
    from dragoman.training.config import RunConfig
    from dragoman.training.evaluation.before_after import Compared
    from dragoman.training.intake.tuning import Plan

LONG_SECONDS = 1200
"""Time of the whole from which shorter ways are proposed."""

MAX_SEEN = 0.1
"""Share of a general test set that a bundle may have learnt from, as short sentences are everywhere."""

MAX_LOSS = 0.5
"""BLEU that general text may lose by default."""

MEASURED_TEXTS = 64
"""Texts that are translated to estimate the time of all."""


def tune(
    bundle: Annotated[
        str, typer.Argument(metavar="BUNDLE", show_default=False, help="A folder or a shipped bundle's name.")
    ],
    corpora: Annotated[
        list[Path],
        typer.Argument(
            metavar="CORPUS...",
            show_default=False,
            help="Your translations: TMX, XLIFF, TSV, CSV, XLSX, JSON lines, gettext, or two text files.",
        ),
    ],
    general: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="CORPUS",
            help="Translations of general text, which the bundle has not learnt from: to measure and to limit what it "
            "forgets; repeatable.",
        ),
    ] = None,
    source_language: Annotated[
        str | None, typer.Option("--from", metavar="LANGUAGE", help="Source language, if the bundle has several.")
    ] = None,
    target_language: Annotated[
        str | None, typer.Option("--to", metavar="LANGUAGE", help="Target language, if the bundle has several.")
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--output", metavar="DIR", help="The run's folder; by default runs/BUNDLE-CORPUS, by their names."
        ),
    ] = None,
    columns: Annotated[
        str | None, typer.Option(metavar="A,B", help="Columns of tables, source first: names, or numbers from 1.")
    ] = None,
    updates: Annotated[
        int | None, typer.Option(min=1, help="Updates of the run; by default by the corpus's size, 150 to 1,000.")
    ] = None,
    max_loss: Annotated[
        float, typer.Option(min=0, help="BLEU that general text may lose; more lets your own text gain more.")
    ] = MAX_LOSS,
    held_out: Annotated[
        int | None, typer.Option(min=1, help="Pairs for each of dev and test; by default by the corpus's size.")
    ] = None,
    is_cleaned: Annotated[
        bool, typer.Option("--clean/--no-clean", help="Leave out pairs that `dragoman clean` would reject.")
    ] = True,
    seed: Annotated[int, typer.Option(help="Seed for drawing dev and test.", rich_help_panel=OUTPUT)] = 1,
    is_dry: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done and how long it takes; write nothing.")
    ] = False,
) -> None:
    """Fit a model to your own texts, in minutes, without losing what it knows.

    Reads your translations as `dragoman init` does, holds out dev and test sets, lets the bundle translate general
    sentences itself (your own, without --general), learns from both, and keeps that mean of old and new weights which
    is the best on your text while general text loses no more than --max-loss. Ends with scores before and after.

    After an interruption the same command continues. The run's folder has a configuration, tune.toml, which
    `dragoman train` takes, too; when it is edited, this command takes it as it is.
    """
    from dragoman.training.evaluation.metrics import silence_sacrebleu
    from dragoman.training.intake.tuning import claim, refuse_other
    from dragoman.training.learning.allocator import keep_freed_memory

    silence_sacrebleu()
    keep_freed_memory()
    tuning = _open(bundle, corpora, general or [], (source_language, target_language), columns, folder)
    request = {
        "bundle": bundle,
        "revision": tuning.revision,
        "corpora": list(map(str, corpora)),
        "general": list(map(str, general or [])),
        "directions": list(map(str, tuning.directions)),
        "columns": columns,
        "updates": updates,
        "max_loss": max_loss,
        "held_out": held_out,
        "clean": is_cleaned,
        "seed": seed,
    }
    with ExitStack() as stack:
        if is_dry:
            refuse_other(tuning.folder, request)
            tuning.folder = Path(stack.enter_context(TemporaryDirectory(prefix="dragoman-")))
        else:
            claim(tuning.folder, request)
        tuning.read(
            corpora,
            general or [],
            is_cleaned=is_cleaned,
            held_out=held_out,
            seed=seed,
            written="would write" if is_dry else "written",
        )
        plan = tuning.plan(updates, max_loss=max_loss, seed=seed)
        _describe(plan, has_general=bool(general))
        if is_dry:
            _estimate(tuning, plan)
            return
        try:
            tuning.translate_own(plan)
        except KeyboardInterrupt:
            typer.echo("dragoman: interrupted: the same command continues", err=True)
            raise typer.Exit(130) from None
    _train(tuning.folder)
    _conclude(tuning, max_loss=max_loss if general else None)


@dataclass(slots=True)
class _Tuning:
    """A run of `tune`. folder: of the run."""

    bundle: str
    info: "BundleConfig"
    vocabulary: "Codec"
    revision: str
    directions: "tuple[Direction, ...]"
    columns: tuple[str, ...]
    folder: Path

    @property
    def languages(self) -> tuple[str, str]:
        return self.directions[0].source, self.directions[0].target

    def files(self, set_: str, part: str) -> dict[str, Path]:
        """Of `corpus` or `general`, by language."""
        return {code: self.folder / set_ / f"{part}.{code}" for code in self.languages}

    def read(
        self,
        corpora: Sequence[Path],
        general: Sequence[Path],
        *,
        is_cleaned: bool,
        held_out: int | None,
        seed: int,
        written: str,
    ) -> None:
        """Writes the texts into the folder, unless they are there. written: what `describe_corpus` says of them."""
        from dragoman.model.bundle import find_bundle
        from dragoman.training.intake.general import fold_files, make_general, share_of_training_text
        from dragoman.training.intake.making import make_corpus
        from dragoman.training.intake.request import Request
        from dragoman.training.intake.sources import find_sources
        from dragoman.training.intake.survey import find_mix_up

        if not _exist(self.files("corpus", "test")):
            request = Request(*self.languages, columns=self.columns)
            sources = find_sources(corpora, request)
            made = make_corpus(
                sources, request, self.folder / "corpus", is_cleaned=is_cleaned, held_out=held_out, seed=seed
            )
            identified = [made.survey.identified(side, request.identifier) for side in (0, 1)]
            describe_corpus(made, request, [source.format for source in sources], identified, written=written)
            mix_up = find_mix_up((identified[0], identified[1]), self.languages)
            for warning in (*made.warnings, *filter(None, (mix_up,))):
                typer.echo(f"warning: {warning}", err=True)
        if general and not _exist(self.files("general", "text")):
            request = Request(*self.languages, columns=self.columns)
            known = fold_files(
                [path for part in ("train", "dev", "test") for path in self.files("corpus", part).values()]
            )
            counts = make_general(
                find_sources(general, request), request, self.folder / "general", known=known, seed=seed
            )
            for note in request.notes:
                typer.echo(f"note: {note}")
            typer.echo(
                f"general text: dev {counts['dev']:,}, test {counts['test']:,}, more {counts['text']:,} pairs, each "
                "once, and none of your own text"
            )
            if (share := share_of_training_text(find_bundle(self.bundle), self.files("general", "test"))) > MAX_SEEN:
                typer.echo(
                    f"warning: {share:.0%} of the general test set is in the bundle's own training text and says too "
                    "little about what is forgotten: give text that the bundle has not learnt from, as its test set",
                    err=True,
                )

    def plan(self, updates: int | None, *, max_loss: float, seed: int) -> "Plan":
        """The run's plan; writes its configuration, unless there is one."""
        from dragoman.training.intake.tuning import CONFIG_FILE, measure_corpus, plan_tuning, write_tuning_toml

        domain = measure_corpus(self.files("corpus", "train"), self.vocabulary)
        has_general = _exist(self.files("general", "text"))
        general = measure_corpus(self.files("general", "text"), self.vocabulary) if has_general else None
        plan = plan_tuning(domain, general, self.directions, updates=updates)
        config = self.folder / CONFIG_FILE
        if not config.exists():
            text = write_tuning_toml(
                plan,
                self.info,
                bundle=self.bundle,
                folder=self.folder,
                domain={part: self.files("corpus", part) for part in ("train", "dev")},
                general_dev=self.files("general", "dev") if has_general else None,
                own_folder=self.folder / "own",
                name=_plain(self.folder.name),
                max_loss=max_loss,
                seed=seed,
            )
            write_atomically(config, text)
        return plan

    def translate_own(self, plan: "Plan") -> None:
        from dragoman.training.intake.tuning import own_files
        from dragoman.training.synthesis.own_translations import spread_lines, translate_own

        (self.folder / "own").mkdir(exist_ok=True)
        outputs: dict[Direction, list[Path]] = {}
        texts: dict[Direction, list[str]] = {}
        for direction in plan.directions:
            outputs[direction] = list(own_files(self.folder / "own", direction).values())
            texts[direction] = spread_lines(plan.own.files[direction.source], plan.own.num_pairs, plan.num_own)
        translate_own(self.bundle, outputs, texts)


def _open(
    bundle: str,
    corpora: Sequence[Path],
    general: Sequence[Path],
    languages: tuple[str | None, str | None],
    columns: str | None,
    folder: Path | None,
) -> _Tuning:
    from dragoman.commands.init import parse_columns
    from dragoman.model.bundle import bundle_revision, find_bundle, read_config, read_vocabulary
    from dragoman.model.decoding.loading import refuse_language_model
    from dragoman.model.errors import NotFoundError
    from dragoman.training.intake.tuning import choose_directions

    for path in (*corpora, *general):
        if not path.exists():
            raise NotFoundError(f"{path}: no such file or folder")
    found = find_bundle(bundle)
    info = read_config(found)
    refuse_language_model(bundle, info)
    name = f"{_plain(info.name)}-{_plain(corpora[0].name.split('.')[0])}"
    return _Tuning(
        bundle=bundle,
        info=info,
        vocabulary=read_vocabulary(found, info),
        revision=bundle_revision(found),
        directions=choose_directions(info, *languages),
        columns=parse_columns(columns),
        folder=folder if folder is not None else Path("runs") / name,
    )


def _plain(name: str) -> str:
    """A name of letters, digits, dots, underscores and hyphens."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._") or "model"


def _exist(files: Mapping[str, Path]) -> bool:
    return all(path.exists() for path in files.values())


def _describe(plan: "Plan", *, has_general: bool) -> None:
    directions = " and ".join(map(str, plan.directions))
    typer.echo(
        f"tuning {directions}: {plan.updates:,} updates, half of their text the bundle's own translations of "
        f"{plan.num_own:,} sentences of {plan.own_name}"
    )
    shares = ", ".join(f"{share:.0%}" for share in plan.shares)
    if has_general:
        typer.echo(f"then means with {shares} of the bundle's weights, of which both dev sets choose")
    else:
        typer.echo(f"then the mean with {shares} of the bundle's weights, unmeasured: --general CORPUS would choose it")


def _estimate(tuning: _Tuning, plan: "Plan") -> None:
    """Prints how long the whole would take on this machine."""
    from dragoman.training.config import load_run_config
    from dragoman.training.display import describe_duration
    from dragoman.training.intake.speed import measure_speed
    from dragoman.training.intake.tuning import CONFIG_FILE
    from dragoman.training.synthesis.own_translations import measure_translating, spread_lines

    typer.echo("measuring this machine …", err=True)
    run: RunConfig = load_run_config(tuning.folder / CONFIG_FILE)
    sentences = spread_lines(plan.own.files[tuning.languages[0]], plan.own.num_pairs, MEASURED_TEXTS)
    start = time.monotonic()
    per_text = measure_translating(tuning.bundle, plan.directions[0], sentences)
    typer.echo(f"measured in {time.monotonic() - start:.0f} s", err=True)
    translating = per_text * plan.num_own * len(plan.directions)
    speed = measure_speed(run, mean_length=plan.own.pieces, seconds=5)
    num_validated = (plan.updates // run.validation.every + len(plan.shares) + 1) * len(plan.directions)
    num_dev = sum(
        min(run.validation.max_sentences, _count(next(iter(dev.files.values())))) for dev in run.data.dev_sets.values()
    )
    validating = per_text * num_dev * num_validated
    training = speed.seconds * plan.updates
    typer.echo(
        f"time: about {describe_duration(translating + training + validating)} on this machine: own translations "
        f"{describe_duration(translating)}, training {describe_duration(training)}, validations "
        f"{describe_duration(validating)}"
    )
    if translating + training + validating > LONG_SECONDS:
        one = f"--to {plan.directions[0].target} for one direction, " if len(plan.directions) > 1 else ""
        shorter = max(1, plan.updates // 2)
        typer.echo(f"      for less: {one}--updates {shorter}; a run of a few dozen updates often gains nothing")


def _count(path: Path) -> int:
    with path.open("rb") as lines:
        return sum(1 for _ in lines)


def _train(folder: Path) -> None:
    from dragoman.training.config import load_run_config
    from dragoman.training.intake.tuning import CONFIG_FILE
    from dragoman.training.report.outcome import describe_outcome
    from dragoman.training.report.run_record import read_run
    from dragoman.training.run.interruption import Interrupted
    from dragoman.training.run.training_run import train

    run = load_run_config(folder / CONFIG_FILE)
    try:
        train(run, resume=(folder / "config.json").exists())
    except Interrupted as end:
        for line in describe_outcome(read_run(folder)):
            typer.echo(line, err=True)
        typer.echo(f"dragoman: {end.place}: the same command continues", err=True)
        raise typer.Exit(end.exit_code) from end


def _conclude(tuning: _Tuning, *, max_loss: float | None) -> None:
    """Prints the scores before and after, what was kept, and the next commands."""
    from rich.console import Console

    from dragoman.model.decoding.search_options import SearchOptions
    from dragoman.training.evaluation.before_after import (
        HeldOutText,
        before_after_table,
        compare_bundles,
        describe_gain,
    )
    from dragoman.training.evaluation.test_set import record_scores
    from dragoman.training.report.outcome import describe_outcome
    from dragoman.training.report.run_record import read_run

    best = tuning.folder / "best"
    sets = [("domain", tuning.files("corpus", "test"))]
    if max_loss is not None:
        sets.append(("general", tuning.files("general", "test")))
    texts = [
        HeldOutText(name, direction, files[direction.source], files[direction.target])
        for name, files in sets
        for direction in tuning.directions
    ]
    compared = compare_bundles(tuning.bundle, str(best), texts)
    console = Console(highlight=False, markup=False, emoji=False)
    console.print(before_after_table(compared))
    typer.echo("±: 95 % confidence, by paired bootstrap; p: how likely chance alone makes such a difference")
    typer.echo(describe_gain(compared))
    for one in compared:
        direction = one.text.direction
        record_scores(str(best), direction.source, direction.target, one.text.name, one.report, SearchOptions())
    for line in describe_outcome(read_run(tuning.folder)):
        typer.echo(line)
    typer.echo(_forgotten(compared, max_loss))
    kept = read_run(tuning.folder).bundle
    if kept is not None and kept.provenance.get("updates") == 0:
        allowed = (
            ""
            if max_loss is None
            else f", or a larger --max-loss than {max_loss:g} (the lines above say what it costs)"
        )
        typer.echo(f"Nothing is better, so go on with {tuning.bundle}; more of your text may help{allowed}")
    typer.echo("\nNext:")
    direction = tuning.directions[0]
    shown = shlex.quote(str(best))
    typer.echo(f"  dragoman translate --model {shown} --from {direction.source} --to {direction.target}")
    typer.echo(f"  dragoman serve {shown}")
    typer.echo(f"  dragoman report {shlex.quote(str(tuning.folder))}")


def _forgotten(compared: "Sequence[Compared]", max_loss: float | None) -> str:
    if max_loss is None:
        return (
            "What the model forgets of other text was not measured, since there is no general text: --general CORPUS "
            "measures and limits it"
        )
    gains = []
    for one in compared:
        if one.text.name == "general" and (comparison := one.report.bleu.comparison) is not None:
            gains.append(comparison.difference)
    mean = sum(gains) / len(gains)
    words = f"lost {-mean:.1f}" if mean < 0 else f"gained {mean:.1f}"
    return f"General text {words} BLEU on its test set; on its dev set it was allowed to lose {max_loss:g}"

"""The command `dragoman`."""

import errno
import io
import os
import sys
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand

from dragoman.commands.average import average
from dragoman.commands.clean import clean
from dragoman.commands.combine import combine
from dragoman.commands.compare import compare
from dragoman.commands.demo import demo
from dragoman.commands.evaluate import evaluate
from dragoman.commands.explain import explain
from dragoman.commands.export import export
from dragoman.commands.grammar import grammar
from dragoman.commands.import_ import import_
from dragoman.commands.init import init
from dragoman.commands.join import join
from dragoman.commands.keys import keys
from dragoman.commands.models import models
from dragoman.commands.probe import probe
from dragoman.commands.report import report
from dragoman.commands.score import score
from dragoman.commands.serve import serve
from dragoman.commands.shortlist import shortlist
from dragoman.commands.synthesize import synthesize
from dragoman.commands.train import train
from dragoman.commands.translate import translate
from dragoman.commands.tune import tune
from dragoman.commands.words import words
from dragoman.model.errors import DragomanError, InvalidInputError

if TYPE_CHECKING:
    from typing_extensions import Buffer

BROKEN_PIPE = 141
"""Exit code when the reader of the output is gone: a shell's code for a program that SIGPIPE ended."""

COMMANDS = {
    "Translate": (translate, join, combine, models),
    "Serve": (serve,),
    "Train": (init, clean, train, tune, report, compare, shortlist, words, probe, average, synthesize, keys),
    "Measure": (evaluate, score, explain),
    "Convert": (import_, export),
}
"""The commands by panel of --help, in its order."""

HIDDEN: tuple[Callable[..., Any], ...] = (demo, grammar)
"""The commands that --help does not list."""

EXTRAS = {
    "ctranslate2": "ctranslate2",
    "ftfy": "clean",
    "jinja2": "train",
    "lxml": "documents",
    "markdown_it": "documents",
    "matplotlib": "train",
    "openpyxl": "documents",
    "polib": "documents",
    "pyarrow": "parquet",
    "ruamel": "documents",
    "tensorboard": "train",
    "torch": "train",
}
"""The extra that installs each optional package."""


class _Command(TyperCommand):
    """A command that refuses a repeated option unless it is a list (Typer would take the last), and that names the
    extra of a missing package."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _, _, given = self.make_parser(ctx).parse_args(list(args))
        for parameter, times in Counter[Any](given).items():
            if times > 1 and not parameter.multiple:
                raise InvalidInputError(f"{parameter.opts[0]} is given {times} times, but may be given once")
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            typer.echo("dragoman: interrupted", err=True)
            raise typer.Exit(130) from None
        except ModuleNotFoundError as error:
            package = (error.name or "").split(".")[0]
            if package not in EXTRAS:
                raise
            raise DragomanError(
                f"{ctx.command_path} needs the package {package}: pip install 'dragoman[{EXTRAS[package]}]'"
            ) from error


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(f"dragoman {version('dragoman')}")
        except PackageNotFoundError:
            typer.echo("dragoman, not installed")
        raise typer.Exit


def _options(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Show the version."),
) -> None:
    """Options before the command."""


def _name(command: Callable[..., Any]) -> str:
    return command.__name__.rstrip("_")  # import is a word of Python's


def make_app(names: Collection[str] | None = None) -> typer.Typer:
    """The command line, with the commands of these names alone; None: with all."""
    made = typer.Typer(
        help="Neural machine translation that a team owns whole: train, evaluate, translate, serve.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    made.callback()(_options)
    for panel, commands in COMMANDS.items():
        for command in commands:
            if names is None or _name(command) in names:
                # Each paragraph as one line: the terminal breaks it.
                paragraphs = [" ".join(paragraph.split()) for paragraph in (command.__doc__ or "").split("\n\n")]
                made.command(_name(command), cls=_Command, rich_help_panel=panel, help="\n\n".join(paragraphs))(command)
    for hidden in HIDDEN:
        if names is None or _name(hidden) in names:
            made.command(cls=_Command, hidden=True)(hidden)
    return made


app = make_app()


def _app_for(arguments: Sequence[str]) -> typer.Typer:
    """The command line with the one command that comes first, if it is one: building all takes a tenth of a second."""
    known = {_name(command) for command in (*HIDDEN, *chain.from_iterable(COMMANDS.values()))}
    return make_app(arguments[:1]) if arguments and arguments[0] in known else app


class _StandardStream(io.FileIO):
    """Standard output or error. A failed write to standard output ends the command; to standard error it is ignored.

    Later writes are dropped, so that the flush at the end of the process raises nothing.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self._is_broken = False

    def write(self, content: "Buffer", /) -> int:
        if not self._is_broken:
            try:
                return super().write(content)
            except OSError as error:
                self._is_broken = True
                if self.fileno() == 1:
                    if error.errno == errno.EPIPE:
                        raise typer.Exit(BROKEN_PIPE) from None
                    reason = "it is closed" if error.errno == errno.EBADF else error.strerror
                    raise DragomanError(f"standard output cannot be written: {reason}") from error
        return memoryview(content).nbytes


def _guard_standard_streams() -> None:
    """Put a `_StandardStream` under sys.stdout and sys.stderr.

    A closed descriptor is opened in the wrong direction: its use remains an error, and no file that is opened later
    gets its number. A character outside the encoding becomes a question mark.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            closed = os.open(os.devnull, os.O_WRONLY if descriptor == 0 else os.O_RDONLY)
            if closed != descriptor:
                os.dup2(closed, descriptor)
                os.close(closed)
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is getattr(sys, f"__{name}__"):  # unless it was replaced, as by a test
            guarded = io.TextIOWrapper(
                io.BufferedWriter(_StandardStream(descriptor)),
                encoding=stream.encoding if stream else "utf-8",
                errors="replace",
                line_buffering=stream is None or stream.line_buffering or descriptor == 2,
                write_through=stream is not None and stream.write_through,
            )
            setattr(sys, name, guarded)


def main() -> None:
    """Run the command line. A DragomanError becomes one line on standard error and exit code 2."""
    _guard_standard_streams()
    try:
        try:
            _app_for(sys.argv[1:])(prog_name="dragoman")
        finally:
            sys.stdout.flush()
    except DragomanError as error:
        typer.echo(f"dragoman: {error}", err=True)
        sys.exit(2)
    except typer.Exit as end:
        sys.exit(end.exit_code)

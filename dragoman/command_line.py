"""The command `dragoman`."""

import errno
import importlib
import io
import keyword
import os
import sys
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup

from dragoman.model.errors import DragomanError, InvalidInputError

if TYPE_CHECKING:
    from typing_extensions import Buffer

BROKEN_PIPE = 141
"""Exit code when the reader of the output is gone: a shell's code for a program that SIGPIPE ended."""

COMMANDS = {
    "Translate": ("translate", "join", "combine", "models"),
    "Serve": ("serve",),
    "Train": (
        *("init", "clean", "train", "tune", "report", "compare"),
        *("shortlist", "words", "probe", "average", "synthesize", "keys"),
    ),
    "Measure": ("evaluate", "score", "complete", "explain"),
    "Convert": ("import", "export"),
}
"""The commands by panel of --help, in its order. Each has a module of its name in `dragoman.commands`."""

HIDDEN = ("demo", "grammar")
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
    "ray": "ray",
    "ruamel": "documents",
    "tensorboard": "train",
    "torch": "train",
}
"""The extra that installs each optional package."""


def _keep_texts(parameter: Any, is_given: bool) -> None:
    """Take a text that is given, and a default, as they are: Typer would read them with Pydantic, whose import takes
    longer than a sentence to translate. parameter: one of Typer's; other values are read by it."""
    read, kind = parameter.process_value, getattr(parameter.type_descriptor, "annotation", None)

    def process(context: Any, value: Any) -> Any:
        if parameter.required and value is None:
            return read(context, value)
        if parameter.nargs == 1 and not parameter.multiple:
            if is_given and (kind is not str or not isinstance(value, str)):
                return read(context, value)
        elif kind == list[str]:
            value = () if value is None else [*value]
        else:
            return read(context, value)
        return value if parameter.callback is None else parameter.callback(context, parameter, value)

    parameter.process_value = process


class _Group(TyperGroup):
    """All commands; see `_keep_texts`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        given = self.make_parser(ctx).parse_args(list(args))[2] if args else ()
        for parameter in self.get_params(ctx):
            _keep_texts(parameter, parameter in given)
        return super().parse_args(ctx, args)


class _Command(TyperCommand):
    """A command that refuses a repeated option unless it is a list (Typer would take the last), and that names the
    extra of a missing package. See `_keep_texts`, too."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _, _, given = self.make_parser(ctx).parse_args(list(args))
        for parameter, times in Counter[Any](given).items():
            if times > 1 and not parameter.multiple:
                raise InvalidInputError(f"{parameter.opts[0]} is given {times} times, but may be given once")
        for parameter in self.get_params(ctx):
            _keep_texts(parameter, parameter in given)
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


def _find(name: str) -> Callable[..., Any]:
    """The function of a command. Its module is imported now: all of them take a tenth of a second."""
    function = f"{name}_" if keyword.iskeyword(name) else name
    found: Callable[..., Any] = getattr(importlib.import_module(f"dragoman.commands.{function}"), function)
    return found


def make_app(names: Collection[str] | None = None) -> typer.Typer:
    """The command line, with the commands of these names alone; None: with all."""
    made = typer.Typer(
        cls=_Group,
        help="Neural machine translation that a team owns whole: train, evaluate, translate, serve.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    made.callback()(_options)
    for panel, commands in COMMANDS.items():
        for name in commands:
            if names is None or name in names:
                command = _find(name)
                # Each paragraph as one line: the terminal breaks it.
                paragraphs = [" ".join(paragraph.split()) for paragraph in (command.__doc__ or "").split("\n\n")]
                made.command(name, cls=_Command, rich_help_panel=panel, help="\n\n".join(paragraphs))(command)
    for name in HIDDEN:
        if names is None or name in names:
            made.command(name, cls=_Command, hidden=True)(_find(name))
    return made


def _app_for(arguments: Sequence[str]) -> typer.Typer:
    """The command line with the one command that comes first, if it is one."""
    known = {*HIDDEN, *chain.from_iterable(COMMANDS.values())}
    return make_app(arguments[:1] if arguments and arguments[0] in known else None)


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


def _let_threads_sleep() -> None:
    """Make the threads of PyTorch's operations sleep while they wait for each other, unless the user decided otherwise.
    By default they spin: beside other programs one that spins keeps the one that works from its processor. Measured
    2026-11-29 on two processors with a load of 12: 38 s an update of training, 2.6 s with this.

    OpenMP reads the variable when PyTorch is loaded.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def main() -> None:
    """Run the command line. A DragomanError becomes one line on standard error and exit code 2."""
    _guard_standard_streams()
    _let_threads_sleep()
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

"""The command `dragoman`."""

import sys
from collections import Counter
from typing import Any

import typer
from typer.core import TyperCommand

from dragoman.commands.average import average
from dragoman.commands.clean import clean
from dragoman.commands.combine import combine
from dragoman.commands.compare import compare
from dragoman.commands.demo import demo
from dragoman.commands.evaluate import evaluate
from dragoman.commands.export import export
from dragoman.commands.models import models
from dragoman.commands.report import report
from dragoman.commands.score import score
from dragoman.commands.serve import serve
from dragoman.commands.shortlist import shortlist
from dragoman.commands.synthesize import synthesize
from dragoman.commands.train import train
from dragoman.commands.translate import translate
from dragoman.model.errors import DragomanError


class _Command(TyperCommand):
    """A command that refuses an option given twice, where the last one would win in silence, unless it is a list."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        *_, given = self.make_parser(ctx).parse_args(list(args))
        options: Counter[Any] = Counter(given)
        for option, times in options.items():
            if option.param_type_name == "option" and not option.multiple and times > 1:
                raise typer.BadParameter(f"is given {times} times, but may be given once", ctx=ctx, param=option)
        return super().parse_args(ctx, args)


app = typer.Typer(
    help="Neural machine translation that a team owns whole: train, evaluate, translate, serve.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
# In the order of --help.
for _command in (
    clean,
    train,
    report,
    compare,
    evaluate,
    score,
    shortlist,
    average,
    synthesize,
    translate,
    combine,
    serve,
    models,
    export,
):
    app.command(cls=_Command)(_command)
app.command(cls=_Command, hidden=True)(demo)


def main() -> None:
    """Run the command line; an error that the user can mend is one line and exit code 2."""
    try:
        app(prog_name="dragoman")
    except DragomanError as error:
        typer.echo(f"dragoman: {error}", err=True)
        sys.exit(2)

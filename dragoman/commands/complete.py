"""`dragoman complete`."""

import json
from typing import Annotated

import typer

from dragoman.commands.options import MODEL


def complete(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The beginning of a text.", show_default=False)],
    model: Annotated[
        str, typer.Option(metavar="BUNDLE", help="The folder of a language model.", rich_help_panel=MODEL)
    ],
    num_words: Annotated[int, typer.Option("-n", "--num-words", min=1, max=100, help="Words to show.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the likeliest next words of a text, with their probabilities.

    The last word of TEXT counts as complete; an empty TEXT shows how texts
    begin. Words are whole: one of several pieces has the product of their
    probabilities.
    """
    from dragoman.translation.scoring.completing import Completer

    completer = Completer(model)
    found = completer.next_words(text, num_words)
    if completer.is_strange(text):
        typer.echo(f"dragoman: {model} has hardly met what TEXT is written in: its words mean little", err=True)
    if as_json:
        words = [{"word": one.word, "probability": one.probability, "is_end": not one.word} for one in found]
        typer.echo(json.dumps({"text": text, "next": words}, ensure_ascii=False))
        return
    for one in found:
        typer.echo(f"{100 * one.probability:6.2f} %  {one.word or '(the text ends)'}")

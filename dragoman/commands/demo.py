"""`dragoman demo`: the public client calls a server with the bundled model, which runs as a process of its own."""

import itertools
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dragoman.model.errors import DragomanError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from dragoman.server.client import Client
    from dragoman.translation.results import Translation

ENGLISH = (
    "Where is the nearest train station?",
    "I would like a cup of coffee, please.",
    "She has been learning German for two years.",
    "We could not sleep because the music was so loud.",
)
GERMAN = (
    "Das Wetter ist heute sehr schön.",
    "Kannst du mir bitte helfen?",
    "Ich habe meinen Schlüssel zu Hause vergessen.",
    "Wenn es morgen regnet, bleiben wir hier.",
)
BATCH = tuple(
    f"{who} {what} {when}."
    for who, what, when in itertools.product(
        ("My brother", "The teacher", "Our neighbor", "The old man", "Her friend"),
        ("bought a book", "read a letter", "drank a glass of water", "went to the market", "wrote to me"),
        ("yesterday", "last week", "in the morning", "before dinner"),
    )
)


def demo() -> None:
    """Start a server with the bundled model, call it, and show the answers."""
    from rich.console import Console

    from dragoman.server.client import Client

    console = Console()
    with _running_server(console) as address, Client(address) as client:
        for model in client.list_models():
            directions = ", ".join(map(str, model.directions))
            console.print(f"It serves [bold]{model.name}[/]: {directions}, {model.num_parameters:,} parameters\n")
        console.print(_table("One sentence a call", [client.translate(text, to="de")[0] for text in ENGLISH]))
        console.print(_table("One sentence a call", [client.translate(text, to="en")[0] for text in GERMAN]))
        started = time.monotonic()
        with console.status(f"translating a batch of {len(BATCH)}"):
            translations = client.translate(BATCH, to="de")
        seconds = time.monotonic() - started
        title = f"Every ninth of a batch of {len(translations)} in one call, which took {seconds:.1f} s"
        console.print(_table(title, translations[::9]))
        _show_refusal(client, console)
    console.print("The server finished its calls and stopped.")


def _show_refusal(client: "Client", console: "Console") -> None:
    console.print('A request that the server must refuse: a translation into the language "xx".')
    try:
        client.translate(ENGLISH[0], to="xx")
    except DragomanError as error:
        console.print(f"  {type(error).__name__}: {error}\n", style="red", markup=False)
    else:
        raise DragomanError('the server translated into "xx", a language that does not exist')


@contextmanager
def _running_server(console: "Console") -> Iterator[str]:
    """Start `dragoman serve` on a free port and yield its address; at the end it must stop cleanly."""
    command = [sys.executable, "-m", "dragoman", "serve", "--listen", "127.0.0.1:0", "--set", "log.level=warning"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            with console.status("starting the server"):
                announcement = process.stdout.readline().strip()
            if not announcement:
                raise DragomanError("the server did not start")
            console.print(announcement)
            yield announcement.split()[-1]
        finally:
            process.terminate()
            status = process.wait()
    if status != 0:
        raise DragomanError(f"the server ended with status {status}")


def _table(title: str, translations: "Sequence[Translation]") -> "Table":
    from rich.table import Table

    table = Table("source", "translation", "score", title=title, title_justify="left")
    table.columns[2].justify = "right"
    for translation in translations:
        table.add_row(translation.source, translation.text, f"{translation.score:.2f}")
    return table

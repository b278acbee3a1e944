"""`dragoman serve`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dragoman.commands.options import (
    MODEL,
    DeviceIfGiven,
    PrecisionIfGiven,
    UseShortlistIfGiven,
)

if TYPE_CHECKING:
    from dragoman.server.config import ServerConfig

DEFAULT_BUNDLE = "en-de"
"""The bundle to serve if none is named."""


def serve(
    bundles: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="BUNDLE",
            help=f"Folders or names, instead of the configuration's models; by default {DEFAULT_BUNDLE}.",
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="The server's configuration, in TOML.")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a key, such as server.drain_seconds=60; repeatable."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Check the configuration and the models, print a summary, and exit.")
    ] = False,
    listen: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            show_default="127.0.0.1:50051",
            help="Address to listen on; port 0 takes a free one; unix:PATH is a socket.",
        ),
    ] = None,
    http: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Also serve HTTP there: a page for browsers, LibreTranslate's and DeepL's methods, JSON.",
        ),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(
            metavar="P",
            show_default="1",
            help="Whole servers side by side on the same port, for more processors than one can feed.",
        ),
    ] = None,
    replicas: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            show_default="0",
            help="Engine processes of each model; 0: threads of this process.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    max_slots: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            show_default="64 for each thread, 256 on a GPU",
            help="Maximal number of sentences that each model decodes at once.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    max_cached_positions: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            show_default="no limit",
            help="Limit of each model's memory: source pieces plus beams times target pieces of all its sentences.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    precision: PrecisionIfGiven = None,
    device: DeviceIfGiven = None,
    use_shortlist: UseShortlistIfGiven = None,
) -> None:
    """Serve bundles over gRPC, and HTTP if wanted, until Ctrl-C or SIGTERM; running calls then finish.

    Options override the configuration file.

    While it runs, the server follows changes of the file's models and of their folders; SIGHUP makes it check at once.
    """
    from dragoman.server.processes.signals import exit_on_stop_signals, ignore_reload_signal

    exit_on_stop_signals()  # first: imports and loading take a while
    ignore_reload_signal()
    # Before the import of grpc, which writes a line past the log for every failed handshake.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    from dragoman.server.config import load_server_config

    options = {
        "listen": listen,
        "processes": processes,
        "replicas": replicas,
        "max_slots": max_slots,
        "max_cached_positions": max_cached_positions,
        "precision": precision,
        "device": device,
        "shortlist": use_shortlist,
    }

    def read() -> "ServerConfig":
        given = {key: value for key, value in options.items() if value is not None}
        return load_server_config(
            config,
            [*(overrides or ()), *([] if http is None else [f"http.listen={http}"])],
            bundles=bundles or (),
            options=given,
            default_bundle=DEFAULT_BUNDLE,
        )

    found = read()
    if check:
        from dragoman.server.checking import check_server

        for line in check_server(found):
            typer.echo(line)
        return
    from dragoman.server.app import serve as run_server

    run_server(found, path=config, reread=read)

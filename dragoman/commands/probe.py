"""`dragoman probe`."""

from typing import Annotated

import typer


def probe(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="A folder or a shipped bundle's name.")],
    to: Annotated[
        list[str] | None,
        typer.Option("--to", metavar="LANGUAGE", help="Only directions into this language; may be repeated."),
    ] = None,
    sources: Annotated[
        list[str] | None,
        typer.Option("--from", metavar="LANGUAGE", help="Only directions from this language; may be repeated."),
    ] = None,
) -> None:
    """Find the words that a model copies and write them into its bundle, for names, addresses and placeholders.

    They stand in for what must not be translated. Imported and newly trained bundles of few languages have them.
    """
    from dragoman.model.bundle import find_bundle, read_config
    from dragoman.model.errors import NotFoundError
    from dragoman.translation.languages import find_language
    from dragoman.translation.protecting.probing import add_copying

    directions = read_config(find_bundle(bundle)).directions
    for given, wanted in ((sources, "source"), (to, "target")):
        known = {str(getattr(direction, wanted)) for direction in directions}
        chosen = {find_language(language, known) or language for language in given or known}
        directions = tuple(direction for direction in directions if getattr(direction, wanted) in chosen)
    if not directions:
        raise NotFoundError(f"{bundle}: translates in no such direction")
    for measured in add_copying(bundle, directions):
        for kind, words in (("names", measured.names), ("numbers", measured.numbers)):
            listed = ", ".join(f"{one.word} {one.rate:.0%}" for one in words) or "none; the common list stands in"
            typer.echo(f"{measured.direction} {kind}: {listed}")

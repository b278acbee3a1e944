"""The server's named glossaries, in the clients."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.server.client.queries import Asks, AsksLater, Query
from dragoman.translation.terms.glossary import Glossary
from dragoman.translation.terms.reading import parse_glossary
from dragoman.v1 import translation_pb2 as pb

_FORMATS = {
    "tsv": pb.GLOSSARY_FORMAT_TSV,
    "txt": pb.GLOSSARY_FORMAT_TSV,
    "csv": pb.GLOSSARY_FORMAT_CSV,
    "tbx": pb.GLOSSARY_FORMAT_TBX,
    "xml": pb.GLOSSARY_FORMAT_TBX,
}


@dataclass(frozen=True, slots=True)
class GlossaryDescription:
    """A glossary of the server: its name, its languages and the number of its entries."""

    name: str
    languages: tuple[str, ...]
    num_entries: int


def _create(name: str, path: Path) -> Query[GlossaryDescription]:
    kind = path.suffix.lower().removeprefix(".")
    if kind not in _FORMATS:
        raise InvalidInputError(f"{path}: a glossary's name ends in .tsv, .csv or .tbx")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise NotFoundError(f"{path}: {error.strerror}") from error
    request = pb.CreateGlossaryRequest(name=name, content=content, format=_FORMATS[kind])
    return Query("CreateGlossary", request, lambda response: _read(response.glossary))


def _get(name: str) -> Query[Glossary]:
    return Query(
        "GetGlossary",
        pb.GetGlossaryRequest(name=name),
        lambda response: parse_glossary(response.content, "content.tsv", name),
    )


def _list() -> Query[list[GlossaryDescription]]:
    return Query("ListGlossaries", pb.ListGlossariesRequest(), lambda response: list(map(_read, response.glossaries)))


def _delete(name: str) -> Query[None]:
    return Query("DeleteGlossary", pb.DeleteGlossaryRequest(name=name), lambda _: None)


def _read(message: Any) -> GlossaryDescription:
    return GlossaryDescription(message.name, tuple(message.language_codes), message.entry_count)


class GlossaryCalls:
    """The blocking client's methods."""

    def create_glossary(self: Asks, name: str, path: str | Path) -> GlossaryDescription:
        """Store a file's glossary on the server, for all of its callers; see `translation.terms.reading`.

        Raises NotFoundError for a file that cannot be read, InvalidInputError for what is wrong in it, ServerError
        if the name is taken or the server keeps no glossaries.
        """
        return self._ask(_create(name, Path(path)))

    def get_glossary(self: Asks, name: str) -> Glossary:
        """A glossary of the server. Raises NotFoundError."""
        return self._ask(_get(name))

    def list_glossaries(self: Asks) -> list[GlossaryDescription]:
        """The server's glossaries, by name."""
        return self._ask(_list())

    def delete_glossary(self: Asks, name: str) -> None:
        """Delete a glossary of the server. Raises NotFoundError."""
        self._ask(_delete(name))


class AsyncGlossaryCalls:
    """The asynchronous client's methods."""

    async def create_glossary(self: AsksLater, name: str, path: str | Path) -> GlossaryDescription:
        """See `Client.create_glossary`."""
        return await self._ask(_create(name, Path(path)))

    async def get_glossary(self: AsksLater, name: str) -> Glossary:
        """See `Client.get_glossary`."""
        return await self._ask(_get(name))

    async def list_glossaries(self: AsksLater) -> list[GlossaryDescription]:
        """See `Client.list_glossaries`."""
        return await self._ask(_list())

    async def delete_glossary(self: AsksLater, name: str) -> None:
        """See `Client.delete_glossary`."""
        await self._ask(_delete(name))

"""Batch jobs whose translations come from a server."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import grpc
import pytest

from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.server.client import Client, ServerError, stream_state
from dragoman.translation.batch.job import JobSummary
from dragoman.translation.results import Translation
from dragoman.v1 import translation_pb2 as pb
from tests.server.client.scripted import ScriptedService, answer_all, result, scripted_server
from tests.server.fakes import FakeTranslator, running_server
from tests.translation.batch.test_job import begin, expected, output, run, source

__all__ = ["output", "source"]  # fixtures


def test_over_a_server(source: Path, output: Path) -> None:
    good = source.read_text("utf-8")
    with running_server(FakeTranslator()) as address, Client(address) as client:

        def remote(texts: Iterable[str]) -> Iterator[Translation]:
            return client.translate_stream(texts, to="de", window=3)

        source.write_text(good.replace("line 11\n", "line " * 60 + "\n"), "utf-8")
        with pytest.raises(InvalidInputError, match=r"input.en, line 11: the text has 60 pieces, but at most 50 fit$"):
            run(source, output, remote)
        source.write_text(good, "utf-8")
        assert run(source, output, remote) == JobSummary(20, 10)
    assert output.read_text("utf-8") == expected()


def test_a_model_that_is_replaced_ends_the_job_before_its_first_line(
    source: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_state, "FIRST_PAUSE", 0.0)

    def answer_eight(
        service: ScriptedService, items: Iterator[pb.TranslateStreamItem], context: Any
    ) -> Iterator[pb.TranslateStreamResponse]:
        yield from map(result, islice(items, 8))
        service.revision = "fedcba9876543210"
        context.abort(grpc.StatusCode.UNAVAILABLE, "the server is shutting down")

    service = ScriptedService(answer_eight, answer_all)
    revisions = {"en-de": service.revision}
    with scripted_server(service) as address, Client(address) as client:

        def remote(texts: Iterable[str]) -> Iterator[Translation]:
            return client.translate_stream(texts, to="de", revisions=revisions)

        with pytest.raises(ServerError, match=r"revision fedcba9876543210 instead of .*: it has changed$"):
            run(source, output, remote)
        service.revision = revisions["en-de"]
        assert run(source, output, remote) == JobSummary(20, 8)
    assert output.read_text("utf-8") == source.read_text("utf-8").upper()


def test_no_line_is_blamed_for_what_concerns_the_whole_request(source: Path, output: Path) -> None:
    with running_server(FakeTranslator("one"), FakeTranslator("two")) as address, Client(address) as client:
        with pytest.raises(NotFoundError, match=r'^model: there is no "three"'):
            run(source, output, lambda texts: client.translate_stream(texts, to="de", model="three"))
        with pytest.raises(InvalidInputError, match=r"^search_options: beam_size is 0"):
            run(source, output, lambda texts: client.translate_stream(texts, to="de", model="one", beam_size=0))
        with pytest.raises(InvalidInputError, match=r"^the request cannot be encoded: "):
            run(source, output, lambda texts: client.translate_stream(texts, to="de", model="one", beam_size=2**40))


def test_without_a_server_nothing_is_lost(source: Path, output: Path) -> None:
    begin(source, output, 5)
    with Client("127.0.0.1:1") as client, pytest.raises(ServerError, match="is unavailable"):
        run(source, output, lambda texts: client.translate_stream(texts, to="de"))
    assert run(source, output) == JobSummary(20, 5)

"""A server that translates for a command."""

from dataclasses import replace
from pathlib import Path

import pytest

from dragoman.model.decoding.search_options import SearchOptions
from dragoman.server.client import ModelChangedError, ServerError
from dragoman.server.client.batch_source import remote_source
from dragoman.translation.batch.source import Task, TranslationSource
from tests.end_to_end.certificates import write_certificates
from tests.server.fakes import EN_DE, FakeTranslator, running_server
from tests.translation.batch.test_source import OTHERS

TASK = Task(to="de", source_language="en", options=SearchOptions())


def texts_of(source: TranslationSource, *texts: str) -> list[str]:
    return [translation.text for translation in source.translate_stream(texts)]


def test_a_server_with_the_model_that_is_named_or_all_that_it_has() -> None:
    with running_server(FakeTranslator("one", (EN_DE,)), FakeTranslator("two")) as address:
        with remote_source(address, "one", TASK) as source:
            assert texts_of(source, "a b", "c d") == ["b a", "d c"]
            assert source.find_parameters()["revisions"] == '{"one": "0123456789abcdef"}'
            assert (source.find_parameters()["model"], source.find_parameters()["to"]) == ("one", "de")
        with remote_source(address, None, replace(TASK, to="en", source_language=None)) as source:
            assert texts_of(source, "a b") == ["b a"]
            assert source.find_parameters()["revisions"] == '{"one": "0123456789abcdef", "two": "0123456789abcdef"}'


def test_all_options_reach_the_server() -> None:
    with (
        running_server(FakeTranslator()) as address,
        remote_source(address, None, replace(TASK, options=OTHERS, split_sentences=False)) as source,
    ):
        (translation,) = source.translate_stream(["a | b"])
        assert [hypothesis.text for hypothesis in translation.hypotheses] == ["b | a", "b | a !"]


def test_a_model_that_is_replaced_after_it_was_asked_for_is_refused() -> None:
    translator = FakeTranslator()
    with running_server(translator) as address, remote_source(address, None, TASK) as source:
        translator.revision = "fedcba9876543210"
        with pytest.raises(ModelChangedError):
            texts_of(source, "a b")


def test_the_environment_tells_the_token_and_whom_to_trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = write_certificates(tmp_path)
    tokens = tmp_path / "tokens.toml"
    tokens.write_text('[[tokens]]\nname = "tests"\ntoken = "secret"\n', "utf-8")
    tokens.chmod(0o600)
    tls = {"certificate": tmp_path / "server.pem", "key": tmp_path / "server.key"}
    with running_server(FakeTranslator(), tls=tls, access={"tokens": tokens}) as address:
        monkeypatch.setenv("DRAGOMAN_TLS_CA", str(authority))
        with pytest.raises(ServerError, match="does not know the caller"), remote_source(address, None, TASK):
            pass
        monkeypatch.setenv("DRAGOMAN_TOKEN", "secret")
        with remote_source(address, None, TASK) as source:
            assert texts_of(source, "a b") == ["b a"]
        monkeypatch.setenv("DRAGOMAN_TLS_CA", "system")
        with pytest.raises(ServerError, match="is unavailable"), remote_source(address, None, TASK):
            pass


def test_without_a_server() -> None:
    with pytest.raises(ServerError, match="is unavailable"), remote_source("127.0.0.1:1", None, TASK):
        pass

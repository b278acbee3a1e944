"""Terms over gRPC, with the shipped bundle."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.server.client import AsyncClient, Client, ServerError
from dragoman.translation.terms.reading import parse_glossary
from dragoman.translation.translator import Translator
from dragoman.v1 import translation_pb2 as pb
from dragoman.v1 import translation_pb2_grpc
from tests.server.running import running_server

TABLE = "en\tde\nhouse\tGebäude\nFirefox\t=\n"
GLOSSARY = parse_glossary(TABLE.encode(), "terms.tsv", "terms.tsv")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = str(tmp_path_factory.mktemp("glossaries"))
    translator = Translator.load("en-de", num_threads=1, max_slots=8)
    with running_server(translator, server={"glossaries": folder}) as found:
        yield found


def test_a_calls_own_terms(address: str) -> None:
    with Client(address) as client:
        (translation,) = client.translate("The house is big.", to="de", source_language="en", terms=GLOSSARY)
        (one,) = translation.hypotheses[0].terms
        assert one.span is not None
        assert translation.text[slice(*one.span)] == one.target == "Gebäude"
        (back,) = client.translate("Das Gebäude ist groß.", to="en", source_language="de", terms=GLOSSARY)
        assert [(one.source, one.target.lower()) for one in back.hypotheses[0].terms] == [("Gebäude", "house")]
        streamed = list(client.translate_stream(["The house.", "No."], to="de", source_language="en", terms=GLOSSARY))
        assert [len(found.hypotheses[0].terms) for found in streamed] == [1, 0]
        *_, live = client.translate_live("The house.", to="de", source_language="en", terms=GLOSSARY)
        assert live.translation is not None
        assert live.translation.hypotheses[0].terms[0].is_met
        text = "<p>The <b>house</b> is big.</p>"
        (html,) = client.translate(text, to="de", source_language="en", terms=GLOSSARY, text_format="html")
        (one,) = html.hypotheses[0].terms
        assert (one.target, one.span) == ("Gebäude", None)
        assert "Gebäude" in html.text


def test_named_glossaries(address: str, tmp_path: Path) -> None:
    (tmp_path / "terms.tsv").write_text(TABLE, "utf-8")
    with Client(address) as client:
        assert "terms" in client.get_server().features
        described = client.create_glossary("mine", tmp_path / "terms.tsv")
        assert (described.name, described.languages, described.num_entries) == ("mine", ("en", "de"), 2)
        assert client.list_glossaries() == [described]
        assert client.get_glossary("mine") == GLOSSARY
        (translation,) = client.translate("The house is big.", to="de", source_language="en", glossary="mine")
        assert [one.target for one in translation.hypotheses[0].terms] == ["Gebäude"]
        own = parse_glossary(b"en\tde\nhouse\tHeim\n", "terms.tsv", "terms.tsv")
        (both,) = client.translate("The house has Firefox.", to="de", source_language="en", terms=own, glossary="mine")
        assert [one.target for one in both.hypotheses[0].terms] == ["Heim", "Firefox"]
        with pytest.raises(ServerError, match='there is a glossary "mine" already'):
            client.create_glossary("mine", tmp_path / "terms.tsv")
        client.delete_glossary("mine")
        assert client.list_glossaries() == []
        with pytest.raises(NotFoundError, match='there is no glossary "mine"'):
            client.translate("The house", to="de", source_language="en", glossary="mine")


def test_the_asynchronous_client_has_them_too(address: str, tmp_path: Path) -> None:
    (tmp_path / "terms.csv").write_text(TABLE.replace("\t", ","), "utf-8")

    async def test() -> None:
        async with AsyncClient(address) as client:
            await client.create_glossary("other", tmp_path / "terms.csv")
            assert [one.name for one in await client.list_glossaries()] == ["other"]
            assert await client.get_glossary("other") == GLOSSARY
            await client.delete_glossary("other")
            assert not await client.list_glossaries()

    asyncio.run(test())


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ([pb.Term(source="house")], "terms[0]: needs a source, and either targets or do_not_translate"),
        ([pb.Term(source="a", targets=["b"]), pb.Term(targets=["b"])], "terms[1]: needs a source"),
        ([pb.Term(source="a", targets=["b"], do_not_translate=True)], "terms[0]: needs a source"),
        ([pb.Term(source="a", targets=["b"] * 33)], "terms[0]: a term has 33 forms; 32 are possible"),
        ([pb.Term(source="a", targets=["b"])] * 1001, "terms: has 1001 terms, but at most 1000 are allowed"),
    ],
)
def test_terms_that_make_no_sense_are_refused(address: str, terms: list[pb.Term], message: str) -> None:
    with grpc.insecure_channel(address) as channel:
        stub = translation_pb2_grpc.TranslationServiceStub(channel)
        request = pb.TranslateRequest(
            texts=["house"], source_language_code="en", target_language_code="de", terms=terms
        )
        with pytest.raises(grpc.RpcError) as raised:
            stub.Translate(request)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert message in (raised.value.details() or "")


def test_sampling_and_terms_exclude_each_other(address: str) -> None:
    with Client(address) as client, pytest.raises(InvalidInputError, match="terms need beam search"):
        client.translate("The house", to="de", source_language="en", terms=GLOSSARY, sampling_temperature=1.0)

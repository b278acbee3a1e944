"""Repeats and approved translations, through the server's own ports."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dragoman.model.config import Direction
from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.server.client import Client
from dragoman.server.translating.approved import ApprovedFile, read_approved
from dragoman.server.translating.memory import Memory, estimate_bytes
from dragoman.server.translating.orders import Translated
from dragoman.translation.results import Hypothesis, Translation
from tests.server.fakes import FakeTranslator
from tests.server.http.calling import http_server
from tests.server.running import running_server

MEMORY = {"max_bytes": 1_000_000}

TMX = """<?xml version="1.0"?>
<tmx version="1.4"><header srclang="en"/><body>
<tu><tuv xml:lang="en-US"><seg>a <bpt i="1">&lt;b&gt;</bpt><hi>b</hi><ept i="1">&lt;/b&gt;</ept></seg></tuv>
<tuv xml:lang="de"><seg>Ä B</seg></tuv></tu>
<tu><tuv xml:lang="fr"><seg>f</seg></tuv><tuv xml:lang="de"><seg>F</seg></tuv></tu>
</body></tmx>"""


def translated(text: str) -> Translated:
    return Translated(Translation("a", (Hypothesis(text, -0.5),)), "en", "m", "01")


def num_decoded(translator: FakeTranslator) -> int:
    return len(translator.engine.admitted)


def approve(folder: Path, content: str, name: str = "a.tsv") -> dict[str, Any]:
    (folder / name).write_text(content, "utf-8")
    return {"approved": [{"source": "en", "target": "de", "file": str(folder / name)}]}


def test_a_text_that_comes_again_is_not_decoded_again() -> None:
    translator = FakeTranslator()
    with running_server(translator, memory=MEMORY) as address, Client(address) as client:
        first = client.translate(["a b", "c d", "a b"], to="de", source_language="en")
        assert num_decoded(translator) == 2
        assert client.translate(["c d", "a b"], to="de", source_language="en") == [first[1], first[0]]
        streamed = client.translate_stream(["a b", "c d"], to="de", source_language="en")
        assert [one.text for one in streamed] == ["b a", "d c"]
        assert num_decoded(translator) == 2
        (fresh,) = client.translate_stream(["e f"], to="de", source_language="en")
        decoded = num_decoded(translator)
        (again,) = client.translate("e f", to="de", source_language="en")
        assert (again, num_decoded(translator)) == (fresh, decoded)


@pytest.mark.parametrize(
    "change",
    [
        {"n_best": 2, "beam_size": 4},
        {"split_sentences": False},
        {"protect": False},
        {"text_format": "html"},
        {"return_pieces": True},
        {"glossary": "mine"},
    ],
)
def test_other_options_are_other_texts(change: dict[str, Any], tmp_path: Path) -> None:
    translator = FakeTranslator()
    (tmp_path / "mine.tsv").write_text("en\tde\nq\tQ\n")
    server = {"glossaries": str(tmp_path)}
    with running_server(translator, memory=MEMORY, server=server) as address, Client(address) as client:
        client.translate("a b", to="de", source_language="en")
        client.translate("a b", to="de", source_language="en", priority="batch")
        assert num_decoded(translator) == 1
        client.translate("a b", to="de", source_language="en", **change)
        assert num_decoded(translator) == 2


def test_a_glossary_that_was_replaced_is_another_one(tmp_path: Path) -> None:
    translator, table = FakeTranslator(), tmp_path / "t.tsv"
    table.write_text("en\tde\nq\tQ\n")
    server = {"glossaries": str(tmp_path / "stored")}
    with running_server(translator, memory=MEMORY, server=server) as address, Client(address) as client:
        for number in (1, 2):
            client.create_glossary("mine", table)
            for _ in range(2):
                client.translate("a b", to="de", source_language="en", glossary="mine")
            assert num_decoded(translator) == number
            client.delete_glossary("mine")


def test_what_is_shown_live_does_not_depend_on_earlier_calls() -> None:
    translator = FakeTranslator()
    with running_server(translator, memory=MEMORY) as address, Client(address) as client:
        client.translate("a b", to="de", source_language="en")
        *_, last = client.translate_live("a b", to="de", source_language="en")
        assert (last.stable_text, num_decoded(translator)) == ("b a", 2)


def test_detected_and_given_languages_share_repeats_but_not_what_the_answer_says() -> None:
    translator = FakeTranslator(directions=(Direction("en", "de"), Direction("de", "en")))
    text = "The weather is lovely this morning."
    with running_server(translator, memory=MEMORY) as address, Client(address) as client:
        (given,) = client.translate(text, to="de", source_language="en")
        (detected,) = client.translate(text, to="de", source_language="auto")
        assert (given.detected_language, detected.detected_language) == ("", "en")
        assert (num_decoded(translator), detected.text) == (1, given.text)


def test_without_memory_nothing_is_kept() -> None:
    translator = FakeTranslator()
    with running_server(translator) as address, Client(address) as client:
        for _ in range(2):
            client.translate(["a b", "a b"], to="de", source_language="en")
        assert num_decoded(translator) == 4


def test_what_was_not_used_for_the_longest_time_goes_first() -> None:
    size = estimate_bytes(translated("x"))
    memory = Memory(300 * size)
    for number in range(300):
        memory.store(number, translated("x"))
    assert memory.find(0) == translated("x")
    memory.store("new", translated("x"))
    assert memory.find(1) is None
    assert memory.find(0) is not None
    assert memory.num_bytes == 300 * size
    memory.store("large", translated("x" * 4 * size))
    assert memory.find("large") is None


def test_approved_translations_win_and_say_so(tmp_path: Path) -> None:
    translator, hits = FakeTranslator(), []
    approved = MEMORY | approve(tmp_path, "a  b\tÄ B\nc\tC\nc\tC2\n")
    with http_server(translator, memory=approved, metrics={"listen": "127.0.0.1:0"}) as server:
        order = {"texts": ["  a b\n", "c", "d e"], "targetLanguageCode": "de", "sourceLanguageCode": "en"}
        found = server.send("/v1/translate", order).json["translations"]
        assert [(one["hypotheses"][0]["text"], one.get("approved", False)) for one in found] == [
            ("  Ä B\n", True),
            ("C2", True),
            ("e d", False),
        ]
        live = server.send("/v1/translateLive", {"text": "c", "targetLanguageCode": "de", "sourceLanguageCode": "en"})
        assert '"stableText": "C2"' in live.content.decode()
        answer = server.send("/v2/translate", {"text": ["c"], "target_lang": "DE", "source_lang": "EN"})
        assert answer.json["translations"][0]["text"] == "C2"
        assert num_decoded(translator) == 1
        hits = [line for line in server.get("/metrics").content.decode().splitlines() if "memory_hits_total{" in line]
        assert hits == ['dragoman_memory_hits_total{kind="approved"} 4.0']


def test_approved_translations_win_where_details_are_wanted_but_for_what_only_a_network_has(tmp_path: Path) -> None:
    with running_server(FakeTranslator(), memory=approve(tmp_path, "a b\tÄ B\n")) as address, Client(address) as client:
        (known,) = client.translate("a b", to="de", return_pieces=True, return_alignment=True, return_sentences=True)
        assert (known.text, known.hypotheses[0].pieces, known.hypotheses[0].sentences) == ("Ä B", (), ())
        for wanted in ({"return_attention": True}, {"beam_size": 4, "target_prefix": "b"}):
            (asked,) = client.translate("a b", to="de", **wanted)
            assert not asked.is_approved


def test_the_client_knows_approved_translations(tmp_path: Path) -> None:
    with running_server(FakeTranslator(), memory=approve(tmp_path, TMX, "a.tmx")) as address, Client(address) as client:
        known, unknown = client.translate(["a b", "a"], to="de", source_language="en")
        assert (known.text, known.is_approved, known.score) == ("Ä B", True, 0.0)
        assert not unknown.is_approved


def test_regions_of_approved_translations(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("a\tb\n")
    found = read_approved([ApprovedFile(source="en", target="pt-BR", file=tmp_path / "a.tsv")])
    assert (found.of("en", "pt-br"), found.of("en", "pt"), found.of("de", "pt-BR")) == ({"a": "b"}, {}, {})
    found = read_approved([ApprovedFile(source="en", target="pt", file=tmp_path / "a.tsv")])
    assert found.of("en-GB", "pt-BR") == {"a": "b"}


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: path.write_text("a\n"), r"a\.tsv, line 1: needs a text, a tab"),
        (lambda path: path.write_text(""), r"a\.tsv: has no translations from en to de"),
        (lambda path: path.write_bytes(b"\xff\t\xff\n"), r"a\.tsv: is not UTF-8"),
    ],
)
def test_a_faulty_table_is_named(write: Callable[[Path], object], message: str, tmp_path: Path) -> None:
    write(tmp_path / "a.tsv")
    with pytest.raises(InvalidInputError, match=message):
        read_approved([ApprovedFile(source="en", target="de", file=tmp_path / "a.tsv")])


def test_a_faulty_or_missing_tmx_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"a\.tmx: No such file"):
        read_approved([ApprovedFile(source="en", target="de", file=tmp_path / "a.tmx")])
    (tmp_path / "a.tmx").write_text("<tmx><tu>")
    with pytest.raises(InvalidInputError, match=r"a\.tmx: is no TMX"):
        read_approved([ApprovedFile(source="en", target="de", file=tmp_path / "a.tmx")])

"""DeepL's glossaries as its clients make, change and use them."""

from pathlib import Path
from typing import Any

import pytest

from dragoman.model.config import Direction
from dragoman.translation.translator import Translator
from tests.server.fakes import FakeTranslator
from tests.server.http.calling import HttpServer, http_server

BOTH = (Direction("en", "de"), Direction("de", "en"))

EN_DE = {"source_lang": "en", "target_lang": "DE", "entries": "b\tB\na\tA", "entries_format": "tsv"}


def serving(folder: Path, **tables: Any) -> Any:
    return http_server(FakeTranslator(directions=BOTH), server={"glossaries": str(folder)}, **tables)


def create(server: HttpServer, **fields: Any) -> dict[str, Any]:
    answer = server.send("/v2/glossaries", EN_DE | {"name": "mine"} | fields)
    assert answer.status == 201, answer.content
    return dict(answer.json)


def test_version_2_creates_describes_lists_and_deletes_over_a_restart(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        made = create(server)
        assert (made["source_lang"], made["target_lang"], made["entry_count"], made["ready"]) == ("en", "de", 2, True)
    with serving(tmp_path) as server:
        path = f"/v2/glossaries/{made['glossary_id']}"
        assert server.get(path).json == made
        assert server.get("/v2/glossaries").json == {"glossaries": [made]}
        entries = server.get(f"{path}/entries", accept="text/tab-separated-values")
        assert (entries.content, entries.headers["content-type"]) == (
            b"b\tB\na\tA",
            "text/tab-separated-values; charset=utf-8",
        )
        assert server.call("DELETE", path).status == 204
        for answer in (server.get(path), server.call("DELETE", path), server.get(f"{path}/entries")):
            assert (answer.status, answer.json["message"]) == (404, "Glossary not found")
        pairs = server.get("/v2/glossary-language-pairs").json["supported_languages"]
        assert pairs == [{"source_lang": "de", "target_lang": "en"}, {"source_lang": "en", "target_lang": "de"}]


def test_version_3_edits_dictionaries_one_by_one_in_json_and_forms(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        other = {"source_lang": "de", "target_lang": "en", "entries": 'x,"y ""z"""\n', "entries_format": "csv"}
        made = server.send("/v3/glossaries", {"name": "two", "dictionaries": [EN_DE, other]}).json
        path = f"/v3/glossaries/{made['glossary_id']}"
        counts = [{"source_lang": "en", "target_lang": "de", "entry_count": 2}]
        counts += [{"source_lang": "de", "target_lang": "en", "entry_count": 1}]
        assert made["dictionaries"] == counts
        assert server.get("/v2/glossaries").json == {"glossaries": []}
        assert server.get(path.replace("v3", "v2")).status == 404
        form = {f"dictionaries[0].{name}": value for name, value in EN_DE.items()}
        form |= {"dictionaries[0].entries": "a%09Z%0Ac%09C", "name": "new"}
        encoded = {"content-type": "application/x-www-form-urlencoded"}
        body = "&".join(
            f"{name}={value}" for name, value in (form | {"dictionaries[0].entries": "a%09Z%0Ac%09C"}).items()
        )
        assert server.call("PATCH", path, body, encoded).json["name"] == "new"
        of_both = "?source_lang=EN&target_lang=DE"
        expected = {"source_lang": "en", "target_lang": "de", "entries": "b\tB\na\tZ\nc\tC", "entries_format": "tsv"}
        assert server.get(f"{path}/entries{of_both}").json == {"dictionaries": [expected]}
        replaced = server.call(
            "PUT", f"{path}/dictionaries", "source_lang=en&target_lang=de&entries=q%09Q&entries_format=tsv", encoded
        )
        assert replaced.json == {"source_lang": "en", "target_lang": "de", "entry_count": 1}
        assert server.call("DELETE", f"{path}/dictionaries{of_both}").status == 204
        assert server.call("DELETE", f"{path}/dictionaries{of_both}").status == 404
        assert server.get(path).json["dictionaries"] == counts[1:]
        assert server.get("/v3/glossaries").json["glossaries"] == [server.get(path).json]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": " "}, "name: must have"),
        ({"target_lang": "xx"}, "Value for 'target_lang' not supported."),
        ({"target_lang": "en"}, "source_lang and target_lang must differ"),
        ({"entries": ""}, "entries: there is none"),
        ({"entries": "a\tb\tc"}, "entries: line 1 has 3 columns"),
        ({"entries": "a\tb\na\tc"}, 'entry 2: "a" has a translation already'),
        ({"entries": "a\t"}, "entry 1: needs a source and a target"),
        ({"entries": 'a,"b', "entries_format": "csv"}, "entries: "),
        ({"entries_format": "xml"}, "entries_format: must be tsv or csv"),
        ({"entries": "a" * 201 + "\tb"}, "the term"),
    ],
)
def test_a_faulty_glossary_says_why(fields: dict[str, str], message: str, tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        answer = server.send("/v2/glossaries", EN_DE | {"name": "mine"} | fields)
        assert answer.status == 400
        assert answer.json["message"].startswith(message)


def test_a_server_without_a_folder_says_so() -> None:
    with http_server(FakeTranslator()) as server:
        answer = server.send("/v2/glossaries", EN_DE | {"name": "mine"})
        assert (answer.status, answer.json["message"]) == (
            400,
            "the server has no folder for glossaries, see server.glossaries",
        )


def test_a_glossary_belongs_to_its_token(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.toml"
    tokens.write_text('[[tokens]]\nname = "a"\ntoken = "one"\n[[tokens]]\nname = "b"\ntoken = "two"\n')
    one, two = ({"authorization": f"DeepL-Auth-Key {key}"} for key in ("one", "two"))
    with serving(tmp_path / "glossaries", access={"tokens": str(tokens)}) as server:
        made = server.send("/v2/glossaries", EN_DE | {"name": "mine"}, **one).json
        path = f"/v3/glossaries/{made['glossary_id']}"
        assert server.get(path, **one).status == 200
        assert server.get(path, **two).status == 404
        assert server.call("DELETE", path, headers=two).status == 404
        assert server.get("/v2/glossaries", **two).json == {"glossaries": []}
        order = {"text": ["b"], "source_lang": "EN", "target_lang": "DE", "glossary_id": made["glossary_id"]}
        assert server.send("/v2/translate", order, **one).status == 200
        assert server.send("/v2/translate", order, **two).status == 404


def test_a_translation_has_the_terms_of_its_direction(tmp_path: Path) -> None:
    translator = Translator.load("en-de", num_threads=1, max_slots=8)
    with http_server(translator, server={"glossaries": str(tmp_path)}) as server:
        made = create(server, entries="house\tGebäude\nUS\tVereinigte Staaten")
        order = {"source_lang": "EN", "target_lang": "DE", "glossary_id": made["glossary_id"]}
        for text, fields in (
            ("The House is big.", {}),
            ("<p>The <b>house</b> is big.</p>", {"tag_handling": "html"}),
            ("<a><b>The house is big.</b></a>", {"tag_handling": "xml"}),
        ):
            (found,) = server.send("/v2/translate", order | {"text": [text]} | fields).json["translations"]
            assert "Gebäude" in found["text"]
        document = server.send_file("/v2/document", order, "a.txt", b"The house is big. Give it to us.").json
        path, key = f"/v2/document/{document['document_id']}", {"document_key": document["document_key"]}
        while server.send(path, key).json["status"] not in ("done", "error"):
            pass
        translated = server.send(f"{path}/result", key).content.decode()
        assert ("Gebäude" in translated, "Staaten" in translated) == (True, False)
        missing = server.send("/v2/translate", order | {"text": ["a"], "source_lang": "DE", "target_lang": "EN"})
        assert (missing.status, missing.json["message"]) == (404, "The glossary has no dictionary for de to en")
        del order["source_lang"]
        answer = server.send("/v2/translate", order | {"text": ["a"]})
        assert answer.json["message"].startswith("Parameter 'source_lang' must be")

"""Google's glossaries, with the shipped bundle."""

import pytest

pytest.importorskip("google.cloud.translate_v3", reason="needs google-cloud-translate: pip install 'dragoman[google]'")

from pathlib import Path
from typing import Any

from google.cloud.translate_v3 import types

from dragoman.translation.translator import Translator
from tests.server.grpc.google.running import PARENT, Google, serve

NAME = f"{PARENT}/glossaries/mine"
PAIR = {"source_language_code": "en", "target_language_code": "de"}


@pytest.fixture(scope="module")
def translator() -> Translator:
    return Translator.load("en-de", num_threads=1, max_slots=8)


def tables(folder: Path) -> dict[str, Any]:
    return {"server": {"glossaries": str(folder / "stored")}}


def glossary_of(uri: str, **fields: Any) -> dict[str, Any]:
    config = {"gcs_source": {"input_uri": uri}}
    return {"parent": PARENT, "glossary": {"name": NAME, "input_config": config, "language_pair": PAIR} | fields}


def test_a_glossary_from_its_making_to_its_end(translator: Translator, tmp_path: Path) -> None:
    (tmp_path / "terms.csv").write_text('house,"Gebäude"\nFirefox,Firefox\n', "utf-8")

    async def test(google: Google) -> None:
        operation = await google.wait(await google.call("CreateGlossary", **glossary_of("terms.csv")))
        made, metadata = types.Glossary(), types.CreateGlossaryMetadata()
        assert operation.response.Unpack(types.Glossary.pb(made)), operation.error
        assert (made.name, made.entry_count, made.language_pair.target_language_code) == (NAME, 2, "de")
        assert operation.metadata.Unpack(types.CreateGlossaryMetadata.pb(metadata))
        assert metadata.state is types.CreateGlossaryMetadata.State.SUCCEEDED
        assert await google.call("GetGlossary", name=NAME) == made
        assert list((await google.call("ListGlossaries", parent=PARENT)).glossaries) == [made]

        request: dict[str, Any] = {
            "parent": PARENT,
            "contents": ["The house.", "Yesterday I saw the House."],
            "mime_type": "text/plain",
        }
        request |= {"source_language_code": "en", "target_language_code": "de"}
        plain = await google.call("TranslateText", **request)
        assert not plain.glossary_translations
        found = await google.call("TranslateText", **request, glossary_config={"glossary": NAME})
        assert found.translations == plain.translations
        first, second = found.glossary_translations
        assert "Gebäude" in first.translated_text
        assert first.glossary_config.glossary == NAME
        assert "Gebäude" not in second.translated_text  # as with Google, capitals count
        config = {"glossary": NAME, "ignore_case": True}
        found = await google.call("TranslateText", **request, glossary_config=config)
        assert all("Gebäude" in one.translated_text for one in found.glossary_translations)

        again = await google.wait(await google.call("CreateGlossary", **glossary_of("terms.csv")))
        assert 'there is a glossary "mine" already' in again.error.message
        deleted = await google.wait(await google.call("DeleteGlossary", name=NAME))
        assert deleted.HasField("response")
        assert await google.fail("GetGlossary", name=NAME) == ("NOT_FOUND", 'glossary: there is no glossary "mine"')

    serve(test, translator, files=tmp_path, tables=tables(tmp_path))  # type: ignore[arg-type]


def test_files_are_translated_without_and_with_a_glossary(translator: Translator, tmp_path: Path) -> None:
    (tmp_path / "terms.csv").write_text('house,"Gebäude"\n', "utf-8")
    (tmp_path / "a.txt").write_text("The house is big.\n\nYesterday I saw the House.\n", "utf-8")
    (tmp_path / "b.tsv").write_text(f"7\tThe house is big.\n8\t{'long ' * 40}\n9\tGood morning!\n", "utf-8")
    (tmp_path / "c.txt").write_bytes(b"\xff")

    async def test(google: Google) -> None:
        await google.wait(await google.call("CreateGlossary", **glossary_of("terms.csv")))
        request: dict[str, Any] = {
            "parent": PARENT,
            "source_language_code": "en",
            "target_language_codes": ["de"],
            "input_configs": [{"gcs_source": {"input_uri": name}} for name in ("a.txt", "b.tsv", "c.txt")],
        }
        for output, config in (("exact/", {}), ("any/", {"ignore_case": True})):
            request["output_config"] = {"gcs_destination": {"output_uri_prefix": output}}
            request["glossaries"] = {"de": {"glossary": NAME} | config}
            operation = await google.wait(await google.call("BatchTranslateText", **request))
            assert operation.HasField("response"), operation.error

    serve(test, translator, files=tmp_path, tables=tables(tmp_path), max_text_length=100)  # type: ignore[arg-type]
    written = {path.name: path.read_text("utf-8") for path in (tmp_path / "exact").iterdir()}
    assert written.pop("index.csv").splitlines() == [
        "a.txt,de,exact/a_de_translations.txt,,exact/a_de_glossary_translations.txt,",
        "b.tsv,de,exact/b_de_translations.tsv,exact/b_de_errors.tsv,,",
        "c.txt,de,,exact/c_de_errors.txt,,exact/c_de_glossary_errors.txt",
    ]
    plain, terms = (written.pop(f"a_de_{kind}.txt").splitlines() for kind in ("translations", "glossary_translations"))
    assert (len(plain), plain[1], terms[1], plain[2]) == (3, "", "", terms[2])
    assert ("Gebäude" in plain[0], "Gebäude" in terms[0]) == (False, True)
    with_any_case = (tmp_path / "any/a_de_glossary_translations.txt").read_text("utf-8").splitlines()
    assert "Gebäude" in with_any_case[0]
    assert "Gebäude" in with_any_case[2]
    house, long, morning = (row.split("\t") for row in written.pop("b_de_translations.tsv").splitlines())
    assert house == ["7", "The house is big.", plain[0], terms[0]]
    assert long[2:] == ["", ""]
    assert len(morning) == 4
    assert morning[2] == morning[3] != ""
    (failed,) = (row.split("\t") for row in written.pop("b_de_errors.tsv").splitlines())
    assert failed[2] == failed[3] == "has 200 characters, but at most 100 are allowed"
    assert written == dict.fromkeys(("c_de_errors.txt", "c_de_glossary_errors.txt"), "c.txt: is not in UTF-8\n")


def test_a_table_of_several_languages_names_them(translator: Translator, tmp_path: Path) -> None:
    (tmp_path / "terms.tsv").write_text("en\tfr\tde\tpos\nhouse\tmaison\tGebäude\tnoun\n", "utf-8")

    async def test(google: Google) -> None:
        request = glossary_of("terms.tsv", language_codes_set={"language_codes": ["en", "fr", "de"]})
        del request["glossary"]["language_pair"]
        await google.wait(await google.call("CreateGlossary", **request))
        made = await google.call("GetGlossary", name=NAME)
        assert sorted(made.language_codes_set.language_codes) == ["de", "en", "fr"]

    serve(test, translator, files=tmp_path, tables=tables(tmp_path))  # type: ignore[arg-type]


def test_what_makes_no_sense_is_refused(translator: Translator, tmp_path: Path) -> None:
    (tmp_path / "terms.tmx").write_text("<tmx/>", "utf-8")
    (tmp_path / "empty.csv").write_text("", "utf-8")

    async def test(google: Google) -> None:
        for uri, message in (
            ("terms.tmx", "only .csv, .tsv can be used"),
            ("empty.csv", "has no terms"),
            ("none.csv", "there is no such file"),
            ("/etc/passwd", "is not in the folder"),
        ):
            operation = await google.wait(await google.call("CreateGlossary", **glossary_of(uri)))
            assert message in operation.error.message
        code, message = await google.fail("CreateGlossary", **glossary_of("empty.csv", name="mine"))
        assert (code, message[:13]) == ("INVALID_ARGUMENT", "glossary.name")
        code, _ = await google.fail("CreateGlossary", **glossary_of("empty.csv", language_pair=None))
        assert code == "INVALID_ARGUMENT"

    serve(test, translator, files=tmp_path, tables=tables(tmp_path))  # type: ignore[arg-type]


def test_without_folders_none_is_made(translator: Translator, tmp_path: Path) -> None:
    async def test(google: Google) -> None:
        code, message = await google.fail("CreateGlossary", **glossary_of("terms.csv"))
        assert (code, "server.glossaries" in message) == ("UNIMPLEMENTED", True)

    serve(test, translator)  # type: ignore[arg-type]

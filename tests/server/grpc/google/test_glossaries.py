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

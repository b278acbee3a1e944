"""Options of texts that every transport has: whether to protect, and whether to localize figures."""

from typing import Any

from dragoman.model.config import Direction
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.server.client import Client
from dragoman.translation.drafts import PreparedText
from tests.server.fakes import FakeTranslator, running_server
from tests.server.http.calling import http_server

LIBRE, DEEPL = {"source": "en", "target": "de"}, {"source_lang": "EN", "target_lang": "DE"}
CHOSEN = {"protect": "false", "localize_figures": "true"}


class Watched(FakeTranslator):
    """Keeps the options with which texts are prepared."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[bool, bool]] = []

    def prepare(
        self,
        text: str,
        direction: Direction,
        options: SearchOptions,
        *,
        split_sentences: bool = True,
        protect: bool = True,
        localize_figures: bool = False,
        join_lines: bool = True,
        terms: object = None,
    ) -> PreparedText:
        self.seen.append((protect, localize_figures))
        return super().prepare(text, direction, options, split_sentences=split_sentences, join_lines=join_lines)

    def take(self) -> set[tuple[bool, bool]]:
        """The options since the last call."""
        seen, self.seen = set(self.seen), []
        return seen


def test_a_client_chooses_them_for_texts() -> None:
    translator = Watched()
    with running_server(translator) as address, Client(address) as client:
        client.translate(["a b"], "de")
        assert translator.take() == {(True, False)}
        client.translate(["a b"], "de", protect=False, localize_figures=True)
        assert translator.take() == {(False, True)}
        list(client.translate_stream(["a b"], "de", localize_figures=True))
        assert translator.take() == {(True, True)}
        list(client.translate_live("a b", "de", protect=False))
        assert translator.take() == {(False, False)}


def test_http_has_them_for_texts_and_documents() -> None:
    translator = Watched()
    with http_server(translator) as server:

        def send(path: str, fields: dict[str, Any]) -> set[tuple[bool, bool]]:
            assert server.send(path, fields).status == 200
            return translator.take()

        v1: dict[str, Any] = {"texts": ["a b"], "targetLanguageCode": "de"}
        for path, fields in (
            ("/translate", LIBRE | {"q": "a b"}),
            ("/v2/translate", DEEPL | {"text": ["a b"]}),
            ("/v1/translate", v1),
        ):
            assert send(path, fields) == {(True, False)}
        assert send("/translate", LIBRE | CHOSEN | {"q": "a b"}) == {(False, True)}
        assert send("/v2/translate", DEEPL | CHOSEN | {"text": ["a b"]}) == {(False, True)}
        assert send("/v1/translate", v1 | {"protect": False, "localizeFigures": True}) == {(False, True)}
        refused = server.send("/translate", LIBRE | {"q": "a b", "protect": "perhaps"})
        assert (refused.status, refused.json) == (400, {"error": "protect: must be true or false"})

        content = b'{"a": "c d"}'
        assert server.send_file("/translate_file", LIBRE, "a.json", content).status == 200
        assert translator.take() == {(True, False)}
        assert server.send_file("/translate_file", LIBRE | CHOSEN, "a.json", content).status == 200
        assert translator.take() == {(False, True)}
        found = server.send_file("/v2/document", DEEPL | CHOSEN, "a.json", content).json
        path, key = f"/v2/document/{found['document_id']}", {"document_key": found["document_key"]}
        while server.send(path, key).json["status"] in ("queued", "translating"):
            pass
        assert translator.take() == {(False, True)}

        v1_chosen = {"targetLanguageCode": "de", "protect": "false", "localizeFigures": "true"}
        sent = server.send_file("/v1/documents", v1_chosen, "a.json", content).json
        while server.get(f"/v1/documents/{sent['id']}?key={sent['key']}").json["state"] in ("queued", "translating"):
            pass
        assert translator.take() == {(False, True)}

"""The page as a server sends it: without a browser, and so without JavaScript."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from dragoman.model.config import Direction
from dragoman.server.http.page.page import STATIC, direction_of
from dragoman.server.http.port import url_of
from tests.server.fakes import DE_EN, EN_DE, FakeTranslator
from tests.server.http.calling import Answer, HttpServer, http_server

HOSTILE = "</textarea><script>alert(1)</script>\"'><img src=x onerror=alert(1)>&lt;"
TOKEN = "0123456789-abcdef"
FIRST_PAINT_BYTES = 100_000


class Reader(HTMLParser):
    """The elements of a page, and the text of those with an id."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self._open: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.elements.append((tag, found))
        self._open.append((tag, found.get("id") or ""))
        self.texts[found.get("id") or ""] = ""

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        for _, name in self._open:
            self.texts[name] += data

    def chosen(self, select: str) -> str | None:
        inside = False
        for tag, attributes in self.elements:
            if tag == "select":
                inside = attributes.get("id") == select
            if inside and tag == "option" and "selected" in attributes:
                return attributes["value"]
        return None


def read(answer: Answer) -> Reader:
    reader = Reader()
    reader.feed(answer.content.decode())
    return reader


def files_of(server: HttpServer) -> list[str]:
    """The files that the page names."""
    page = read(server.get("/"))
    named = [found.get("src") or found.get("href") or "" for _, found in page.elements]
    return [one for one in named if one.startswith("/page/")]


def test_the_page_offers_the_languages_of_the_models() -> None:
    with http_server(FakeTranslator(directions=(EN_DE, DE_EN, Direction("ar", "de")))) as server:
        answer = server.get("/")
        assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        page = read(answer)
        options = [found for tag, found in page.elements if tag == "option"]
        assert [one["value"] for one in options] == ["auto", "ar", "en", "de", "en", "de"]
        assert [one.get("data-targets") for one in options[:4]] == [None, "de", "de", "en"]


def test_no_script_and_no_style_stands_in_the_page() -> None:
    with http_server(FakeTranslator()) as server:
        answer = server.get("/")
        for tag, found in read(answer).elements:
            assert tag != "style"
            assert tag != "script" or found.get("src", "").startswith("/page/")  # type: ignore[union-attr]
            assert not [name for name in found if name == "style" or name.startswith("on")]
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert not re.search(r"https?://(?!www\.w3\.org)", answer.content.decode())


@pytest.mark.parametrize("path", ["/", "/page/page.css", "/page/no-such-file"])
def test_every_answer_of_the_page_has_its_security_headers(path: str) -> None:
    with http_server(FakeTranslator()) as server:
        headers = server.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_what_the_first_paint_needs_is_small_and_there() -> None:
    with http_server(FakeTranslator()) as server:
        names = files_of(server)
        assert {"/page/main.js", "/page/page.css", "/page/theme.js"} <= set(names)
        answers = [server.get(name) for name in names]
        assert {answer.status for answer in answers} == {200}
        assert sum(len(answer.content) for answer in answers) + len(server.get("/").content) < FIRST_PAINT_BYTES


def test_modules_import_what_is_there() -> None:
    for module in STATIC.rglob("*.js"):
        text = module.read_text("utf-8")
        assert not re.search(r"\b(innerHTML|outerHTML|insertAdjacentHTML|eval|document\.write)\b", text), module
        for name in re.findall(r'from "(\./|\.\./)([\w/.]+)"', text):
            assert (module.parent / "".join(name)).is_file(), (module, name)


def test_a_file_that_the_browser_has_is_not_sent_again() -> None:
    with http_server(FakeTranslator()) as server:
        first = server.get("/page/page.css")
        again = server.call("GET", "/page/page.css", headers={"if-none-match": first.headers["etag"]})
        assert (again.status, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["/page/../page.py", "/page/%2e%2e/page.py", "/page/index.html", "/page//etc/passwd"])
def test_no_other_file_is_served(path: str) -> None:
    with http_server(FakeTranslator()) as server:
        assert server.get(path).status == 404


def test_the_plain_form_translates() -> None:
    with http_server(FakeTranslator()) as server:
        answer = server.send_form("/", {"text": "a b\r\nc", "source": "en", "target": "de"})
        page = read(answer)
        assert answer.status == 200
        assert page.texts["translation"] == "c b a"
        assert page.texts["text"] == "\na b\nc"  # a parser of HTML drops the first line break
        assert (page.chosen("source"), page.chosen("target")) == ("en", "de")


def test_the_plain_form_says_which_language_it_found() -> None:
    with http_server(FakeTranslator(directions=(EN_DE, DE_EN))) as server:
        fields = {"text": "The weather is lovely this morning.", "source": "auto", "target": "de"}
        page = read(server.send_form("/", fields))
        assert page.texts["notice"] == "The text is in English."
        assert page.chosen("source") == "auto"


def test_texts_are_never_html() -> None:
    with http_server(FakeTranslator()) as server:
        for answer in (
            server.send_form("/", {"text": HOSTILE, "source": "en", "target": "de"}),
            server.send_form("/", {"text": HOSTILE, "source": HOSTILE, "target": HOSTILE}),
            server.get("/?text=%3C%2Ftextarea%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E&source=%22%3E%3Cimg%3E"),
        ):
            page = read(answer)
            assert [tag for tag, _ in page.elements if tag in ("img", "script")] == ["script", "script"]
            assert b"<img" not in answer.content
        assert read(server.send_form("/", {"text": HOSTILE, "source": "en", "target": "de"})).texts["text"] == (
            f"\n{HOSTILE}"
        )


@pytest.mark.parametrize(
    ("fields", "status", "notice"),
    [
        ({"text": " ", "source": "en", "target": "de"}, 200, "There is no text to translate."),
        ({"text": "a", "source": "en", "target": "xx"}, 404, 'nothing translates into "xx"'),
        ({"text": "a refused", "source": "en", "target": "de"}, 400, "the engine refuses this text."),
    ],
)
def test_the_plain_form_says_in_words_what_is_wrong(fields: dict[str, str], status: int, notice: str) -> None:
    with http_server(FakeTranslator()) as server:
        answer = server.send_form("/", fields)
        assert answer.status == status
        assert notice in read(answer).texts["notice"]
        assert read(answer).texts["text"] == f"\n{fields['text']}"
        assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_too_long_a_text_is_refused_in_words() -> None:
    with http_server(FakeTranslator(), limits={"max_text_length": 5}) as server:
        answer = server.send_form("/", {"text": "a b c d e f", "source": "en", "target": "de"})
        assert (answer.status, read(answer).texts["text"]) == (400, "\na b c d e f")
        assert "at most 5" in read(answer).texts["notice"]


def test_the_plain_form_takes_a_token_where_one_is_wanted(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(f'[[tokens]]\nname = "page"\ntoken = "{TOKEN}"\n', "utf-8")
    fields = {"text": "a b", "source": "en", "target": "de"}
    with http_server(FakeTranslator(), access={"tokens": str(tokens)}) as server:
        refused = server.send_form("/", fields)
        assert (refused.status, read(refused).texts["notice"]) == (
            401,
            "This server wants an access token that it knows.",
        )
        assert [found for _, found in read(refused).elements if found.get("name") == "token"]
        assert read(server.send_form("/", fields | {"token": TOKEN})).texts["translation"] == "b a"
        assert TOKEN not in server.send_form("/", fields | {"token": TOKEN}).content.decode()


@pytest.mark.parametrize(
    ("address", "is_secure", "url"),
    [
        ("127.0.0.1:5000", False, "http://127.0.0.1:5000/"),
        ("0.0.0.0:5000", False, "http://localhost:5000/"),
        ("[::]:443", True, "https://localhost:443/"),
        ("mt.example.org:443", True, "https://mt.example.org:443/"),
    ],
)
def test_a_browser_finds_the_page_by_what_the_server_says(address: str, is_secure: bool, url: str) -> None:
    assert url_of(address, is_secure=is_secure) == url


@pytest.mark.parametrize(
    ("language", "direction"), [("ar", "rtl"), ("he-IL", "rtl"), ("de", "ltr"), ("auto", "auto"), ("", "auto")]
)
def test_languages_are_written_in_their_direction(language: str, direction: str) -> None:
    assert direction_of(language) == direction

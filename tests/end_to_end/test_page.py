"""The page in a real Chromium, with the bundled model, and with a translator that can be held where that matters."""

import json
import re
from pathlib import Path

import pytest

from dragoman.model.config import Direction
from tests.end_to_end.in_chromium import (
    HOSTILE,
    Open,
    Page,
    address,
    browser,
    expect_text,
    open_page,
    pytestmark,
    serve,
    wait_until,
)
from tests.server.fakes import DE_EN, EN_DE, FakeTranslator
from tests.server.http.calling import http_server
from tests.server_process import STOP_SECONDS, free_port

__all__ = ("address", "browser", "open_page", "pytestmark")

TOKEN = "0123456789-abcdef"
SENTENCE = "The weather is fine today, so we go to the lake."
MIDDLE_OF = """([id, word]) => {
  const texts = document.createTreeWalker(document.getElementById(id), NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const begin = texts.currentNode.data.indexOf(word);
    if (begin < 0) continue;
    const range = document.createRange();
    range.setStart(texts.currentNode, begin);
    range.setEnd(texts.currentNode, begin + word.length);
    const {left, top, width, height} = range.getBoundingClientRect();
    return [left + width / 2, top + height / 2];
  }
}"""
HIGHLIGHTS = "name => [...(CSS.highlights.get(name) ?? [])].map(String)"
SHIFTS = """() => {
  window.shifts = [];
  const isOutside = ({node}) => !node?.parentElement?.closest("#translation");
  const describe = (one) => one.sources.filter(isOutside).map(({node}) => node?.nodeName + (node?.id ?? ""));
  new PerformanceObserver((list) => window.shifts.push(...list.getEntries().flatMap(describe)))
    .observe({type: 'layout-shift', buffered: true});
}"""
MOVED = "() => window.shifts"


def translate(page: Page, text: str, translation: str | re.Pattern[str]) -> None:
    page.locator("#text").fill(text)
    expect_text(page, "#translation", translation)
    wait_until(page, "document.getElementById('copy').disabled === false")


def test_what_is_typed_is_translated_and_its_language_found(open_page: Open, address: str) -> None:
    page = open_page(address)
    page.locator("#text").press_sequentially("Good morning!")
    expect_text(page, "#translation", "Guten Morgen!")
    expect_text(page, "#source option:checked", "English (detected)")
    assert page.locator("#translation").get_attribute("lang") == "de"
    page.locator("#text").fill("Guten Morgen, liebe Freunde!")
    expect_text(page, "#source option:checked", "German (detected)")
    expect_text(page, "#target option:checked", "English")  # nobody had chosen German
    expect_text(page, "#translation", re.compile("Good morning"))


def test_a_word_s_counterpart_lights_up_on_either_side(open_page: Open, address: str) -> None:
    page = open_page(address)
    translate(page, SENTENCE, re.compile("Das Wetter"))
    page.mouse.move(*page.evaluate(MIDDLE_OF, ["translation", "Wetter"]))
    wait_until(page, "CSS.highlights.has('counterpart')")
    assert (page.evaluate(HIGHLIGHTS, "word"), page.evaluate(HIGHLIGHTS, "counterpart")) == (["Wetter"], ["weather"])
    page.mouse.move(*page.evaluate(MIDDLE_OF, ["mirror", "lake"]))
    wait_until(page, "[...(CSS.highlights.get('counterpart') ?? [])].join().startsWith('See')")
    page.mouse.move(5, 5)
    wait_until(page, "!CSS.highlights.has('word')")


def test_offsets_count_characters_as_the_browser_does_not(open_page: Open, address: str) -> None:
    page = open_page(address)
    translate(page, "😀😀 Good morning!", re.compile("Guten Morgen"))
    page.mouse.move(*page.evaluate(MIDDLE_OF, ["translation", "Morgen"]))
    wait_until(page, "[...(CSS.highlights.get('counterpart') ?? [])].join() === 'morning!'")


def test_doubts_are_marked_where_they_are_and_listed(open_page: Open) -> None:
    hypothesis = {
        "text": "Es sind 4 Hunde.",
        "quality": 0.4,
        "pieces": ["▁Es", "▁sind", "▁", "4", "▁Hunde", "."],
        "tokenLogProbs": [-0.1, -0.2, -0.1, -1.5, -0.1, -0.1, -0.1],
        "warnings": [
            {
                "kind": "WARNING_KIND_FIGURE_DIFFERS",
                "source": {"begin": 10, "end": 11},
                "target": {"begin": 8, "end": 9},
            }
        ],
        "terms": [{"source": "dogs", "reason": "no room for it"}],
    }
    messages = [
        {"started": {"model": "m", "sourceLanguageCode": "en"}, "unstableText": "Es"},
        {"stableText": hypothesis["text"], "translation": {"hypotheses": [hypothesis]}},
    ]
    events = [f"data: {json.dumps(message)}\n\n" for message in messages]
    with http_server(FakeTranslator()) as server:
        page = open_page(server.address)
        answer = {"content_type": "text/event-stream", "body": "".join([*events, "event: done\ndata: {}\n\n"])}
        page.route("**/v1/translateLive", lambda route: route.fulfill(**answer))
        translate(page, "There are 3 dogs.", "Es sind 4 Hunde.")
        assert page.evaluate(HIGHLIGHTS, "doubt") == ["3", "4"]
        assert page.evaluate(HIGHLIGHTS, "unsure") == ["4"]
        expect_text(page, "#quality", "Estimated quality 40 %")
        page.get_by_role("button", name="2 doubts").click()
        expect_text(page, "#doubt-list", re.compile("A figure differs: 4.*“dogs” is missing: no room for it"))
        page.keyboard.press("Escape")
        page.mouse.move(*page.evaluate(MIDDLE_OF, ["translation", "4"]))
        wait_until(page, "document.getElementById('translation').title.startsWith('A figure differs; The model was')")


def test_a_fault_amid_a_translation_is_said(open_page: Open) -> None:
    fault = {"error": {"code": "UNAVAILABLE", "message": "the engine failed and restarts"}}
    with http_server(FakeTranslator()) as server:
        page = open_page(server.address)
        body = (
            f"data: {json.dumps({'started': {}, 'unstableText': 'a'})}\n\nevent: error\ndata: {json.dumps(fault)}\n\n"
        )
        answer = {"content_type": "text/event-stream", "body": body}
        page.route("**/v1/translateLive", lambda route: route.fulfill(**answer))
        page.locator("#text").fill("a b")
        expect_text(page, "#notice", "The engine failed and restarts.")
        page.unroute("**/v1/translateLive")
        page.locator("#text").fill("a b c")
        expect_text(page, "#translation", "c b a")
        expect_text(page, "#notice", "")


def test_a_click_shows_what_the_search_has_instead(open_page: Open, address: str) -> None:
    page = open_page(address)
    translate(page, f"{SENTENCE} Good morning!", re.compile("See. Guten Morgen!"))
    before = page.inner_text("#translation")
    page.mouse.click(*page.evaluate(MIDDLE_OF, ["translation", "gehen"]))
    options = page.locator("#alternatives [role=option]")
    options.first.wait_for()
    words = options.locator("b").all_inner_texts()
    assert len(words) == len(set(words)) > 1
    assert "gehen" not in words
    options.first.click()
    expect_text(page, "#translation", re.compile(f"^Das Wetter ist heute schön, also {words[0]}.* Guten Morgen!$"))
    page.click("#undo")
    expect_text(page, "#translation", before)


def test_a_word_of_a_long_text_has_its_counterpart_too(open_page: Open, address: str) -> None:
    page = open_page(address)
    translate(page, f"The bridge is old. {60 * f'{SENTENCE} '}", re.compile("zum See. $"))
    page.evaluate("scrollTo(0, 0)")
    page.mouse.move(*page.evaluate(MIDDLE_OF, ["translation", "Brücke"]))
    wait_until(page, "[...(CSS.highlights.get('counterpart') ?? [])].join() === 'bridge'")
    page.mouse.move(*page.evaluate(MIDDLE_OF, ["mirror", "weather"]))
    wait_until(page, "[...(CSS.highlights.get('counterpart') ?? [])].join() === 'Wetter'")


def test_all_of_it_works_from_the_keyboard(open_page: Open, address: str) -> None:
    page = open_page(address)
    translate(page, SENTENCE, re.compile("Das Wetter"))
    page.focus("#translation")
    for key in ("ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    assert page.evaluate(HIGHLIGHTS, "counterpart") == ["weather"]
    expect_text(page, "#announcement", re.compile("^Wetter. from weather"))
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    page.locator("#alternatives [role=option]").first.wait_for()
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "translation"
    page.keyboard.press("Alt+s")
    expect_text(page, "#target option:checked", "English")
    assert page.input_value("#text").startswith("Das Wetter")
    page.focus("#text")
    page.keyboard.press("Escape")
    assert page.input_value("#text") == ""
    page.keyboard.press("Control+z")
    assert page.input_value("#text").startswith("Das Wetter")
    page.keyboard.press("Control+z")
    assert page.input_value("#text") == SENTENCE


def test_the_stable_part_is_firm_and_the_rest_grey_and_nothing_moves(open_page: Open) -> None:
    with http_server(FakeTranslator()) as server:
        page = open_page(server.address)
        page.evaluate(SHIFTS)
        page.locator("#text").press_sequentially("a b c")
        expect_text(page, "#translation", "c b a")
        page.locator("#text").press_sequentially(" forever")
        expect_text(page, "#translation", "forever c b a")
        expect_text(page, "#translation .pending", re.compile(r"\s*a"))
        assert page.is_disabled("#copy")
        page.locator("#text").fill("x y")
        expect_text(page, "#translation", "y x")
        assert page.evaluate(MOVED) == []


def test_a_server_that_dies_and_comes_back_is_noticed(open_page: Open, tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    server = serve(tmp_path / "first", address)
    try:
        page = open_page(address)
        translate(page, "Good morning!", "Guten Morgen!")
        server.kill()
        page.locator("#text").fill("Thank you!")
        expect_text(page, "#notice", re.compile("^The server does not answer"))
    finally:
        if server.is_alive:
            server.kill()
        server._reading.join(STOP_SECONDS)
    with serve(tmp_path / "second", address):
        expect_text(page, "#translation", "Danke!")
        expect_text(page, "#notice", "")


def test_errors_are_said_in_words(open_page: Open) -> None:
    with http_server(FakeTranslator(), limits={"max_text_length": 20}) as server:
        page = open_page(server.address)
        page.locator("#text").fill("a refused")
        expect_text(page, "#notice", "The engine refuses this text.")
        page.locator("#text").fill("a b c d e f g h i j k l m")
        expect_text(page, "#notice", re.compile("at most 20"))
        expect_text(page, "#count", "25 / 20")
        page.locator("#text").fill("a b")
        expect_text(page, "#notice", "")


def test_a_token_is_asked_for_and_kept_on_request_alone(open_page: Open, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(f'[[tokens]]\nname = "page"\ntoken = "{TOKEN}"\n', "utf-8")
    with http_server(FakeTranslator(), access={"tokens": str(tokens)}) as server:
        page = open_page(server.address)
        page.locator("#text").fill("a b")
        expect_text(page, "#notice", re.compile("^This server wants an access token"))
        page.get_by_role("button", name="Enter a token").click()
        page.fill("#token", TOKEN)
        page.keyboard.press("Enter")
        expect_text(page, "#translation", "b a")
        assert page.evaluate("Object.values(localStorage).join()").count(TOKEN) == 0
        page.click("#open-access")
        page.fill("#token", TOKEN)
        page.check("#keep-token")
        page.get_by_role("button", name="Use it").click()
        page.reload()
        page.locator("#text").fill("a b c")
        expect_text(page, "#translation", "c b a")


def test_choices_are_remembered(open_page: Open, address: str) -> None:
    page = open_page(address)
    page.select_option("#target", "en")
    page.select_option("#source", "de")
    page.click("#theme")
    page.reload()
    assert (page.input_value("#source"), page.input_value("#target")) == ("de", "en")
    assert page.get_attribute("html", "data-theme") == "light"


def test_languages_without_a_model_between_them_give_way(open_page: Open) -> None:
    with http_server(FakeTranslator(directions=(EN_DE, DE_EN, Direction("fr", "en")))) as server:
        page = open_page(server.address)
        page.select_option("#source", "en")
        page.select_option("#target", "en")
        assert (page.input_value("#source"), page.input_value("#target")) == ("de", "en")
        page.select_option("#source", "fr")
        assert page.is_disabled("#swap")


def test_a_direction_through_a_pivot_has_no_details(open_page: Open) -> None:
    legs = FakeTranslator("de-en", directions=(DE_EN,)), FakeTranslator("en-fr", directions=(Direction("en", "fr"),))
    with http_server(*legs, server={"pivot": "en"}) as server:
        page = open_page(server.address)
        page.select_option("#source", "de")
        page.select_option("#target", "fr")
        page.locator("#text").fill("a b")
        expect_text(page, "#translation", "a b")
        page.locator("#text").fill("a b c")
        expect_text(page, "#translation", "a b c")
        expect_text(page, "#notice", "")


def test_right_to_left_languages_are_written_so(open_page: Open) -> None:
    with http_server(FakeTranslator(directions=(Direction("ar", "he"), Direction("en", "he")))) as server:
        page = open_page(server.address)
        page.select_option("#source", "ar")
        page.locator("#text").fill("a b")
        expect_text(page, "#translation", "b a")
        assert page.get_attribute("#translation", "dir") == page.get_attribute("#text", "dir") == "rtl"
        page.select_option("#source", "auto")
        assert page.get_attribute("#text", "dir") == "auto"


def test_formatted_text_is_pasted_as_text_with_its_paragraphs(open_page: Open) -> None:
    with http_server(FakeTranslator()) as server:
        page = open_page(server.address)
        paste = """html => {
          const data = new DataTransfer();
          data.setData("text/html", html);
          const text = document.getElementById("text");
          text.focus();
          text.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true}));
        }"""
        page.evaluate(
            paste,
            "<h1>A <b>title</b></h1><p>One\n line<br>next</p><ul><li>x<li>y</ul>"
            "<img src=x onerror=alert(1)><script>alert(1)</script><table><tr><td>1<td>2</table>",
        )
        assert page.input_value("#text") == "A title\n\nOne line\nnext\n\nx\ny\n\n1\t2"


def test_hostile_text_stays_text(open_page: Open) -> None:
    with http_server(FakeTranslator()) as server:
        page = open_page(server.address)
        page.locator("#text").fill(HOSTILE)
        wait_until(page, "document.getElementById('translation').textContent.includes('onerror')")
        assert page.locator("#translation *").count() == page.locator("#translation span.pending").count()
        plain = open_page(server.address, java_script_enabled=False)
        plain.locator("#text").fill(HOSTILE)
        plain.select_option("#source", "en")
        plain.get_by_role("button", name="Translate", exact=True).click()
        assert plain.input_value("#text") == HOSTILE
        assert plain.locator("#translation *").count() == 0


def test_it_works_without_javascript(open_page: Open, address: str) -> None:
    page = open_page(address, java_script_enabled=False)
    page.locator("#text").fill("Good morning!")
    page.select_option("#target", "de")
    page.get_by_role("button", name="Translate", exact=True).click()
    expect_text(page, "#translation", "Guten Morgen!")
    expect_text(page, "#notice", "The text is in English.")


@pytest.mark.parametrize(("scheme", "width"), [("light", 360), ("dark", 1280)])
def test_axe_finds_nothing(open_page: Open, address: str, scheme: str, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is missing")
    page = open_page(address, color_scheme=scheme, viewport={"width": width, "height": 800}, bypass_csp=True)

    def find_nothing() -> None:
        found = axe.Axe().run(page)
        assert found.violations_count == 0, found.generate_report()

    find_nothing()
    translate(page, SENTENCE, re.compile("See"))
    find_nothing()
    page.mouse.click(*page.evaluate(MIDDLE_OF, ["translation", "Wetter"]))
    page.locator("#alternatives [role=option]").first.wait_for()
    find_nothing()
    assert page.evaluate("document.documentElement.scrollWidth") <= width

"""The page's panels in a real Chromium, with the bundled model."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dragoman.commands.explain import make_page
from dragoman.model.config import Direction
from dragoman.model.decoding.loading import open_model
from dragoman.translation.scoring.explaining import Explainer
from tests.end_to_end.in_chromium import (  # fixtures, and the reasons to be skipped
    HOSTILE,
    MILLISECONDS,
    Open,
    Page,
    address,
    browser,
    expect_text,
    open_page,
    playwright,
    pytestmark,
    wait_until,
)

__all__ = ("address", "browser", "open_page", "pytestmark")

PANELS = ("documents", "terms", "history", "attention", "developers", "server")
SENTENCE = "The dog sees the house."
TRANSLATION = "Der Hund sieht das Haus."
CAT = re.compile("Katze")
EN_DE = Direction("en", "de")

DROP = """([name, content]) => {
  const data = new DataTransfer();
  data.items.add(new File([content], name));
  const target = document.querySelector("main");
  for (const kind of ["dragenter", "dragover", "drop"]) {
    target.dispatchEvent(new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
  }
}"""


def open_panel(page: Page, name: str) -> Any:
    panel = page.locator(f"[data-panel={name}]")
    panel.locator("summary").click()
    return panel


def translate(page: Page, text: str = SENTENCE, due: str | re.Pattern[str] = TRANSLATION) -> None:
    page.select_option("#target", "de")
    page.fill("#text", text)
    expect_text(page, "#translation", due)
    wait_until(page, "document.getElementById('copy').disabled === false")


def function_of(page: Page, module: str, call: str) -> Any:
    """The value of a call of a module's pure function."""
    return page.evaluate(f"async () => {{ const m = await import('/page/panels/{module}.js'); return m.{call}; }}")


def test_the_attention_picture_shows_the_networks_numbers(open_page: Open, address: str) -> None:
    page = open_page(address)
    translate(page)
    panel = open_panel(page, "attention")
    found = Explainer(open_model(["en-de"])).explain(SENTENCE, TRANSLATION, EN_DE)
    panel.get_by_role("combobox", name="By").select_option("false")  # piece
    columns = panel.locator("thead th")
    playwright.expect(columns).to_have_count(len(found.source_pieces), timeout=MILLISECONDS)
    panel.get_by_role("combobox", name="Layer").select_option(index=1)
    panel.get_by_role("combobox", name="Head").select_option(index=4)  # behind the mean
    panel.locator("tbody button", has_text="Hund").click()
    row = found.written.index("▁Hund")
    weights = found.trace.cross[1].weights[3, row]
    best = int(weights.argmax())
    label = columns.nth(best).text_content()
    assert label.strip("·") == found.source_pieces[best].removeprefix("▁")
    expect_text(page, ".attention-said", f"“Hund” looks at “{label}”: {round(100 * weights[best])} %")
    playwright.expect(panel.locator(".attention-vectors rect")).to_have_count(3 * 64, timeout=MILLISECONDS)
    score = float(found.trace.cross[1].queries[3, row] @ found.trace.cross[1].keys[3, best]) / 8
    assert f"= {score:.1f}"[:-1] in panel.locator(".attention-sum").text_content()
    next_word = panel.locator(".attention-ranking").nth(1).locator("li").first.text_content()
    assert next_word.startswith("Hund")


def test_the_attention_picture_is_reached_by_keys_and_takes_any_pair(open_page: Open, address: str) -> None:
    page = open_page(address)
    panel = open_panel(page, "attention")
    expect_text(page, "[data-panel=attention] .panel-note", "Type a text above, or try the example.")
    panel.get_by_text("Try the pink elephant").click()
    panel.locator("thead th", has_text="elephant").wait_for()
    panel.get_by_label("Its translation").fill("Ein Elefant.")
    panel.get_by_label("Its translation").press("Enter")
    playwright.expect(panel.locator("tbody th")).to_have_text(["Ein", "Elefant", ".", "end"], timeout=MILLISECONDS)
    panel.locator(".attention-matrix").focus()
    page.keyboard.press("ArrowDown")
    assert panel.locator("tbody button[aria-pressed=true]").text_content() == "Elefant"
    page.keyboard.press("ArrowRight")
    assert panel.locator(".attention-said").text_content().startswith("“Elefant” looks at “")
    panel.get_by_label("Its translation").fill(150 * "Hund ")
    panel.get_by_label("Its translation").press("Enter")
    expect_text(
        page, "[data-panel=attention] .panel-note", "The translation has 151 pieces, but at most 100 can be shown."
    )


def test_the_page_of_explain_needs_nothing_else(browser: Any, tmp_path: Path) -> None:
    explanation = Explainer(open_model(["en-de"])).explain(SENTENCE, HOSTILE, EN_DE)
    fields = explanation.fields() | {"sourceLanguageCode": "en", "targetLanguageCode": "de"}
    pair = {"source": SENTENCE, "target": HOSTILE, "explanation": fields, "vectors": explanation.all_vectors()}
    path = tmp_path / "explain.html"
    path.write_text(make_page([pair, pair], "en-de"), "utf-8")
    asked: list[str] = []
    page = browser.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: asked.append(str(error)))
    page.on("console", lambda said: asked.append(said.text))
    page.goto(path.as_uri())
    page.locator("td[data-row]").first.wait_for()
    page.get_by_role("combobox", name="Head").select_option(value="0")
    playwright.expect(page.locator(".attention-vectors rect")).to_have_count(3 * 64)
    assert page.locator("#texts p").nth(1).text_content() == HOSTILE
    assert page.locator("img").count() == 0
    assert asked == [path.as_uri()]
    page.close()


def test_documents_are_dropped_translated_and_kept(open_page: Open, address: str) -> None:
    page = open_page(address)
    page.select_option("#target", "de")
    wait_until(page, "document.querySelector('.drop') !== null")
    page.evaluate(DROP, ["<img src=x>.md", "# The dog\n\nThe dog sees the **house**.\n"])
    panel = page.locator("[data-panel=documents]")
    assert panel.get_attribute("open") is not None
    assert panel.locator(".document-name").text_content() == "<img src=x>.md"
    expect_text(page, ".document-about", "39 B, into German, done")
    page.reload()
    open_panel(page, "documents")
    with page.expect_download() as download:
        panel.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename.endswith(".de.md")
    content = Path(download.value.path()).read_text()
    assert content.startswith("# Der Hund\n\n")
    assert "**Haus**" in content
    panel.get_by_role("button", name="Remove <img src=x>.md").click()
    assert panel.locator(".documents").is_hidden()


def test_a_document_that_fails_says_why_and_can_be_tried_again(open_page: Open, address: str) -> None:
    page = open_page(address)
    page.select_option("#target", "en")
    panel = open_panel(page, "documents")
    english = "The weather is lovely this morning, and we are going to the lake with the children."
    panel.locator("input[type=file]").set_input_files({"name": "a.txt", "mimeType": "", "buffer": english.encode()})
    expect_text(page, ".document-about", "Source and target language are the same: the document is in en")
    page.select_option("#target", "de")
    panel.get_by_role("button", name="Try again").click()
    expect_text(page, ".document-about", "83 B, into German, done")
    panel.locator("input[type=file]").set_input_files({"name": "a.exe", "mimeType": "", "buffer": b"MZ"})
    expect_text(page, ".documents li:first-child .document-about", 'The file extension ".exe" is unknown.')


def test_terms_count_at_once_and_are_kept(open_page: Open, address: str) -> None:
    page = open_page(address)
    translate(page)
    panel = open_panel(page, "terms")
    row = panel.locator("tbody tr").first
    row.get_by_label("Word in the text").fill("house")
    expect_text(page, ".terms tbody tr:first-child .term-state", "Give its translation, or keep it as it is.")
    row.get_by_label("Its translation").fill("Gebäude")
    expect_text(page, "#translation", "Der Hund sieht das Gebäude.")
    expect_text(page, ".terms tbody tr:first-child .term-state", "used")
    row.get_by_label("Keep it as it is").check()
    playwright.expect(page.locator("#translation")).to_contain_text("house", timeout=MILLISECONDS)
    page.reload()
    page.locator(".panel-count", has_text="1").wait_for()
    page.fill("#text", SENTENCE)
    playwright.expect(page.locator("#translation")).to_contain_text("house", timeout=MILLISECONDS)
    page.select_option("#target", "en")
    expect_text(page, ".panel-count", "")  # terms belong to their target language


def test_terms_are_loaded_and_saved_as_a_table(open_page: Open, address: str, tmp_path: Path) -> None:
    page = open_page(address)
    translate(page)
    panel = open_panel(page, "terms")
    table = f"de\ten\tnote\nGebäude | Bau\thouse\tx\n{HOSTILE}\tcat\t\n=\tDragoman\t\n".encode()
    panel.locator("input[type=file]").set_input_files({"name": "t.tsv", "mimeType": "", "buffer": table})
    expect_text(page, "#translation", "Der Hund sieht das Gebäude.")
    expect_text(page, "[data-panel=terms] .panel-note", "3 terms were loaded from t.tsv.")
    with page.expect_download() as download:
        panel.get_by_role("button", name="Save TSV").click()
    assert download.value.suggested_filename == "terms-en-de.tsv"
    saved = Path(download.value.path())
    assert saved.read_text() == f"en\tde\nhouse\tGebäude | Bau\ncat\t{HOSTILE}\nDragoman\t=\n"
    panel.locator("input[type=file]").set_input_files({"name": "t.tsv", "mimeType": "", "buffer": b"en\tfr\na\tb\n"})
    message = "The file has no column for de: its first line names en, fr."
    expect_text(page, "[data-panel=terms] .panel-note", message)
    panel.get_by_role("button", name="Remove all").click()
    expect_text(page, "#translation", TRANSLATION)


def test_the_history_stays_in_the_browser(open_page: Open, address: str) -> None:
    page = open_page(address)
    page.select_option("#target", "de")
    page.locator("#text").press_sequentially("The dog")
    translate(page)  # the whole of what was being typed
    translate(page, "The cat sleeps.", CAT)
    panel = open_panel(page, "history")
    playwright.expect(panel.locator(".entry-text")).to_have_text(["The cat sleeps.", SENTENCE])
    page.reload()
    open_panel(page, "history")
    panel.locator(".entry", has_text=SENTENCE).click()
    expect_text(page, "#translation", TRANSLATION)
    panel.get_by_role("button", name="Remove this entry").first.click()
    playwright.expect(panel.locator(".entry-text")).to_have_count(1)
    panel.get_by_label("Keep a history in this browser").uncheck()
    assert page.evaluate("localStorage.getItem('dragoman.history')") is None
    translate(page, "The cat sleeps.", CAT)
    assert panel.locator(".entry-text").count() == 0
    assert page.evaluate("localStorage.getItem('dragoman.history')") is None


def test_the_history_is_bounded(open_page: Open, address: str) -> None:
    page = open_page(address)
    entry = {"text": "x", "translation": "y", "source": "en", "target": "de", "at": 1}
    many = [entry | {"text": f"{number} {'x' * 4000}"} for number in range(150)]
    page.evaluate("many => localStorage.setItem('dragoman.history', JSON.stringify(many))", many)
    page.reload()
    translate(page)
    kept = page.evaluate("JSON.parse(localStorage.getItem('dragoman.history'))")
    assert kept[0]["text"] == SENTENCE
    assert sum(len(one["text"]) + len(one["translation"]) for one in kept) <= 300_000
    assert 50 < len(kept) < 100


@pytest.mark.parametrize(
    "kept", ["{", "null", '"x"', "[null, 1, {}]", '[{"source": 1, "target": {}}]', '{"length": 3}']
)
def test_whatever_the_browser_has_kept_the_page_works(open_page: Open, address: str, kept: str) -> None:
    page = open_page(address)
    for name in ("dragoman.history", "dragoman.terms.de", "dragoman.history.on", "dragoman.token"):
        page.evaluate("([name, kept]) => localStorage.setItem(name, kept)", [name, kept])
    page.evaluate("kept => sessionStorage.setItem('dragoman.documents', kept)", kept)
    page.reload()
    for name in ("documents", "terms", "history"):
        open_panel(page, name).locator(".panel-intro").wait_for()
    page.select_option("#target", "de")
    page.fill("#text", SENTENCE)
    expect_text(page, "#translation", TRANSLATION)


@pytest.mark.parametrize(
    "text", ["It's a dog's \"house\" & $HOME `ls` \\n 100 %.", "Zwei\nZeilen: „Hund“ 🐕 !", HOSTILE]
)
def test_what_the_developers_panel_shows_runs(open_page: Open, address: str, text: str, tmp_path: Path) -> None:
    page = open_page(address)
    page.select_option("#source", "en")
    page.select_option("#target", "de")
    page.fill("#text", text)
    wait_until(page, "import('/page/state.js').then(({state}) => Boolean(state.result?.isComplete))")
    due = page.text_content("#translation")
    panel = open_panel(page, "developers")
    panel.get_by_role("button", name="Python").click()
    panel.locator("code", has_text="/v1/").wait_for()  # the panel hears of the call after the result
    program = panel.locator("code").text_content()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.rstrip("\n") == due
    if shutil.which("curl"):
        panel.get_by_role("button", name="curl").click()
        command = panel.locator("code").text_content()
        done = subprocess.run(["bash", "-c", f"{command} -s"], capture_output=True, text=True, timeout=60, check=True)
        assert json.loads(done.stdout)["translations"][0]["hypotheses"][0]["text"] == due
    panel.get_by_role("button", name="gRPC").click()
    words = panel.locator("code").text_content()
    assert words.startswith("grpcurl -plaintext")
    assert words.endswith("dragoman.v1.TranslationService/Translate")
    request = words.partition("-d ")[2].rpartition(" \\\n")[0]
    given = subprocess.run(["bash", "-c", f"printf %s {request}"], capture_output=True, check=True)
    assert json.loads(given.stdout)["texts"] == [text]


def test_the_developers_panel_asks_for_a_token_where_one_is_needed(open_page: Open, address: str) -> None:
    page = open_page(address)
    call = "{method: 'POST', path: '/v1/score', body: {pairs: []}}"
    assert '-H "authorization: Bearer $TOKEN"' in function_of(page, "snippets", f"asCurl({call}, 'http://h', true)")
    python = function_of(page, "snippets", f"asPython({call}, 'http://h', true)")
    assert "Bearer {os.environ['TOKEN']}" in python
    compile(python, "snippet", "exec")


def test_the_server_shows_its_models_and_its_load(open_page: Open, address: str) -> None:
    page = open_page(address)
    translate(page)
    panel = open_panel(page, "server")
    panel.locator(".models b", has_text="en-de").wait_for()
    facts = dict(zip(panel.locator("dt").all_text_contents(), panel.locator("dd").all_text_contents(), strict=True))
    assert facts["State"] == "answers"
    assert facts["Sentences in work"].startswith("0 of ")
    assert int(facts["Sentences since the start"]) >= 1
    metrics = '\'# HELP a_b x\\na_b{model="x 1"} 2.0\\na_b{model="y"} 1e1\\nnan NaN\\n\''
    assert function_of(page, "server", f"readMetrics({metrics}).get('a_b')") == 12


def test_names_of_translated_files(open_page: Open, address: str) -> None:
    page = open_page(address)
    names = ["report.docx", ".gitignore", "a.b.c", "README"]
    found = [function_of(page, "documents", f"translatedName('{name}', 'de')") for name in names]
    assert found == ["report.de.docx", ".gitignore.de", "a.b.de.c", "README.de"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_in_the_panels(open_page: Open, address: str, theme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is missing")
    page = open_page(address, color_scheme=theme, bypass_csp=True)
    translate(page)
    for name in PANELS:
        open_panel(page, name)
    page.locator(".attention-matrix td[data-row]").first.wait_for()
    page.locator(".models li").first.wait_for()
    panel = page.locator("[data-panel=terms]")
    panel.get_by_label("Word in the text").first.fill("dog")
    found = axe.Axe().run(page).response["violations"]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []


@pytest.mark.parametrize("width", [360, 800])
def test_the_panels_fit_the_screen(open_page: Open, address: str, width: int) -> None:
    page = open_page(address, viewport={"width": width, "height": 800})
    translate(page)
    for name in PANELS:
        open_panel(page, name)
    page.locator(".attention-matrix td[data-row]").first.wait_for()
    page.locator(".models li").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0

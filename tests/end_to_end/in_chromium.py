"""A real Chromium for the tests of the page, and a server of the bundled model. Fixtures are imported by name."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server_process import ServerProcess, free_port

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
BUNDLE = Path(__file__).parents[2] / "model" / "bundles" / "en-de"
MILLISECONDS = 30_000
HOSTILE = "<img src=x onerror=alert(1)> </textarea><script>alert(1)</script> & \"a\" 'b'"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here: apt-get install chromium")

Page = Any
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Open]:
    """Opens a page of an address. It fails at the end if a script failed, a rule of the page's policy was broken, or
    another host was asked."""
    faults: list[str] = []
    contexts = []

    def dismiss(dialog: Any) -> None:
        faults.append(dialog.message)
        dialog.dismiss()

    def open_it(address: str, path: str = "/", **options: Any) -> Page:
        context = browser.new_context(**{"locale": "de-DE", "viewport": {"width": 1280, "height": 800}} | options)
        contexts.append(context)
        context.set_default_timeout(MILLISECONDS)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.extend([said.text] * ("Content Security" in said.text)))
        page.on("request", lambda asked: faults.extend([asked.url] * (f"//{address}/" not in asked.url)))
        page.on("dialog", dismiss)
        page.goto(f"http://{address}{path}")
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert not faults


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of the bundled model."""
    address = f"127.0.0.1:{free_port()}"
    with serve(tmp_path_factory.mktemp("server"), address):
        yield address


def serve(folder: Path, address: str) -> ServerProcess:
    return ServerProcess(folder, {"models": [{"bundle": str(BUNDLE)}], "http": {"listen": address}})


def expect_text(page: Page, selector: str, text: str | re.Pattern[str]) -> None:
    playwright.expect(page.locator(selector)).to_have_text(text, timeout=MILLISECONDS)


def wait_until(page: Page, condition: str) -> None:
    """Wait for a condition in JavaScript; the page's policy does not let the driver's own waiting evaluate one."""
    for _ in range(MILLISECONDS // 20):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(20)
    raise AssertionError(condition)

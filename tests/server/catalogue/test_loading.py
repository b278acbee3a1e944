"""From a bundle on disk to a model that has proved to translate."""

import asyncio
import math
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from dragoman.model.decoding.request import TokenHypothesis
from dragoman.model.errors import DragomanError, InvalidInputError, NotFoundError
from dragoman.server.catalogue.loading import MAX_CARD_BYTES, LoadAttempts, load_translator, read_card, try_worker
from dragoman.server.config import ModelConfig
from dragoman.server.scheduling.interfaces import ServedTranslator
from dragoman.server.scheduling.worker import Worker
from dragoman.server.watching import BundleState
from dragoman.translation.drafts import PreparedText
from dragoman.translation.results import Hypothesis, Translation
from tests.server.fakes import FakeTranslator


@pytest.fixture
def tiny(tiny_bundle: Path) -> Iterator[ServedTranslator]:
    translator = load_translator(ModelConfig(bundle=str(tiny_bundle), max_slots=2))
    yield translator
    translator.close()


def try_out(translator: ServedTranslator) -> None:
    with Worker(translator) as worker:
        asyncio.run(try_worker(worker))


def test_a_real_bundle_translates(tiny: ServedTranslator) -> None:
    assert tiny.name == "tiny"
    assert tiny.engine.free_slots == 2
    try_out(tiny)
    assert tiny.engine.statistics().num_finished == 1


def test_a_model_has_the_name_of_its_configuration(tiny_bundle: Path) -> None:
    translator = load_translator(ModelConfig(bundle=str(tiny_bundle), name="other"))
    assert translator.name == translator.info.name == "other"
    translator.close()


def test_links_are_followed_once(tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = tmp_path / "link"
    link.symlink_to(tiny_bundle, target_is_directory=True)
    opened = []

    def load(folder: Path, **_: object) -> FakeTranslator:
        opened.append(folder)
        return FakeTranslator()

    monkeypatch.setattr("dragoman.translation.translator.Translator.load", load)
    load_translator(ModelConfig(bundle=str(link)))
    assert opened == [tiny_bundle.resolve()]


def test_scores_that_are_no_numbers_are_found(tiny: ServedTranslator, monkeypatch: pytest.MonkeyPatch) -> None:
    def finish(prepared: PreparedText, found: Sequence[Sequence[TokenHypothesis]]) -> Translation:
        return Translation(prepared.text, (Hypothesis("x", math.nan),))

    monkeypatch.setattr(tiny, "finish", finish)
    with pytest.raises(DragomanError, match="tiny: its scores are no numbers"):
        try_out(tiny)


def test_a_model_that_takes_no_text_is_found() -> None:
    translator = FakeTranslator("full")
    translator.engine.max_positions = 0
    with pytest.raises(DragomanError, match="full: cannot translate: the engine has no room"):
        try_out(translator)


def test_a_model_without_a_direction_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    translator = FakeTranslator("lost")

    def prepare(*_: object, **__: object) -> PreparedText:
        raise NotFoundError("the shortlist lacks it")

    monkeypatch.setattr(translator, "prepare", prepare)
    with pytest.raises(DragomanError, match="lost: no direction can be translated"):
        try_out(translator)


def test_a_model_that_takes_for_ever_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.server.catalogue.loading.TRIAL_SECONDS", 0.01)
    monkeypatch.setattr("dragoman.server.scheduling.engine_loop.TRIAL_TEXT", "forever")
    with pytest.raises(DragomanError, match=r"slow: has not translated anything in 0\.01 s"):
        try_out(FakeTranslator("slow"))


def test_a_damaged_bundle_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"config\.json: the bundle lacks this file"):
        load_translator(ModelConfig(bundle=str(tmp_path)))


def test_the_card(tiny_bundle: Path, tmp_path: Path) -> None:
    assert read_card(str(tiny_bundle)).startswith("# tiny\n")
    assert read_card(str(tmp_path)) == read_card(str(tmp_path / "none")) == ""


def test_a_card_that_is_no_text_of_a_card_s_size(tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(tiny_bundle, bundle)
    card = bundle / "README.md"
    card.write_bytes(b"\xff" + b"x" * 2_000_000)
    assert read_card(str(bundle)) == "\ufffd" + "x" * (MAX_CARD_BYTES - 1)
    card.unlink()
    os.mkfifo(card)
    assert read_card(str(bundle)) == ""


# When a model that cannot be loaded is tried again.

MODEL = ModelConfig(bundle="a")
STATE, OTHER_STATE = BundleState("/a", ()), BundleState("/b", ())
ERROR = DragomanError("damaged")


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def attempts(clock: Clock) -> LoadAttempts:
    return LoadAttempts(clock)


def test_pauses_grow_to_a_bound(attempts: LoadAttempts) -> None:
    pauses = [attempts.fail(MODEL, STATE, ERROR) for _ in range(100)]
    assert pauses[:10] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]
    assert set(pauses[9:]) == {300}


def test_it_is_too_early_until_the_pause_is_over(attempts: LoadAttempts, clock: Clock) -> None:
    attempts.fail(MODEL, STATE, ERROR)
    attempts.fail(MODEL, STATE, ERROR)
    assert attempts.reason_to_wait(MODEL, STATE) is ERROR
    assert attempts.seconds_until_next() == 2
    clock.now += 1.5
    assert attempts.seconds_until_next() == 0.5
    clock.now += 0.5
    assert attempts.reason_to_wait(MODEL, STATE) is None
    assert attempts.seconds_until_next() == 0


def test_other_files_begin_anew(attempts: LoadAttempts) -> None:
    attempts.fail(MODEL, STATE, ERROR)
    attempts.fail(MODEL, STATE, ERROR)
    assert attempts.reason_to_wait(MODEL, OTHER_STATE) is None
    assert attempts.fail(MODEL, OTHER_STATE, ERROR) == 1


def test_success_ends_it(attempts: LoadAttempts) -> None:
    attempts.fail(MODEL, STATE, ERROR)
    attempts.succeed(MODEL)
    assert attempts.seconds_until_next() is None
    assert attempts.fail(MODEL, STATE, ERROR) == 1


def test_what_is_not_configured_any_more_is_forgotten(attempts: LoadAttempts) -> None:
    attempts.fail(MODEL, STATE, ERROR)
    attempts.confine_to([ModelConfig(bundle="b")])
    assert attempts.seconds_until_next() is None


def test_the_first_trouble_of_all_needs_no_pause(attempts: LoadAttempts) -> None:
    assert attempts.note(MODEL, STATE, ERROR, 0) == 0
    assert attempts.reason_to_wait(MODEL, STATE) is None

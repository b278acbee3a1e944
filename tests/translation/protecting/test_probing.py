"""Probing: the words that a model copies are found, kept in its bundle, and stand in."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from dragoman.model.bundle import CopiedWord, MeasuredCopying, read_config
from dragoman.model.config import Direction
from dragoman.model.vocabulary import Vocabulary
from dragoman.translation.protecting.carriers import SLOT, carriers_of
from dragoman.translation.protecting.hiding import hide
from dragoman.translation.protecting.probing import MAX_WORDS, NAMES, add_copying, probe_copying
from dragoman.translation.protecting.spans import find_spans
from dragoman.translation.protecting.stand_ins import DEFAULT_STAND_INS, measured_stand_ins, replace_hidden
from dragoman.translation.translator import Translator
from tests.conftest import DE_EN, EN_DE


class Copier:
    """Translates like a model that loses some words, doubles one, and loses another behind "Where"."""

    def __init__(self, lost: Sequence[str] = (), doubled: str = "", shaky: str = "") -> None:
        self._lost, self._doubled, self._shaky = lost, doubled, shaky
        self.num_sentences = 0

    def __call__(self, texts: Sequence[str], direction: Direction) -> list[str]:
        self.num_sentences += len(texts)
        return list(map(self._translate, texts))

    def _translate(self, text: str) -> str:
        for word in self._lost:
            text = text.replace(word, f"{word}en")
        if self._doubled:
            text = text.replace(self._doubled, f"{self._doubled} {self._doubled}")
        return text.replace(self._shaky, "?") if self._shaky and text.startswith("Where") else text


def test_the_words_that_come_out_once_are_found_the_surest_first() -> None:
    model = Copier(lost=("London", "40"), doubled="Paris", shaky="Boston")
    found = probe_copying(model, EN_DE)
    names = {one.word: one.rate for one in found.names}
    assert names["Tom"] == 1
    assert not {"London", "Paris"} & set(names)
    assert "40" not in [one.word for one in found.numbers]
    assert len(found.names) == MAX_WORDS
    assert found.direction == EN_DE
    assert "Boston" not in names  # there are enough surer ones
    few = probe_copying(Copier(lost=[name for name in NAMES if name not in ("Boston", "Tom")], shaky="Boston"), EN_DE)
    assert [one.word for one in few.names] == ["Tom", "Boston"]
    assert 0.85 < few.names[1].rate < 1


def test_words_that_disturb_each_other_are_left_out() -> None:
    def translate(texts: Sequence[str], direction: Direction) -> list[str]:
        return ["nothing" if "Tom" in text and "Paris" in text else text for text in texts]

    assert not {"Tom", "Paris"} & {one.word for one in probe_copying(translate, EN_DE).names}


def test_most_words_of_a_model_that_copies_none_cost_two_sentences() -> None:
    model = Copier(lost=NAMES)
    assert probe_copying(model, EN_DE).names == ()
    assert model.num_sentences < 2 * len(NAMES) + 300


@pytest.mark.parametrize("language", ["en", "de", "fr", "es", "it", "pt", "nl", "pl", "cs", "ru", "sv", "uk", "tr"])
def test_carriers_have_their_places(language: str) -> None:
    carriers = carriers_of(language)
    assert all(one.count(SLOT) == 1 for one in (*carriers.names, *carriers.numbers))
    assert all(one.count(SLOT) == 2 for one in carriers.pairs)
    assert carriers != carriers_of("eo") == carriers_of("xx")


def test_what_was_measured_stands_in(tiny_vocabulary: Vocabulary) -> None:
    words = tuple(CopiedWord(word=word, rate=1) for word in ("Rome", "Oslo", "Bern"))
    measured = (MeasuredCopying(direction=EN_DE, names=words, numbers=(CopiedWord(word="77", rate=0.9),)),)
    stand_ins = measured_stand_ins(measured, EN_DE)
    assert stand_ins.names == ("Rome", "Oslo", "Bern")
    assert stand_ins.numbers == ("77", *DEFAULT_STAND_INS.numbers)  # one alone is too few
    assert measured_stand_ins(measured, DE_EN) == measured_stand_ins((), DE_EN) == DEFAULT_STAND_INS
    text = "See https://x.org soon."
    hidden = hide(text, find_spans(text))
    change = replace_hidden(hidden.text, hidden, stand_ins, 0)
    assert change is not None
    assert change.text == "See Rome soon."


def test_a_stand_in_is_found_between_letters_of_scripts_without_spaces() -> None:
    text = "See https://x.org soon."
    hidden = hide(text, find_spans(text))
    change = replace_hidden(hidden.text, hidden, DEFAULT_STAND_INS, 0)
    assert change is not None
    for target, due in (("请看Boston吧。", "请看https://x.org吧。"), ("Boston을 보세요", "https://x.org을 보세요")):
        restored = change.undo(target)
        assert restored is not None
        assert hidden.reveal(restored) == due
    assert change.undo("Sieh Bostoner an.") is None


def test_a_bundle_keeps_what_it_copies(tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    assert read_config(bundle).copying == ()
    (found,) = add_copying(bundle, [DE_EN])
    assert found.direction == DE_EN
    both = add_copying(bundle)
    assert read_config(bundle).copying == both
    assert [one.direction for one in both] == [EN_DE, DE_EN]
    add_copying(bundle, [EN_DE])
    assert {one.direction for one in read_config(bundle).copying} == {EN_DE, DE_EN}
    assert Translator.load(bundle, num_threads=1).translate("Ask Žižek.", "de")[0].text

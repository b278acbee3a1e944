"""The bundle that ships with the package: whole, small, measured, and able to translate."""

import re
import unicodedata

import pytest

from dragoman.model.bundle import CARD_FILE, find_bundle, read_config, shipped_bundles, size_on_disk
from dragoman.model.config import Direction
from dragoman.translation.translator import Translator

EN_DE, DE_EN = Direction("en", "de"), Direction("de", "en")


def test_en_de_is_small_enough_to_ship() -> None:
    assert "en-de" in [folder.name for folder in shipped_bundles()]
    assert size_on_disk(find_bundle("en-de")) <= 16 * 2**20


def test_its_card_states_attribution_and_scores() -> None:
    folder = find_bundle("en-de")
    card = (folder / CARD_FILE).read_text(encoding="utf-8")
    assert "tatoeba.org, CC BY 2.0 FR" in card
    scores = {
        (score.direction, score.test_set): score for score in read_config(folder).scores if score.metric == "BLEU"
    }
    for direction in (EN_DE, DE_EN):
        for test_set in ("dev", "devtest"):
            score = scores[direction, test_set]
            assert f"| {direction} | {test_set} | BLEU | {score.score:.2f} |" in card
            assert score.signature.startswith("nrefs:1|case:mixed|eff:no|tok:13a|")


@pytest.mark.parametrize(
    ("text", "to", "due"),
    [
        ("Good morning.", "de", "Guten Morgen."),
        ("Where is the train station?", "de", "Wo ist der Bahnhof?"),
        ("Ich habe keine Zeit.", "en", "I don't have time."),
        ("Wo wohnst du?", "en", "Where do you live?"),
    ],
)
def test_it_translates_both_ways(text: str, to: str, due: str) -> None:
    hypotheses = Translator.load("en-de").translate(text, to, n_best=4)[0].hypotheses
    assert due in [hypothesis.text for hypothesis in hypotheses]


def test_a_word_is_known_whatever_nobody_sees_in_it() -> None:
    translator = Translator.load("en-de")
    text = "Tom nahm sich einen Stuhl und ging durch das Gebäude."
    due = translator.translate(text, "en")[0].text
    broken = [text.replace("Stuhl", f"Stu{sign}hl") for sign in "\0\u00ad\u034f\u200b\u200d\u202b\u3164\ufeff"]
    broken.append(unicodedata.normalize("NFD", text))
    assert {translation.text for translation in translator.translate(broken, "en")} == {due}


@pytest.mark.parametrize(
    "text",
    [
        "He said « hello » to « %1 ».",
        "He said «\u00a0hello\u00a0» to «\u202f%1\u202f».",
        "He said ,,hello'' to ``%1''.",
        "He said “hello” to “%1”.",
        "He said »hello« to „%1“.",
    ],
)
def test_quotation_marks_come_in_pairs_without_inner_spaces(text: str) -> None:
    (translation,) = Translator.load("en-de").translate(text, "de")
    assert re.fullmatch(r"Er sagte „Hallo“ \w+ „%1“\.", translation.text), translation.text


def test_what_two_people_say_has_all_its_marks() -> None:
    (translation,) = Translator.load("en-de").translate("„Was macht Oma?“ – „Sie schläft.“", "en")
    assert re.fullmatch('"[^"]+" – "[^"]+"', translation.text), translation.text


def test_spoken_words_in_guillemets_are_one_sentence() -> None:
    texts = ["«\u202fWhat are you doing\u202f?\u202f» asked Tom.", "“What are you doing?” asked Tom."]
    french, english = Translator.load("en-de").translate(texts, "de")
    assert french.text == english.text == "„Was machst du?“, fragte Tom."

"""Finding names."""

import pytest

from dragoman.model.known_words import NO_KNOWN_WORDS, KnownWords
from dragoman.model.vocabulary import PieceModelOptions, Vocabulary, train_piece_model
from dragoman.translation.protecting.hiding import hide
from dragoman.translation.protecting.names import NameFinder
from dragoman.translation.protecting.spans import find_spans, merge_spans
from dragoman.translation.protecting.stand_ins import DEFAULT_STAND_INS, replace_hidden

ENGLISH = "click the dog we met in summer and her house is it was ask about doctor work i fish"
GERMAN = "deutsche burg der die und den hund wir haben uns im sommer haus tür ist das frag nach herr arzt karte fisch"
WORDS = KnownWords.of({"en": ENGLISH.split(), "de": GERMAN.split()})


@pytest.fixture(scope="module")
def english(tiny_vocabulary: Vocabulary) -> NameFinder:
    return NameFinder(tiny_vocabulary, WORDS, "en")


@pytest.fixture(scope="module")
def german(tiny_vocabulary: Vocabulary) -> NameFinder:
    return NameFinder(tiny_vocabulary, WORDS, "de")


def found(finder: NameFinder, text: str) -> list[tuple[str, str]]:
    return [(text[span.begin : span.end], span.kind) for span in finder.find(text)]


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("We met in Mumbai.", [("Mumbai", "name")]),
        ("We met Priya Anand's dog.", [("Priya Anand", "name")]),
        ("Zwilch is it.", [("Zwilch", "name")]),
        ("Blurnetes is it.", [("Blurnetes", "word")]),
        ("Kubernetes is it.", [("Kubernetes", "name")]),
        ("Refrigerators.", [("Refrigerators", "word")]),
        ("Ask the Doctors in Summer.", []),
        ("I'm in.", []),
        ("Ask Pylo van der Mumbai.", [("Pylo van der Mumbai", "name")]),
        ("Ask Mrs Mumbai.", [("Mumbai", "name")]),
        ("Ask Mr Fish.", [("Fish", "surname")]),
        ("Ask O'Brien.", [("O'Brien", "name")]),
        ("It was Žižek.", [("Žižek", "name")]),
        ("It was 東京 and Москва.", [("東京", "name"), ("Москва", "name")]),
    ],
)
def test_english_names_are_unknown_words_with_a_capital(
    english: NameFinder, text: str, due: list[tuple[str, str]]
) -> None:
    assert found(english, text) == due


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("Wir haben uns nach Mumbai.", [("Mumbai", "name")]),
        ("Frag den Zwilch.", [("Zwilch", "name")]),
        ("Frag nach Zwilcher.", [("Zwilcher", "name")]),
        ("Frag den Somnmer.", [("Somnmer", "word")]),
        ("Zwilcher.", [("Zwilcher", "word")]),
        ("Frag die ZWIL im Sommer.", [("ZWIL", "name")]),
        ("FRAG DIE ZWIL IM SOMMER.", [("ZWIL", "name")]),
        ("Frag Zwilchs Hund.", [("Zwilch", "name")]),
        ("Frag nach Angelas Hund.", [("Angela", "name")]),
        ("Das Zwilch-Haus ist das.", [("Zwilch", "name")]),
        ("Wir haben Thomas Fischer.", [("Thomas Fischer", "name")]),
        ("Wir haben Frau von der Zwilch.", [("von der Zwilch", "name")]),
        ("Haben wir Herrn van Zwilch?", [("van Zwilch", "name")]),
        ("Wir haben Johann Wolfgang von Zwilch.", [("Johann Wolfgang von Zwilch", "name")]),
        ("Wir haben uns in Zwilchburg ob der Tuber.", [("Zwilchburg ob der Tuber", "name")]),
        ("Das ist die Deutsche Karte.", [("Deutsche Karte", "name")]),
        ("Am 3. Zwilch.", []),
        ("Frag nach Zwilchung.", []),
        ("Zwilcho ist das.", [("Zwilcho", "name")]),
        ("Frag Zwilcho Gumsen.", [("Zwilcho Gumsen", "name")]),
        ("Frag den O'Zwilch und d'Arzt.", [("O'Zwilch", "name")]),
        ("Die Haustürkarte und das Hundehaus.", []),
        ("Frag Herrn Fisch und Herrn Doktor.", [("Fisch", "surname"), ("Doktor", "name")]),
        ("Frag Fisch in Fischburg.", [("Fischburg", "word")]),
    ],
)
def test_german_names_stand_without_what_belongs_to_a_noun(
    german: NameFinder, text: str, due: list[tuple[str, str]]
) -> None:
    assert found(german, text) == due


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("we work in Dog House about it", [("Dog House", "name")]),
        ("we work in Doctor House about it", []),
        ("Click Dog House", []),
        ("we ask about the Dog House button", []),
        ("we ask about Pylo House in summer", [("Pylo House", "name")]),
        ("Pylo House was in it", [("Pylo House", "name")]),
        ("Pylo and Fish work", [("Pylo", "name"), ("Fish", "name")]),
        ("we ask the Summer Dog", []),
        ("we ask about Jay-Fish in it", [("Jay-Fish", "name")]),
    ],
)
def test_common_english_words_with_capitals_are_names_if_nothing_speaks_against_it(
    tiny_vocabulary: Vocabulary, text: str, due: list[tuple[str, str]]
) -> None:
    words = KnownWords.of({"en": ENGLISH.split()}, {}, {"en": ["summer"]}, {"en": ["doctor house"]})
    assert found(NameFinder(tiny_vocabulary, words, "en"), text) == due


def test_a_name_of_training_is_none_of_its_parts(tiny_vocabulary: Vocabulary) -> None:
    words = KnownWords.of({"de": GERMAN.split()}, {"de": ["Hundhaus"]})
    assert found(NameFinder(tiny_vocabulary, words, "de"), "Wir sind in Hundhaus.") == [("Hundhaus", "name")]
    assert found(NameFinder(tiny_vocabulary, WORDS, "de"), "Wir sind in Hundhaus.") == []


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("chr", "ᎾᏍᎩᏃ ᎤᎪᏛᎢ ᎢᏣᏙᎯᎱᎯᏍᏙ ᎨᏎᏍᏗ; ᎯᎠ."),
        ("ru", "Я вижу кузнеца Кузнецова и его дочь."),
        ("el", "Είδα τον Παπαδόπουλο στην Αθήνα."),
        ("cs", "Dnes přišli čtyři členové ženy."),
        ("zh", "我昨天在北京看见了喆先生，他很高兴。"),
        ("ja", "昨日、東京で田中さんに会いました。"),
    ],
)
def test_words_without_a_latin_capital_are_no_names(tiny_sentences: list[str], language: str, text: str) -> None:
    """They are to be translated, or spelt in the target's letters; capitals say nothing, or there are none."""
    texts = [*tiny_sentences, *[" ".join(text)] * 20]
    side = train_piece_model(texts, PieceModelOptions(size=450, type="bpe"), languages=["en", language])
    words = KnownWords.of({language: ["ᎯᎠ", "вижу", "στην", "昨日", "dnes"], "en": ["dog"]})
    assert found(NameFinder(Vocabulary(side, side), words, language), text) == []


@pytest.mark.parametrize(
    ("language", "text", "due"),
    [
        ("zh", "我昨天在北京看见了喆先生，他很高兴。", ["喆"]),
        ("th", "ฉันเห็นเขาที่กรุงเทพ喆喆เมื่อวาน", ["喆喆"]),
        ("ru", "Я вижу喆 и 喆喆.", ["вижу喆", "喆喆"]),
    ],
)
def test_what_cannot_be_spelt_is_no_more_than_a_word(
    tiny_sentences: list[str], language: str, text: str, due: list[str]
) -> None:
    """In languages without spaces a run of letters is a clause, which must not stay untranslated."""
    texts = [*tiny_sentences, *[" ".join(text.replace("喆", ""))] * 20]
    side = train_piece_model(texts, PieceModelOptions(size=450, type="bpe"), languages=["en", language])
    spans = found(NameFinder(Vocabulary(side, side), NO_KNOWN_WORDS, language), text)
    assert spans == [(one, "name") for one in due]


def test_without_known_words_only_what_cannot_be_spelt_is_a_name(tiny_vocabulary: Vocabulary) -> None:
    finder = NameFinder(tiny_vocabulary, NO_KNOWN_WORDS, "en")
    assert found(finder, "We met Žižek in Mumbai.") == [("Žižek", "name")]


def test_what_may_be_a_name_stays_unless_the_translation_is_garbled(english: NameFinder, german: NameFinder) -> None:
    text = "Zwilch, frag den Arzt."
    hidden = hide(text, merge_spans(find_spans(text), list(german.find(text))))
    change = replace_hidden(hidden.text, hidden, DEFAULT_STAND_INS, 0, english.is_strange)
    assert change is not None
    assert change.text == text
    assert change.undo("Fish, ask the doctor.") is not None
    assert change.undo("Zwilch, ask the doctor.") is not None
    assert change.undo("Zwelk, ask the doctor.") is None
    assert change.undo("Zwilchoh, ask the doctor.") is None
    again = replace_hidden(hidden.text, hidden, DEFAULT_STAND_INS, 1, english.is_strange)
    assert again is not None
    assert again.text == "London, frag den Arzt."


def test_names_within_other_spans_are_none_of_their_own() -> None:
    text = "x@Mumbai.in Mumbai"
    spans, names = find_spans(text), find_spans(text)
    assert merge_spans(spans, names) == spans
    assert merge_spans([], names) == names


COMMON = KnownWords.of(
    {
        "en": (ENGLISH + " use open at the at by an a will said smith siemens mark rose called notion").split(),
        "de": (GERMAN + " siemens bei gekauft in kauf land schrieb einen brief heißt gates foto firma").split(),
    },
    {},
    {"en": ["smith"]},
)


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("We met Siemens in Summer.", ["Siemens"]),  # whatever was in training
        ("Siemens is it.", ["Siemens"]),
        ("We met Mark Zwilch in Mumbai.", ["Mark Zwilch", "Mumbai"]),
        ("We met Will Smith in the house.", ["Will Smith"]),
        ("Rose Smith said it was the dog.", ["Rose Smith"]),
        ("Will Smith ask the doctor?", []),
        ("We met Li Zwilming in the house.", ["Li Zwilming"]),
        ("Ask Fatima al-Zahra about the dog.", ["Fatima al-Zahra"]),
        ("We use Dog at work.", ["Dog"]),
        ("We met the Dog at work.", []),
        ("We met Notion at work.", ["Notion"]),
        ("We met the Notion at work.", []),
        ("Open Dog Work Fish.", []),
        ("We met it at Sainsbury's in summer.", ["Sainsbury's"]),
        ("We met Angus MacZwilch in the house.", ["Angus MacZwilch"]),
    ],
)
def test_english_names_that_look_like_words(tiny_vocabulary: Vocabulary, text: str, due: list[str]) -> None:
    finder = NameFinder(tiny_vocabulary, COMMON, "en")
    spans = merge_spans(find_spans(text), list(finder.find(text)))
    assert [text[span.begin : span.end] for span in spans] == due


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("Siemens ist das.", ["Siemens"]),
        ("Wir haben das bei Kaufland gekauft.", ["Kaufland"]),
        ("Wir haben das im Landhaus gekauft.", []),
        ("Wir haben das bei Hundkauf gekauft.", ["Hundkauf"]),
        ("Das ist das Haus Hundkauf.", []),
        ("Das ist die Firma Hundkauf.", ["Hundkauf"]),
        ("Wir haben uns in Gießen gekauft.", ["Gießen"]),
        ("Das ist Sainsbury's gekauft.", ["Sainsbury's"]),
        ("Das ist Zwilch's Hund.", ["Zwilch"]),
        ("Frag Zwinês Zwilcharvo nach dem Hund.", ["Zwinês Zwilcharvo"]),
        ("Frag Gudrun Hundhaus nach dem Hund.", ["Gudrun Hundhaus"]),
        ("Das Landhaus ist das Haus der Deutschen.", []),
    ],
)
def test_german_names_that_look_like_words(tiny_vocabulary: Vocabulary, text: str, due: list[str]) -> None:
    finder = NameFinder(tiny_vocabulary, COMMON, "de")
    assert [text[span.begin : span.end] for span in finder.find(text)] == due

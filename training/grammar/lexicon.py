"""The lexicon: the words of `words` as objects, and the small closed classes of pronouns, determiners and the like."""

from dataclasses import dataclass
from typing import Literal

from dragoman.training.grammar import words

Case = Literal["nominative", "accusative", "dative"]

FIRST, SECOND, THIRD, PLURAL = range(4)
"""Index of a form in a verb's tables: I, you (German du), he, and we or they, which share one in both languages."""


@dataclass(frozen=True, slots=True)
class Noun:
    """A noun; `gender` is m, f or n, `oblique` the German accusative and dative singular."""

    english: str
    english_plural: str
    gender: str
    german: str
    oblique: str
    german_plural: str
    tags: frozenset[str]


@dataclass(frozen=True, slots=True)
class Adjective:
    """An adjective; endings are added to `stem`: teuer, but ein teures Auto."""

    english: str
    english_comparative: str
    german: str
    stem: str
    german_comparative: str
    tags: frozenset[str]


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb; `present` and `preterite` hold its German forms, FIRST to PLURAL.

    prefix:    the separable one, "" without; `present` lacks it, `infinitive` and `participle` have it.
    preterite: empty where German speaks of the past in the perfect.
    """

    english: str
    english_past: str
    frame: str
    subject_tags: frozenset[str]
    object_tags: frozenset[str]
    present: tuple[str, ...]
    prefix: str
    infinitive: str
    auxiliary: str
    participle: str
    preterite: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Modal:
    """A modal verb; not negatable where "not" means another thing in German: must not is darf nicht."""

    english: str
    is_negatable: bool
    present: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Determiner:
    """What stands before a noun. None for a number in which it does not exist.

    endings: row of the article's endings, "" if it has none; adjective_endings: row of an adjective's endings after it.
    """

    english: str | None
    english_plural: str | None
    stem: str
    endings: str
    adjective_endings: str


@dataclass(frozen=True, slots=True)
class Pronoun:
    """A pronoun; `agreement` is FIRST to PLURAL.

    A form is "" where it is never used, as the accusative of "she": German has "sie" for her and for them.
    """

    english: str
    english_object: str
    nominative: str
    accusative: str
    dative: str
    agreement: int


@dataclass(frozen=True, slots=True)
class Adverbial:
    """An adverbial of time; `tenses`: the tenses that it fits."""

    english: str
    german: str
    tenses: frozenset[str]


@dataclass(frozen=True, slots=True)
class Preposition:
    english: str
    german: str
    case: Case


def _rows(table: str) -> list[list[list[str]]]:
    """Lines of a table as columns of words; an underscore becomes the space it stands for."""
    lines = table.strip().splitlines()
    return [[[word.replace("_", " ") for word in column.split()] for column in line.split("|")] for line in lines]


def _noun(english: list[str], german: list[str], tags: list[str]) -> Noun:
    english_singular, english_plural = english
    gender, singular, plural = german
    weak = gender == "w"
    return Noun(
        english=english_singular,
        english_plural=english_plural,
        gender="m" if weak else gender,
        german=singular,
        oblique=plural if weak else singular,
        german_plural=plural,
        tags=frozenset(tags),
    )


def _adjective(english: list[str], german: list[str], tags: list[str]) -> Adjective:
    english_positive, english_comparative = english
    positive, stem, comparative = german
    return Adjective(english_positive, english_comparative, positive, stem, comparative, frozenset(tags))


def _verb(english: list[str], frame: list[str], subjects: list[str], objects: list[str], german: list[str]) -> Verb:
    english_base, english_past = english
    *present, infinitive, auxiliary, participle = german
    prefix, _, base = infinitive.rpartition("-")
    return Verb(
        english=english_base,
        english_past=english_past,
        frame=" ".join(frame),
        subject_tags=frozenset(subjects),
        object_tags=frozenset(objects),
        present=(*present, base),
        prefix=prefix,
        infinitive=prefix + base,
        auxiliary=auxiliary,
        participle=participle,
        preterite=("hatte", "hattest", "hatte", "hatten") if base == "haben" else (),
    )


NOUNS = tuple(_noun(*row) for row in _rows(words.NOUNS))
ADJECTIVES = tuple(_adjective(*row) for row in _rows(words.ADJECTIVES))
VERBS = tuple(_verb(*row) for row in _rows(words.VERBS))
BE = Verb(
    english="be",
    english_past="",  # has forms of its own, as in the present
    frame="",
    subject_tags=frozenset(),
    object_tags=frozenset(),
    present=("bin", "bist", "ist", "sind"),
    prefix="",
    infinitive="sein",
    auxiliary="ist",
    participle="gewesen",
    preterite=("war", "warst", "war", "waren"),
)

MODALS = (
    Modal("can", True, ("kann", "kannst", "kann", "können")),
    Modal("must", False, ("muss", "musst", "muss", "müssen")),
    Modal("may", False, ("darf", "darfst", "darf", "dürfen")),
    Modal("should", True, ("sollte", "solltest", "sollte", "sollten")),
    Modal("want to", True, ("will", "willst", "will", "wollen")),
)

THE = Determiner("the", "the", "d", "definite", "weak")
A = Determiner("a", None, "ein", "indefinite", "mixed")
BARE = Determiner(None, "", "", "", "strong")
NO = Determiner(None, None, "kein", "indefinite", "mixed")
"""In German alone: the negation of A and BARE."""
DEFINITE = (
    THE,
    Determiner("this", "these", "dies", "strong", "weak"),
    Determiner("my", "my", "mein", "indefinite", "mixed"),
    Determiner("your", "your", "dein", "indefinite", "mixed"),
    Determiner("his", "his", "sein", "indefinite", "mixed"),
    Determiner("her", "her", "ihr", "indefinite", "mixed"),
    Determiner("our", "our", "unser", "indefinite", "mixed"),
)
QUANTIFIERS = (
    Determiner("every", None, "jed", "strong", "weak"),
    Determiner(None, "many", "viel", "strong", "strong"),
    Determiner(None, "two", "zwei", "", "strong"),
    Determiner(None, "three", "drei", "", "strong"),
    Determiner(None, "four", "vier", "", "strong"),
)

HE = Pronoun("he", "him", "er", "ihn", "ihm", THIRD)
SHE = Pronoun("she", "her", "sie", "", "ihr", THIRD)
THEY = Pronoun("they", "them", "sie", "sie", "ihnen", PLURAL)
PRONOUNS = (
    Pronoun("I", "me", "ich", "mich", "mir", FIRST),
    Pronoun("you", "you", "du", "dich", "dir", SECOND),
    HE,
    SHE,
    Pronoun("we", "us", "wir", "uns", "uns", PLURAL),
    THEY,
)
THAT = Pronoun("that", "", "das", "", "", THIRD)

ANY_TIME, PRESENT_TIME, PAST_TIME = frozenset({"present", "past"}), frozenset({"present"}), frozenset({"past"})
TIMES = (
    Adverbial("today", "heute", ANY_TIME),
    Adverbial("every day", "jeden Tag", ANY_TIME),
    Adverbial("in the morning", "am Morgen", ANY_TIME),
    Adverbial("in the evening", "am Abend", ANY_TIME),
    Adverbial("on Monday", "am Montag", ANY_TIME),
    Adverbial("on Sunday", "am Sonntag", ANY_TIME),
    Adverbial("in summer", "im Sommer", ANY_TIME),
    Adverbial("now", "jetzt", PRESENT_TIME),
    Adverbial("tomorrow", "morgen", PRESENT_TIME),
    Adverbial("next week", "nächste Woche", PRESENT_TIME),
    Adverbial("yesterday", "gestern", PAST_TIME),
    Adverbial("last year", "letztes Jahr", PAST_TIME),
)
QUESTION_WORDS = {"where": "wo", "when": "wann", "why": "warum"}
CONJUNCTIONS = {"because": "weil", "if": "wenn", "although": "obwohl"}

PLACE_PREPOSITIONS = (
    Preposition("in", "in", "dative"),
    Preposition("behind", "hinter", "dative"),
    Preposition("in front of", "vor", "dative"),
    Preposition("next to", "neben", "dative"),
)
FURNITURE_PREPOSITIONS = (
    Preposition("on", "auf", "dative"),
    Preposition("under", "unter", "dative"),
    *PLACE_PREPOSITIONS[1:],
)
MOTION_PREPOSITIONS = (
    Preposition("into", "in", "accusative"),
    Preposition("through", "durch", "accusative"),
    Preposition("out of", "aus", "dative"),
    Preposition("to", "zu", "dative"),
)

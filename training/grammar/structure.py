"""Sentences in neither language: the structures that `english` and `german` put into words."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from dragoman.training.grammar.lexicon import (
    PLURAL,
    THIRD,
    Adjective,
    Adverbial,
    Determiner,
    Modal,
    Noun,
    Preposition,
    Pronoun,
    Verb,
)

Combination: TypeAlias = tuple[str, str]
"""Two English words that a sentence brings together: adjective and noun, or verb and the noun of an object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NounPhrase:
    """A noun with what belongs to it; `relative` has a relative pronoun as its subject ("who sees the dog")."""

    noun: Noun
    determiner: Determiner
    plural: bool = False
    adjective: Adjective | None = None
    relative: "Clause | None" = None

    @property
    def agreement(self) -> int:
        return PLURAL if self.plural else THIRD


Nominal: TypeAlias = NounPhrase | Pronoun


@dataclass(frozen=True, slots=True)
class PrepositionalPhrase:
    preposition: Preposition
    phrase: NounPhrase


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """The predicate of the copula: old, very old, or older than something."""

    adjective: Adjective
    very: bool = False
    than: NounPhrase | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """A verb with its subject, complements and adverbials.

    object:     the only object, or the direct one beside `indirect`; with the copula, the predicate noun.
    time_first: whether `time` opens the clause.
    """

    subject: Nominal
    verb: Verb
    tense: Literal["present", "past"] = "present"
    modal: Modal | None = None
    negated: bool = False
    indirect: Nominal | None = None
    object: Nominal | None = None
    quality: Quality | None = None
    place: PrepositionalPhrase | None = None
    time: Adverbial | None = None
    time_first: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """A second clause and the conjunction (English, German) that ties it to the main one; `first` if it leads."""

    english: str
    german: str
    clause: Clause
    first: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A main clause, as a statement or a question, alone or with a second clause; `question_word` is English, or ""."""

    main: Clause
    question: bool = False
    question_word: str = ""
    link: Link | None = None

    def combinations(self) -> Iterator[Combination]:
        """The combinations in all its clauses."""
        yield from _clause_combinations(self.main)
        if self.link is not None:
            yield from _clause_combinations(self.link.clause)


def _clause_combinations(clause: Clause) -> Iterator[Combination]:
    place = None if clause.place is None else clause.place.phrase
    standard = None if clause.quality is None else clause.quality.than
    for phrase in (clause.subject, clause.indirect, clause.object, place, standard):
        if not isinstance(phrase, NounPhrase):
            continue
        if phrase.adjective is not None:
            yield phrase.adjective.english, phrase.noun.english
        if phrase.relative is not None:
            yield from _clause_combinations(phrase.relative)
    if clause.quality is not None:
        for phrase in (clause.subject, standard):
            if isinstance(phrase, NounPhrase):
                yield clause.quality.adjective.english, phrase.noun.english
    for phrase in (clause.indirect, clause.object):
        if isinstance(phrase, NounPhrase):
            yield clause.verb.english, phrase.noun.english

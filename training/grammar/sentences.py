"""Random sentences: which words go together, and how often each construction occurs."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from random import Random
from typing import Literal

from dragoman.training.grammar.german import relative_pronoun
from dragoman.training.grammar.lexicon import (
    ADJECTIVES,
    BARE,
    BE,
    CONJUNCTIONS,
    DEFINITE,
    FURNITURE_PREPOSITIONS,
    MODALS,
    MOTION_PREPOSITIONS,
    NOUNS,
    PLACE_PREPOSITIONS,
    PRONOUNS,
    QUANTIFIERS,
    THAT,
    THE,
    TIMES,
    VERBS,
    A,
    Adjective,
    Adverbial,
    Determiner,
    Noun,
    Preposition,
    Pronoun,
)
from dragoman.training.grammar.structure import (
    Clause,
    Link,
    Nominal,
    NounPhrase,
    PrepositionalPhrase,
    Quality,
    Sentence,
)

Tense = Literal["present", "past"]
DeterminerChoice = Literal["definite", "indefinite", "any"]
"""Definite ones alone; indefinite articles too; quantifiers too. In a negated clause, quantifiers have a scope that the
two languages mark differently, and indefinites have a place only where German can say kein."""

_CLAUSE_VERBS = tuple(verb for verb in VERBS if verb.frame not in ("dass", "ob"))
_REPORT_VERBS = tuple(verb for verb in VERBS if verb.frame in ("dass", "ob"))
_REPORT_CONJUNCTIONS = {"dass": "that", "ob": "whether"}
_PERSON = frozenset({"person"})
_ALL_NOUNS = frozenset({tag for noun in NOUNS for tag in noun.tags})
_REFLEXIVE = tuple(
    frozenset(pronoun for pronoun in PRONOUNS if pronoun.english in words) for words in (("I", "we"), ("you",))
)
_PLACES: dict[str, tuple[tuple[Preposition, ...], frozenset[str]]] = {
    "place": (PLACE_PREPOSITIONS, frozenset({"place"})),
    "furniture": (FURNITURE_PREPOSITIONS, frozenset({"furniture"})),
    "motion": (MOTION_PREPOSITIONS, frozenset({"place"})),
}


def make_sentences(random: Random) -> Iterator[Sentence]:
    """Endless sentences; the same for the same state of `random`."""
    maker = _SentenceMaker(random)
    while True:
        yield maker.sentence()


@cache
def _nouns(tags: frozenset[str]) -> tuple[Noun, ...]:
    return tuple(noun for noun in NOUNS if noun.tags & tags)


@cache
def _adjectives(noun: Noun) -> tuple[Adjective, ...]:
    return tuple(adjective for adjective in ADJECTIVES if adjective.tags & noun.tags)


@cache
def _determiner_weights(choice: DeterminerChoice, plural: bool) -> dict[Determiner, float]:
    """How often each determiner occurs among those that have the number."""
    weights = {determiner: 9.0 if determiner is THE else 1.0 for determiner in DEFINITE}
    if choice != "definite":
        weights[BARE if plural else A] = 6.0
    if choice == "any":
        weights |= dict.fromkeys(QUANTIFIERS, 1.0)
    return {
        determiner: weight
        for determiner, weight in weights.items()
        if (determiner.english_plural if plural else determiner.english) is not None
    }


@cache
def _times(tense: Tense) -> tuple[Adverbial, ...]:
    return tuple(time for time in TIMES if tense in time.tenses)


class _SentenceMaker:
    """Draws every choice from one source of random numbers."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def sentence(self) -> Sentence:
        makers = (self._statement, self._question, self._subordinate, self._report, self._identity, self._coordinate)
        (maker,) = self._random.choices(makers, weights=(40, 18, 20, 10, 6, 6))
        return maker()

    def _chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def _tense(self) -> Tense:
        return "past" if self._chance(0.4) else "present"

    # Sentences

    def _statement(self) -> Sentence:
        clause = self._clause(self._tense(), may_negate=True)
        if isinstance(clause.subject, NounPhrase) and clause.time is None and self._chance(0.15):
            clause = replace(clause, subject=self._with_relative_clause(clause.subject))
        return Sentence(main=clause)

    def _question(self) -> Sentence:
        clause = replace(self._clause(self._tense()), time_first=False)
        asks_for_place = clause.verb.frame == "place"
        if clause.time is not None or clause.verb is BE or self._chance(0.6):
            return Sentence(main=clause, question=True)
        word = self._random.choice(("where", "when", "why") if asks_for_place else ("when", "why"))
        return Sentence(
            main=replace(clause, place=None) if word == "where" else clause, question=True, question_word=word
        )

    def _subordinate(self) -> Sentence:
        english = self._random.choice(tuple(CONJUNCTIONS))
        tense: Tense = "present" if english == "if" else self._tense()
        main = replace(self._clause(tense, is_short=True, may_negate=True), time=None)
        link = Link(english, CONJUNCTIONS[english], self._linked_clause(tense), first=self._chance(0.35))
        return Sentence(main=main, link=link)

    def _report(self) -> Sentence:
        verb = self._random.choice(_REPORT_VERBS)
        main = Clause(subject=self._subject(_PERSON), verb=verb, tense=self._tense(), negated=self._chance(0.15))
        link = Link(_REPORT_CONJUNCTIONS[verb.frame], verb.frame, self._linked_clause(self._tense()))
        return Sentence(main=main, link=link)

    def _identity(self) -> Sentence:
        """That is my old friend."""
        negated = self._chance(0.3)
        phrase = self._noun_phrase(_ALL_NOUNS, "indefinite", adjective=0.7, may_be_plural=False)
        clause = Clause(subject=THAT, verb=BE, tense=self._tense(), negated=negated, object=phrase)
        return Sentence(main=clause, question=not negated and self._chance(0.3))

    def _coordinate(self) -> Sentence:
        tense = self._tense()
        first, second = (replace(self._clause(tense, is_short=True), time=None) for _ in range(2))
        return Sentence(main=first, link=Link("and", "und", second))

    # Clauses

    def _linked_clause(self, tense: Tense) -> Clause:
        """Its time, if any, stands inside: nothing but the conjunction opens it."""
        clause = self._clause(tense, is_short=True, may_negate=True)
        return replace(clause, time=None) if clause.time_first else clause

    def _clause(self, tense: Tense, *, is_short: bool = False, may_negate: bool = False) -> Clause:
        negated = may_negate and self._chance(0.2)
        clause = self._copula(tense, negated) if self._chance(0.2) else self._action(tense, negated, is_short)
        if self._chance(0.15 if is_short else 0.35):
            # With nicht, objects may stand before or after the time: only a fronted time has one place.
            time_first = negated or self._chance(0.5)
            clause = replace(clause, time=self._random.choice(_times(tense)), time_first=time_first)
        return clause

    def _copula(self, tense: Tense, negated: bool) -> Clause:
        subject = self._subject(_ALL_NOUNS, negated=negated, adjective=0.1)
        tags = subject.noun.tags if isinstance(subject, NounPhrase) else _PERSON
        fitting = tuple(adjective for adjective in ADJECTIVES if adjective.tags & tags)
        quality = Quality(adjective=self._random.choice(fitting), very=not negated and self._chance(0.25))
        if not quality.very and self._chance(0.25):
            standard = self._noun_phrase(tags & quality.adjective.tags, "definite", adjective=0.0)
            quality = replace(quality, than=standard)
        return Clause(subject=subject, verb=BE, tense=tense, negated=negated, quality=quality)

    def _action(self, tense: Tense, negated: bool, is_short: bool) -> Clause:
        verb = self._random.choice(_CLAUSE_VERBS)
        modal = None
        if tense == "present" and "thing" not in verb.subject_tags and self._chance(0.3):
            modal = self._random.choice([modal for modal in MODALS if modal.is_negatable or not negated])
        subject = self._subject(verb.subject_tags, negated=negated, adjective=0.15 if is_short else 0.3)
        clause = Clause(subject=subject, verb=verb, tense=tense, modal=modal, negated=negated)
        return self._with_complements(clause, adjective=0.25 if is_short else 0.5)

    def _with_complements(self, clause: Clause, adjective: float) -> Clause:
        """The clause with all complements that its verb needs; a verb with an object may also have a place."""
        verb = clause.verb
        if verb.frame in _PLACES:
            return replace(clause, place=self._place(verb.frame, adjective))
        if verb.frame == "ditransitive":
            recipient = self._object(clause, _PERSON, "definite" if clause.negated else "any", adjective=0.1)
            given = self._noun_phrase(verb.object_tags, "indefinite", adjective=adjective)
            return replace(clause, indirect=recipient, object=given)
        takes_accusative = verb.frame == "accusative"
        choice: DeterminerChoice = "any"
        if clause.negated:
            choice = "indefinite" if takes_accusative else "definite"
        clause = replace(clause, object=self._object(clause, verb.object_tags, choice, adjective))
        if takes_accusative and not clause.negated and "place" not in verb.object_tags and self._chance(0.1):
            clause = replace(clause, place=self._place("place", 0.2))
        return clause

    # Phrases

    def _subject(self, tags: frozenset[str], *, negated: bool = False, adjective: float = 0.2) -> Nominal:
        if "person" in tags and self._chance(0.35):
            return self._random.choice(PRONOUNS)
        return self._noun_phrase(tags, "definite" if negated else "any", adjective=adjective)

    def _object(self, clause: Clause, tags: frozenset[str], choice: DeterminerChoice, adjective: float) -> Nominal:
        verb = clause.verb
        # English puts a pronoun inside "pick up", so such verbs go without.
        if "person" in tags and not (verb.prefix and " " in verb.english) and self._chance(0.25):
            pronouns = [pronoun for pronoun in PRONOUNS if _may_act_on(clause.subject, pronoun, verb.frame)]
            return self._random.choice(pronouns)
        return self._noun_phrase(tags, choice, adjective=adjective)

    def _noun_phrase(
        self, tags: frozenset[str], choice: DeterminerChoice, *, adjective: float, may_be_plural: bool = True
    ) -> NounPhrase:
        """A noun that has one of `tags`; `adjective` is the probability of one."""
        noun = self._random.choice(_nouns(tags))
        plural = may_be_plural and self._chance(0.3)
        weights = _determiner_weights(choice, plural)
        (determiner,) = self._random.choices(tuple(weights), weights=tuple(weights.values()))
        described = self._random.choice(_adjectives(noun)) if self._chance(adjective) else None
        return NounPhrase(noun=noun, determiner=determiner, plural=plural, adjective=described)

    def _place(self, kind: str, adjective: float) -> PrepositionalPhrase:
        prepositions, tags = _PLACES[kind]
        phrase = self._noun_phrase(tags, "indefinite", adjective=adjective)
        return PrepositionalPhrase(self._random.choice(prepositions), phrase)

    def _with_relative_clause(self, phrase: NounPhrase) -> NounPhrase:
        """The old man who sees the dog."""
        tags = phrase.noun.tags
        verbs = [verb for verb in _CLAUSE_VERBS if verb.subject_tags & tags]
        if not verbs:
            return phrase
        english = "who" if "person" in tags else "that"
        pronoun = Pronoun(english, "", relative_pronoun(phrase), "", "", phrase.agreement)
        clause = Clause(subject=pronoun, verb=self._random.choice(verbs), tense=self._tense())
        return replace(phrase, relative=self._with_complements(clause, adjective=0.25))


def _may_act_on(subject: Nominal, pronoun: Pronoun, frame: str) -> bool:
    """Whether the pronoun has the form that the verb asks for, and is not part of the subject (I see me, we see me)."""
    takes_dative = frame == "ditransitive" or frame.endswith("dative")
    if not (pronoun.dative if takes_dative else pronoun.accusative):
        return False
    return all(subject not in group or pronoun not in group for group in _REFLEXIVE)

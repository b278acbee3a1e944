"""Puts a sentence into German words: case, gender, endings, and where the verb stands."""

from dataclasses import replace
from typing import Literal

from dragoman.training.grammar.lexicon import BARE, BE, NO, QUESTION_WORDS, THE, A, Adjective, Case, Determiner, Pronoun
from dragoman.training.grammar.structure import Clause, Nominal, NounPhrase, Sentence

Order = Literal["subject first", "verb first", "verb last"]
"""Where the finite verb stands: after the subject; before it, in a question or after what is fronted; or at the end, in
a subordinate clause."""

_COLUMNS = {"m": 0, "f": 1, "n": 2, "plural": 3}
_ENDINGS: dict[str, dict[Case, tuple[str, str, str, str]]] = {
    # Of determiners: der, dieser, ein.
    "definite": {
        "nominative": ("er", "ie", "as", "ie"),
        "accusative": ("en", "ie", "as", "ie"),
        "dative": ("em", "er", "em", "en"),
    },
    "strong": {
        "nominative": ("er", "e", "es", "e"),
        "accusative": ("en", "e", "es", "e"),
        "dative": ("em", "er", "em", "en"),
    },
    "indefinite": {
        "nominative": ("", "e", "", "e"),
        "accusative": ("en", "e", "", "e"),
        "dative": ("em", "er", "em", "en"),
    },
    # Of adjectives after them; "strong", above, where no determiner shows the case.
    "weak": {
        "nominative": ("e", "e", "e", "en"),
        "accusative": ("en", "e", "e", "en"),
        "dative": ("en", "en", "en", "en"),
    },
    "mixed": {
        "nominative": ("er", "e", "es", "en"),
        "accusative": ("en", "e", "es", "en"),
        "dative": ("en", "en", "en", "en"),
    },
}
_CONTRACTIONS = {"in dem": "im", "in das": "ins", "von dem": "vom", "zu dem": "zum", "zu der": "zur"}
_AUXILIARIES = {"hat": ("habe", "hast", "hat", "haben"), "ist": BE.present}
_COORDINATING = ("und",)


def german_sentence(sentence: Sentence) -> str:
    """The sentence with its capital and its full stop or question mark."""
    link = sentence.link
    leads = link is not None and link.first  # then the clause is itself the first element, and the verb comes second
    text = _clause(sentence.main, "verb first" if sentence.question or leads else "subject first")
    if sentence.question_word:
        text = f"{QUESTION_WORDS[sentence.question_word]} {text}"
    if link is not None:
        coordinates = link.german in _COORDINATING
        linked = f"{link.german} {_clause(link.clause, 'subject first' if coordinates else 'verb last')}"
        comma = "" if coordinates else ","
        text = f"{linked}{comma} {text}" if leads else f"{text}{comma} {linked}"
    return text[0].upper() + text[1:] + ("?" if sentence.question else ".")


def relative_pronoun(phrase: NounPhrase) -> str:
    """The relative pronoun for the phrase as subject of its relative clause: der, die or das."""
    return THE.stem + _ending(THE.endings, "nominative", phrase)


def _clause(clause: Clause, order: Order) -> str:
    finite, bracket = _verb_words(clause, order)
    subject = _phrase(clause.subject, "nominative")
    middle = _middle_field(clause)
    if order == "subject first" and clause.time is not None and clause.time_first:
        words = [clause.time.german, finite, subject, *middle, bracket]
    elif order == "subject first":
        words = [subject, finite, *middle, bracket]
    elif order == "verb first":
        words = [finite, subject, *middle, bracket]
    else:
        words = [subject, *middle, bracket, finite]
    return " ".join(word for word in words if word)


def _verb_words(clause: Clause, order: Order) -> tuple[str, str]:
    """The finite verb, and what of the verb closes the clause: prefix, participle or infinitive, or ""."""
    verb, agreement = clause.verb, clause.subject.agreement
    if clause.modal is not None:
        return clause.modal.present[agreement], verb.infinitive
    if clause.tense == "past":
        if verb.preterite:
            return verb.preterite[agreement], ""
        return _AUXILIARIES[verb.auxiliary][agreement], verb.participle
    if order == "verb last":
        return verb.prefix + verb.present[agreement], ""
    return verb.present[agreement], verb.prefix


def _middle_field(clause: Clause) -> list[str]:
    """What stands between the finite verb and the end: pronouns, time, objects, nicht, then all that nicht precedes."""
    preposition, _, case = clause.verb.frame.rpartition(" ")
    pronouns: list[str] = []
    objects: list[str] = []
    rest: list[str] = []
    negation = "nicht" if clause.negated else ""
    target = clause.object
    if target is not None:
        if clause.negated and isinstance(target, NounPhrase) and target.determiner in (A, BARE):
            target = replace(target, determiner=NO)
            negation = ""
        if preposition:
            rest.append(_prepositional(preposition, target, _as_case(case)))
        elif clause.verb is BE:
            rest.append(_phrase(target, "nominative"))
        else:
            (pronouns if isinstance(target, Pronoun) else objects).append(_phrase(target, _as_case(case)))
    if clause.indirect is not None:
        (pronouns if isinstance(clause.indirect, Pronoun) else objects).insert(0, _phrase(clause.indirect, "dative"))
    rest += _quality_words(clause)
    if clause.place is not None:
        rest.append(_prepositional(clause.place.preposition.german, clause.place.phrase, clause.place.preposition.case))
    time = "" if clause.time is None or clause.time_first else clause.time.german
    return [*pronouns, time, *objects, negation, *rest]


def _as_case(frame: str) -> Case:
    return "dative" if frame == "dative" else "accusative"


def _quality_words(clause: Clause) -> list[str]:
    if clause.quality is None:
        return []
    adjective = clause.quality.adjective
    if clause.quality.than is not None:
        return [adjective.german_comparative, "als", _phrase(clause.quality.than, "nominative")]
    return ["sehr", adjective.german] if clause.quality.very else [adjective.german]


def _prepositional(preposition: str, phrase: Nominal, case: Case) -> str:
    text = f"{preposition} {_phrase(phrase, case)}"
    for long, short in _CONTRACTIONS.items():
        if text.startswith(f"{long} "):
            return short + text.removeprefix(long)
    return text


def _phrase(phrase: Nominal, case: Case) -> str:
    if isinstance(phrase, Pronoun):
        return {"nominative": phrase.nominative, "accusative": phrase.accusative, "dative": phrase.dative}[case]
    words = [
        _determiner(phrase.determiner, case, phrase),
        "" if phrase.adjective is None else _adjective(phrase.adjective, case, phrase),
        _noun(case, phrase),
    ]
    text = " ".join(word for word in words if word)
    return text if phrase.relative is None else f"{text}, {_clause(phrase.relative, 'verb last')},"


def _determiner(determiner: Determiner, case: Case, phrase: NounPhrase) -> str:
    return determiner.stem + _ending(determiner.endings, case, phrase) if determiner.endings else determiner.stem


def _adjective(adjective: Adjective, case: Case, phrase: NounPhrase) -> str:
    return adjective.stem + _ending(phrase.determiner.adjective_endings, case, phrase)


def _noun(case: Case, phrase: NounPhrase) -> str:
    noun = phrase.noun
    if not phrase.plural:
        return noun.german if case == "nominative" else noun.oblique
    needs_n = case == "dative" and not noun.german_plural.endswith(("n", "s"))
    return f"{noun.german_plural}n" if needs_n else noun.german_plural


def _ending(name: str, case: Case, phrase: NounPhrase) -> str:
    return _ENDINGS[name][case][_COLUMNS["plural" if phrase.plural else phrase.noun.gender]]

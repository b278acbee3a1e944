"""Puts a sentence into English words: agreement, do-support, a or an."""

from dragoman.training.grammar.lexicon import BE, THIRD, Pronoun
from dragoman.training.grammar.structure import Clause, Nominal, Sentence

_BE = {"present": ("am", "are", "is", "are"), "past": ("was", "were", "was", "were")}


def english_sentence(sentence: Sentence) -> str:
    """The sentence with its capital and its full stop or question mark."""
    text = _clause(sentence.main, question=sentence.question)
    if sentence.question_word:
        text = f"{sentence.question_word} {text}"
    if sentence.link is not None:
        linked = f"{sentence.link.english} {_clause(sentence.link.clause)}"
        text = f"{linked}, {text}" if sentence.link.first else f"{text} {linked}"
    return text[0].upper() + text[1:] + ("?" if sentence.question else ".")


def _clause(clause: Clause, *, question: bool = False) -> str:
    auxiliary, main_verb = _verb_words(clause, question=question)
    subject = _phrase(clause.subject, is_subject=True)
    words = [auxiliary, subject, main_verb] if question else [subject, auxiliary, main_verb]
    words += _complements(clause)
    if clause.time is not None:
        words = [clause.time.english, *words] if clause.time_first else [*words, clause.time.english]
    return " ".join(word for word in words if word)


def _verb_words(clause: Clause, *, question: bool) -> tuple[str, str]:
    """The auxiliary with its negation, and the rest of the verb; either may be "".

    "want to" is an ordinary verb in English, so only its German twin is a modal.
    """
    agreement = clause.subject.agreement
    if clause.verb is BE:
        return _negated(_BE[clause.tense][agreement], clause), ""
    if clause.modal is not None and clause.modal.english != "want to":
        modal = _negated(clause.modal.english, clause)
        return modal.replace("can not", "cannot"), clause.verb.english
    base = clause.verb.english if clause.modal is None else f"want to {clause.verb.english}"
    if clause.negated or question:
        do = "did" if clause.tense == "past" else "does" if agreement == THIRD else "do"
        return _negated(do, clause), base
    if clause.tense == "past":
        return "", clause.verb.english_past
    return "", _third_person(base) if agreement == THIRD else base


def _negated(auxiliary: str, clause: Clause) -> str:
    return f"{auxiliary} not" if clause.negated else auxiliary


def _third_person(base: str) -> str:
    """The third person singular: of "pick up", "picks up"."""
    verb, *rest = base.split()
    if verb == "have":
        return "has"
    if verb.endswith(("s", "sh", "ch", "o")):
        verb += "e"
    elif verb.endswith("y") and verb[-2] not in "aeou":
        verb = verb[:-1] + "ie"
    return " ".join([f"{verb}s", *rest])


def _complements(clause: Clause) -> list[str]:
    words = [_phrase(phrase) for phrase in (clause.indirect, clause.object) if phrase is not None]
    if clause.quality is not None:
        adjective = clause.quality.adjective
        if clause.quality.than is not None:
            words.append(f"{adjective.english_comparative} than {_phrase(clause.quality.than)}")
        else:
            words.append(f"very {adjective.english}" if clause.quality.very else adjective.english)
    if clause.place is not None:
        words.append(f"{clause.place.preposition.english} {_phrase(clause.place.phrase)}")
    return words


def _phrase(phrase: Nominal, *, is_subject: bool = False) -> str:
    if isinstance(phrase, Pronoun):
        return phrase.english if is_subject else phrase.english_object
    noun = phrase.noun.english_plural if phrase.plural else phrase.noun.english
    described = noun if phrase.adjective is None else f"{phrase.adjective.english} {noun}"
    determiner = phrase.determiner.english_plural if phrase.plural else phrase.determiner.english
    assert determiner is not None
    if determiner == "a" and described[0] in "aeiou":  # no word of the lexicon has a vowel that sounds otherwise
        determiner = "an"
    relative = "" if phrase.relative is None else _clause(phrase.relative)
    return " ".join(word for word in (determiner, described, relative) if word)

"""Languages told apart by their commonest words and by their script: enough to see that a translation stayed in the
source's language, and thousands of times as fast as an identifier of languages."""

import re
from collections.abc import Set
from functools import cache

from dragoman.translation.languages import primary_subtag

_WORD = re.compile(r"[^\W\d_]+")

_FUNCTION_WORDS = {
    "en": "the you to is it he that of have this what for we my don can are your his be she and with not like want "
    "know at how there did has him about here think they as very up didn had why if out going one from when "
    "would good were by doesn where been just who please should need tell could never said take but than got "
    "now too much something home some really isn make does say work back anything long many look three made "
    "give our again went always must love well put into before doing ever old asked talk over two eat other "
    "tomorrow leave may every everything after left find sure ask little read these nothing live their any "
    "same own each which",
    "de": "ich nicht ist sie du das zu es er der dass ein wir habe mir sich auf mit mich wie den eine und ihr haben "
    "kann sind von einen für dem dich sein als bin dir hast um noch aus hier im nach uns wird sehr etwas wenn "
    "meine warum mein ihn bist mehr schon gut vor werden bitte keine nichts möchte wurde hatte diese muss "
    "immer wo seine nur viel dieses machen ihm können zum nie zeit über euch sagen bei heute würde da mal "
    "einem deine hätte gerne alle oder aber alles kein ihnen dieser viele einer jetzt morgen gibt geht wollte "
    "müssen einmal wer kommen wieder auch besser waren einfach bis ohne doch zwei drei dort niemand zwischen "
    "beim vom ins sowie sondern",
    "fr": "le la les des et est une dans que qui pour pas sur avec il elle nous vous je ce cette sont au aux du ne son",
    "es": "el los las del y es una que en por con para no se su al lo como más pero está son mi muy hay",
    "it": "il lo gli di è una che per con non si del della nel ma sono ho mi questo come più anche",
    "pt": "o os as do da e é uma que em por com para não se no na mais mas são eu você muito está",
    "nl": "het een en van is dat niet ik je zijn met voor op te aan ook maar er naar wat deze heeft hij",
    "sv": "och att det är som en ett på för med inte jag av har till den du om var vi han",
    "da": "og at det er som en et på for med ikke jeg af har til den du om var vi han",
    "no": "og at det er som en et på for med ikke jeg av har til den du om var vi han",
    "fi": "ja on ei se että en oli hän mutta kun ovat minä sinä tämä myös",
    "pl": "i w nie na się że jest to z do jak ale po co tak dla przez czy był",
    "cs": "a v se na je že to s z do jak ale po tak pro jsem by nebo byl",
    "hu": "a az és hogy nem is egy van ez meg de csak volt vagy",
    "ro": "și în nu este o la cu de pe că din mai sunt pentru un ce",
    "tr": "ve bir bu için de da ne çok ben var değil ile gibi mi",
}
_WORDS = {language: frozenset(words.split()) for language, words in _FUNCTION_WORDS.items()}
_SHARED_WORDS = {
    "en": "i a an am on no me so or was by its go in all will man hat die",
    "de": "was war die in an am man des so los na pro nr ja nein lass hat",
}
_SHARED = {language: frozenset(words.split()) for language, words in _SHARED_WORDS.items()}
"""More of them, which other languages have as well: they speak for a language, but not against another."""

_SCRIPTS = {
    "cyrillic": (("ru", "uk", "bg", "sr", "mk", "be", "kk", "mn", "ky", "tg"), "\u0400-\u052f"),
    "greek": (("el",), "\u0370-\u03ff\u1f00-\u1fff"),
    "arabic": (("ar", "fa", "ur", "ps", "ug", "sd"), "\u0600-\u06ff\u0750-\u077f"),
    "hebrew": (("he", "yi"), "\u0590-\u05ff"),
    "devanagari": (("hi", "mr", "ne", "sa"), "\u0900-\u097f"),
    "thai": (("th",), "\u0e00-\u0e7f"),
    "han": (("zh", "yue", "ja", "ko"), "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"),
}
_SCRIPT_OF = {language: script for script, (languages, _) in _SCRIPTS.items() for language in languages}
_LETTERS = {script: letters for script, (_, letters) in _SCRIPTS.items()} | {"latin": "A-Za-z\u00c0-\u024f"}
_BEYOND_LATIN = re.compile(r"[^\x00-\u024f]")
_EITHER_SCRIPT = frozenset(("sr", "kk", "tg", "mn", "ug", "sd"))
"""Languages that are also written in another script than the one above."""

_FEW_LETTERS = 5


@cache
def _letters_of(script: str) -> re.Pattern[str]:
    """Few texts need any of these."""
    return re.compile(f"[{_LETTERS[script]}]")


def is_in_wrong_language(source: str, target: str, source_language: str, target_language: str) -> bool:
    """Whether a translation into one language is in the source's or a third one: in the script of another, or with
    several of its commonest words and none of the target language's.

    Languages that are not listed here are not judged by their words.
    """
    wanted, given = primary_subtag(target_language), primary_subtag(source_language)
    own = _WORDS.get(wanted)
    if own is None:
        script = _SCRIPT_OF.get(wanted)
        return script is not None and wanted not in _EITHER_SCRIPT and _is_in_other_script(source, target, script)
    if not target.isascii() and _BEYOND_LATIN.search(target) and _is_in_other_script(source, target, "latin"):
        return True
    if wanted == given:
        return False
    if not own.isdisjoint(target.split()):
        return False
    words = set(_WORD.findall(target.lower()))
    if len(words) < 3 or not own.isdisjoint(words):
        return False
    if _speaks_for(_WORDS.get(given, frozenset()), words):
        return True
    if not _SHARED.get(wanted, frozenset()).isdisjoint(words):
        return False
    added = words - set(_WORD.findall(source.lower()))
    return any(_speaks_for(listed & added, words) for listed in _WORDS.values())


def _speaks_for(listed: Set[str], words: Set[str]) -> bool:
    """Whether words are those of the language with these words listed."""
    num_listed = len(listed & words)
    return num_listed >= 2 and 4 * num_listed >= len(words)


def _is_in_other_script(source: str, target: str, script: str) -> bool:
    """Whether most letters, but for those of words copied from the source, are of another script."""
    if script != "latin" and len(_letters_of(script).findall(target)) > 0:
        return False
    copied = set(source.split())
    rest = " ".join(word for word in target.split() if word not in copied)
    counts = {name: len(_letters_of(name).findall(rest)) for name in _LETTERS}
    own = counts.pop(script)
    return max(counts.values()) > max(own, _FEW_LETTERS)


def is_untranslated(source: str, target: str, source_language: str) -> bool:
    """Whether a translation mostly repeats a source of words that need translating: of three words or more, all of
    them but names or figures; names begin with a capital."""
    of_target = target.split()
    if len(of_target) < 3:
        return False
    of_source = set(source.split())
    copied = of_source.intersection(of_target)
    if 2 * len(copied) < len(of_target):
        return False
    common = [word for word in copied if word.islower() and word.strip(_MARKS).isalpha()]
    if source.strip(_MARKS) == target.strip(_MARKS):
        return len(common) >= 2 or (bool(common) and _has_function_word(source, source_language))
    return len(common) >= 3 and 3 * len(copied) >= 2 * len(of_target)


def _has_function_word(text: str, language: str) -> bool:
    listed = _WORDS.get(primary_subtag(language))
    return listed is not None and not listed.isdisjoint(_WORD.findall(text.lower()))


_MARKS = ".,;:!?…\"'“”„‚‘’«»‹›()[]-–—¿¡"

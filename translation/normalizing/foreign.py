"""Sentences that no model of this direction can translate: those in the target language already, and noise."""

import re
from functools import lru_cache

from dragoman.model.codec import Side
from dragoman.translation.languages import primary_subtag

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")

_COMMON = {
    "en": """
the of and to is that it for on are with as his they be at have this from had but what all were when your can
said there use each which she do how their if up other about out many then them these some her would make like
him into has more no could my than been who its now did get come may i you we he me us our i'm it's don't
didn't can't isn't doesn't please very just any or a must why where here where's that's what's let's should
every never always because good thank thanks hello yes
""",
    "de": """
der die das und ist nicht ein eine einen einem einer ich du er sie wir ihr es zu den dem des von mit auf für
sich im dass war hat auch als an nach wie bei aus wenn nur noch am oder aber vor zur bis mehr durch man sein
wurde sind haben kann wird werden zum habe hatte mir mich dir dich ihm ihn uns euch ihnen mein meine dein
deine seine ihre unser unsere kein keine was wer wo warum wann hier dort sehr schon immer nie nichts etwas
alle alles dieser diese dieses bitte danke ja nein muss soll will können müssen gibt geht macht heute morgen
gestern jetzt dann weil über unter zwischen ohne gegen seit während bin bist seid hast habt in so also doch
mal hallo guten guter
""",
    "fr": """
le la les de des du et est un une que qui dans pour pas ce il elle sur se ne au aux plus par je nous vous avec
son sa ses mais ou où tout on lui leur cette ces sont être été avoir ai a fait très bien mon ma mes c'est j'ai
""",
    "es": """
el la los las de del y que en un una es no se lo por con para su al como más pero sus le ya o este sí porque
esta entre cuando muy sin sobre también me hasta hay donde quien desde todo nos durante todos uno les ni
contra yo
""",
    "it": """
il lo la i gli le di e che è un una in non si per con del della dei delle al alla da dal come più ma ha sono
questo questa anche mi ti ci vi se io tu lui lei noi voi loro essere avere molto perché quando dove chi
""",
    "nl": """
de het een en van is dat niet in te op zijn met voor die aan er om ook als dan bij nog naar maar heeft hij ze
we je ik wat worden door over uit tot wel zou geen hebben deze kan moet mijn haar ons waar wie heel
""",
    "pt": """
o a os as de do da dos das e que é em um uma não se por com para no na mais como mas foi ao ele ela seu sua ou
ser quando muito há nos já está eu também só pelo pela até isso entre era depois sem mesmo aos ter seus
""",
}

_HOMOGRAPHS = """
also am an arm ball bald band bank gift hand hat hut in kind land mag man mit name note rat rock sand so tag
wand war warm was will wind wild die den fast gut rot hell not art bad boot brief gang herd last list mark
rang rest see stern
"""
_SAME = frozenset(_HOMOGRAPHS.split())
"""Words of English and of German, which show neither."""

_COMMON_WORDS = {language: frozenset(words.split()) - _SAME for language, words in _COMMON.items()}


def common_words(language: str) -> frozenset[str]:
    """The most common words of a language; none if they are unknown."""
    return _COMMON_WORDS.get(primary_subtag(language), frozenset())


_LETTERS = {"de": re.compile("[äöüßÄÖÜ]")}
"""Letters of a language that show it, where the other language has none of them."""

MIN_SHARE = 0.2
"""Share of a sentence's words that must be common ones of the target language, and of it alone."""


def is_in_target(sentence: str, source_language: str, target_language: str) -> bool:
    """Whether a sentence is surely in the target language rather than the source language: it has common words of the
    one, and none of the other. Never so for languages whose common words are unknown."""
    marks = _marks(primary_subtag(source_language), primary_subtag(target_language))
    if marks is None:
        return False
    of_source, of_target, letters = marks
    words = [word.lower() for word in _WORD.findall(sentence) if not (word.isupper() and len(word) > 1)]
    if not of_source.isdisjoint(words) or not words:
        return False
    num_marked = sum(word in of_target or (letters is not None and letters.search(word) is not None) for word in words)
    is_clear = num_marked > 1 or (num_marked == 1 and 1 < len(words) <= 3)
    return is_clear and num_marked >= MIN_SHARE * len(words)


Marks = tuple[frozenset[str], frozenset[str], re.Pattern[str] | None]


@lru_cache
def _marks(source: str, target: str) -> Marks | None:
    """Common words of the source language, and common words and letters of the target language alone."""
    of_source, of_target = _COMMON_WORDS.get(source), _COMMON_WORDS.get(target)
    if of_source is None or of_target is None or source == target:
        return None
    return of_source, of_target - of_source, None if source in _LETTERS else _LETTERS.get(target)


_RUN = re.compile(r"\w{0,2}?(\w{1,4}?)\1{4,}\w{0,3}")
"""Letters that a finger on a key repeats: "aaaaaa", "hahahahaha"."""

_KEYS = re.compile(
    "asdf|qwert|sdfg|dfgh|fghj|ghjk|hjkl|jklö|yxcv|zxcv|xcvb|cvbn|vbnm|ertz|rtzu|tzui|uiop|lkjh|kjhg|hgfd|poiu"
)
_CONSONANTS = re.compile(r"[bcdfghjklmnpqrstvwxzBCDFGHJKLMNPQRSTVWXZ]{6,}")
_ENCODED = re.compile(r"(?=\S*[a-z])(?=\S*[A-Z])(?=\S*\d)[\w+/-]{20,}={0,2}|[0-9a-fA-F]{24,}")
"""Base64 and hexadecimal digits."""

MAX_PIECES_PER_LETTER = 0.75
"""A word with more pieces than this for each letter is none that the vocabulary knows."""


def is_noise(sentence: str, side: Side) -> bool:
    """Whether every word of a sentence is noise: keys at random, a letter repeated, encoded bytes. side: of the
    sentence's vocabulary."""
    words = sentence.split()
    return bool(words) and all(_is_noise_word(word, side) for word in words[:MAX_EXAMINED])


MAX_EXAMINED = 50
"""Words of a sentence that are examined for noise."""


def _is_noise_word(word: str, side: Side) -> bool:
    letters = word.strip(".,;:!?…()[]\"'“”„")
    if _ENCODED.fullmatch(letters):
        return True
    if not letters.isalpha() or len(letters) < MIN_NOISE_LENGTH or len(side.encode(letters)) <= 1:
        return False
    small = letters.lower()
    if _RUN.fullmatch(small):
        return True
    if not small.isascii() or letters.isupper():
        return False
    share = len(side.encode(small)) / len(small)
    if _KEYS.search(small) is not None or _CONSONANTS.search(small) is not None:
        return share > MAX_PIECES_PER_LETTER / 2
    is_spoken = len(small) < MIN_RANDOM_LENGTH and _VOWEL.search(small) is not None
    return share > MAX_PIECES_PER_LETTER and not is_spoken


_VOWEL = re.compile("[aeiouy]")

MIN_NOISE_LENGTH = 3

MIN_RANDOM_LENGTH = 8
"""Letters of a word with vowels that no vocabulary knows, and that is rather noise than an exclamation."""


def find_repeats(sentence: str) -> tuple[str, int] | None:
    """The words of which a sentence consists, over and over, and how often; None if they come fewer than
    MIN_REPEATS times."""
    words = sentence.split()
    if len(words) < MIN_REPEATS or len(set(words)) > 2 * MAX_REPEATED_WORDS:
        return None
    first = words[0].strip(_PUNCTUATION).lower()
    if first and sentence.lower().count(first) < MIN_REPEATS:
        return None
    bare = [word.strip(_PUNCTUATION).lower() for word in words]
    for length in range(1, MAX_REPEATED_WORDS + 1):
        if len(words) >= MIN_REPEATS * length and all(a == b for a, b in zip(bare, bare[length:], strict=False)):
            return " ".join(words[:length]), len(words) // length
    return None


_PUNCTUATION = ".,;!?…"
MIN_REPEATS = 4
MAX_REPEATED_WORDS = 4

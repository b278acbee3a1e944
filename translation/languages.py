"""Languages: finding them by tag or name, and identifying that of a text.

py3langid identifies: naive Bayes over byte n-grams (Lui and Baldwin 2012), 139 languages, offline.
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

from dragoman.model.bundle import BundleConfig
from dragoman.model.config import Direction
from dragoman.model.errors import DragomanError, InvalidInputError

_TAG = re.compile(r"[A-Za-z0-9]{1,8}([-_][A-Za-z0-9]{1,8})*")

MAX_TAG_LENGTH = 255
"""Characters of a tag; real ones have a few dozen, and looking takes time that grows with the square of them."""

_NAMES_AND_CODES = """
afrikaans af albanian sq amharic am arabic ar armenian hy assamese as asturian ast azerbaijani az basque eu
belarusian be bengali bn bosnian bs breton br bulgarian bg burmese my cantonese yue catalan ca chinese zh croatian hr
czech cs danish da dutch nl english en esperanto eo estonian et faroese fo finnish fi french fr frisian fy galician gl
georgian ka german de greek el gujarati gu haitian ht hausa ha hebrew he hindi hi hungarian hu icelandic is igbo ig
indonesian id irish ga italian it japanese ja javanese jv kannada kn kazakh kk khmer km kinyarwanda rw korean ko
kurdish ku kyrgyz ky lao lo latin la latvian lv lingala ln lithuanian lt luxembourgish lb macedonian mk malagasy mg
malay ms malayalam ml maltese mt maori mi marathi mr mongolian mn nepali ne norwegian no occitan oc oromo om pashto ps
persian fa polish pl portuguese pt punjabi pa quechua qu romanian ro russian ru sanskrit sa serbian sr shona sn
sindhi sd sinhala si slovak sk slovenian sl somali so spanish es sundanese su swahili sw swedish sv tagalog tl
tajik tg tamil ta tatar tt telugu te thai th tibetan bo turkish tr turkmen tk ukrainian uk urdu ur uyghur ug uzbek uz
vietnamese vi welsh cy xhosa xh yiddish yi yoruba yo zulu zu
acehnese ace akan ak aymara ay balinese ban bambara bm bashkir ba bhojpuri bho bikol bik buryat bua cebuano ceb
chechen ce cherokee chr chichewa ny choctaw cho chuvash cv cornish kw corsican co cree cr dhivehi dv dinka din
dzongkha dz erzya myv ewe ee fijian fj fon fon friulian fur fulah ff gaelic gd ganda lg guarani gn hawaiian haw
hiligaynon hil hmong hmn iban iba ilocano ilo inuktitut iu kabyle kab karakalpak kaa kashmiri ks kashubian csb
kikuyu ki kongo kg konkani kok ladino lad latgalian ltg limburgish li lombard lmo luo luo maithili mai manx gv
mapudungun arn marshallese mh mizo lus mohawk moh navajo nv neapolitan nap newari new ndebele nr odia or ojibwe oj
ossetian os papiamento pap quiche quc romansh rm rundi rn samoan sm sango sg santali sat sardinian sc scots sco
silesian szl sicilian scn swati ss tahitian ty tigrinya ti tongan to tsonga ts tswana tn twi tw tuvan tyv udmurt udm
venda ve venetian vec wolof wo yakut sah zapotec zap
"""
_words = _NAMES_AND_CODES.split()
_CODES = dict(zip(_words[::2], _words[1::2], strict=True))
"""By English name."""
_NAMES = {code: name.title() for name, code in _CODES.items()}

_OWN_NAMES = """
shqip sq አማርኛ am العربية ar հայերեն hy aragonés an asturianu ast euskara eu беларуская be
български bg bosanski bs brezhoneg br català ca valencià ca 中文 zh 汉语 zh 漢語 zh 普通话 zh 粵語 yue
hrvatski hr čeština cs dansk da nederlands nl vlaams nl eesti et føroyskt fo suomi fi français fr
frysk fy galego gl ქართული ka deutsch de ελληνικά el ગુજરાતી gu עברית he हिन्दी hi magyar hu
íslenska is gaeilge ga italiano it 日本語 ja ಕನ್ನಡ kn қазақша kk ខ្មែរ km 한국어 ko kurdî ku кыргызча ky
ລາວ lo latina la latviešu lv lietuvių lt lëtzebuergesch lb македонски mk melayu ms മലയാളം ml
malti mt मराठी mr монгол mn नेपाली ne norsk no bokmål nb nynorsk nn پښتو ps فارسی fa polski pl
português pt ਪੰਜਾਬੀ pa română ro русский ru српски sr srpski sr සිංහල si slovenčina sk
slovenščina sl español es castellano es kiswahili sw svenska sv தமிழ் ta татарча tt తెలుగు te ไทย th
türkçe tr українська uk اردو ur oʻzbekcha uz cymraeg cy יידיש yi isizulu zu esperanto eo occitan oc
kreyòl ht
"""
_words = _OWN_NAMES.split()
_CODES = dict(zip(_words[::2], _words[1::2], strict=True)) | _CODES
"""By English name, or by the language's own."""

_THREE_LETTERS = """
afr af alb sq sqi sq amh am ara ar arm hy hye hy asm as aze az baq eu eus eu bel be ben bn bos bs bre br bul bg bur my
mya my cat ca chi zh zho zh hrv hr cze cs ces cs dan da dut nl nld nl eng en epo eo est et fao fo fin fi fre fr fra fr
fry fy glg gl geo ka kat ka ger de deu de gre el ell el guj gu hat ht hau ha heb he hin hi hun hu ice is isl is ibo ig
ind id gle ga ita it jpn ja jav jv kan kn kaz kk khm km kin rw kor ko kur ku kir ky lao lo lat la lav lv lin ln lit lt
ltz lb mac mk mkd mk mlg mg may ms msa ms mal ml mlt mt mao mi mri mi mar mr mon mn nep ne nor no nob nb nno nn oci oc
orm om pus ps per fa fas fa pol pl por pt pan pa que qu rum ro ron ro rus ru san sa srp sr sna sn snd sd sin si slo sk
slk sk slv sl som so spa es sun su swa sw swe sv tgl tl tgk tg tam ta tat tt tel te tha th tib bo bod bo tur tr tuk tk
ukr uk urd ur uig ug uzb uz vie vi wel cy cym cy xho xh yid yi yor yo zul zu
"""
_words = _THREE_LETTERS.split()
_SHORTER = dict(zip(_words[::2], _words[1::2], strict=True))
"""ISO 639-1 by ISO 639-2, both kinds of the latter."""

_CASES: dict[int, Callable[[str], str]] = {2: str.upper, 4: str.title}
"""The usual case of a region and of a script, by length."""

_WITHOUT_SPACES = frozenset(("bo", "dz", "ja", "km", "lo", "my", "th", "wuu", "yue", "zh"))

_OTHER_SCRIPTS = """
am ar hy as be bn bg my yue zh ka el gu he hi ja kn km ko ky lo mk ml mr ne ps fa pa ru sa si ta te th bo ti uk ur yi ug
ba bho bua ce chr cv dv dz myv iu ks kok mai new or os sat sah tyv udm
"""
_IN_OTHER_SCRIPTS = frozenset(_OTHER_SCRIPTS.split())
_IN_SEVERAL_SCRIPTS = frozenset(
    ("az", "bs", "cr", "ff", "kk", "kaa", "ku", "mn", "oj", "sd", "sr", "tg", "tk", "tt", "uz")
)
"""Languages that are written in other letters than Latin ones; or in these and others."""


@lru_cache(maxsize=1024)
def is_in_latin(language: str) -> bool | None:
    """Whether a language is written in Latin letters; None if it is unknown, or written in others, too."""
    first, *rest = _normalize(language).split("-")
    script = next((subtag for subtag in rest if len(subtag) == 4 and subtag.isalpha()), None)
    if script is not None:
        return script == "latn"
    if first in _IN_OTHER_SCRIPTS:
        return False
    return True if first in _NAMES and first not in _IN_SEVERAL_SCRIPTS else None


@lru_cache(maxsize=1024)
def primary_subtag(language: str) -> str:
    """The language without script and region, lower-cased: "zh" of "zh-Hant-TW" (BCP 47), "Chinese" and "中文"."""
    return _normalize(language).split("-")[0]


def as_tag(tag_or_name: str) -> str:
    """The tag of a language that is given by its English name or its own: "de" of "German" and "Deutsch". A tag in
    the usual case, "pt_BR" of "PT_br"; anything else as it is."""
    if (code := _CODES.get(tag_or_name.lower())) is not None:
        return code
    subtags = re.split("([-_])", tag_or_name)
    if len(tag_or_name) > MAX_TAG_LENGTH or not _TAG.fullmatch(tag_or_name) or not 2 <= len(subtags[0]) <= 3:
        return tag_or_name
    return subtags[0].lower() + "".join(_CASES.get(len(subtag), str.lower)(subtag) for subtag in subtags[1:])


def english_name(tag: str) -> str:
    """A language's name in English, such as "German"; the tag itself if the name is not known, or with a region."""
    return _NAMES.get(_normalize(tag), tag)


def name_of_language(tag: str) -> str:
    """The English name of a language with its script and region: "Portuguese (BR)"; the tag if it is unknown."""
    first, *rest = _normalize(tag).split("-")
    name = _NAMES.get(first)
    if name is None:
        return tag
    return f"{name.title()} ({'-'.join(tag.replace('_', '-').split('-')[1:])})" if rest else name.title()


def find_language(tag_or_name: str, known: Iterable[str]) -> str | None:
    """The known language that a BCP 47 tag means, or a name, in English or its own, regardless of case and of "_" for
    "-". If it is not known itself, the known language that is the longest prefix of the tag, such as "zh-Hant" or "zh"
    for "zh-Hant-TW" (RFC 4647, lookup); None if there is none."""
    known = frozenset(known)
    if tag_or_name in known:
        return tag_or_name
    by_tag = {_normalize(language): language for language in known}
    wanted = _normalize(tag_or_name)
    if len(wanted) > MAX_TAG_LENGTH or not _TAG.fullmatch(wanted):
        return None
    while wanted not in by_tag:
        wanted = wanted.rpartition("-")[0]
        if not wanted:
            return None
    return by_tag[wanted]


def find_direction(info: BundleConfig, source_language: str | None, target_language: str) -> Direction:
    """`BundleConfig.find_direction` for languages that `find_language` finds. Remembered, since every call asks and a
    model may have tens of thousands of directions."""
    return _find_direction(_Same(info), source_language, target_language)


class _Same:
    """A description that equals itself alone: comparing all directions would take as long as looking for one."""

    __slots__ = ("info",)

    def __init__(self, info: BundleConfig) -> None:
        self.info = info

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.info is other.info

    def __hash__(self) -> int:
        return id(self.info)


@lru_cache(maxsize=1024)
def _find_direction(same: _Same, source_language: str | None, target_language: str) -> Direction:
    info = same.info
    target = find_language(target_language, {direction.target for direction in info.directions})
    source = source_language and find_language(source_language, {direction.source for direction in info.directions})
    return info.find_direction(source or source_language, target or target_language)


def canonical_language(tag_or_name: str) -> str:
    """A language as corpora and bundles name it: "en" of "EN", "eng" and "English", "pt-BR" of "pt_br".

    Raises InvalidInputError for a text that is neither a tag nor a known name.
    """
    tag = _normalize(tag_or_name.strip())
    first, *rest = tag.split("-")
    if len(tag) > MAX_TAG_LENGTH or not _TAG.fullmatch(tag) or not 2 <= len(first) <= 3:
        raise InvalidInputError(
            f'"{tag_or_name}" is no known name of a language; give its code (ISO 639), as chr or de'
        )

    return "-".join([first, *(_CASES.get(len(subtag), str)(subtag) for subtag in rest)])


def means_language(tag_or_name: str, language: str) -> bool:
    """Whether one of two names of languages is the other or a kind of it: "en-US" is "en", "German" is "de-AT"; but
    "pt-PT" is not "pt-BR"."""
    one, other = f"{_normalize(tag_or_name)}-", f"{_normalize(language)}-"
    return one.startswith(other) or other.startswith(one)


def _normalize(tag_or_name: str) -> str:
    tag = tag_or_name.replace("_", "-").lower()
    if tag in _CODES:
        return _CODES[tag]
    first, hyphen, rest = tag.partition("-")
    return _SHORTER.get(first, first) + hyphen + rest


@lru_cache(maxsize=1024)
def has_spaces(language: str) -> bool:
    """Whether the language puts spaces between its words."""
    return primary_subtag(language) not in _WITHOUT_SPACES


class LanguageIdentifier:
    """Guesses the language of texts; any thread may use it. Loading takes one to two seconds and about 120 MiB."""

    def __init__(self) -> None:
        """Raises DragomanError if the package's model cannot be unpacked into a file."""
        from py3langid.langid import MODEL_FILE  # imported only when languages are identified
        from py3langid.langid import LanguageIdentifier as ByteModel

        try:
            self._model = ByteModel.from_model_file(MODEL_FILE, norm_probs=True)
        except OSError as error:
            raise DragomanError(
                f"py3langid's model cannot be unpacked among the temporary files (TMPDIR): {error.strerror or error}"
            ) from error
        self.languages = frozenset(self._model.labels)
        """Codes of the known languages, ISO 639-1 where there is one."""

    def knows(self, language: str) -> bool:
        """Whether it can be identified; the region ("pt-BR") does not matter."""
        return primary_subtag(language) in self.languages

    def identify(self, text: str) -> tuple[str, float]:
        """The likeliest language and its probability; unreliable for texts of fewer than about 15 letters."""
        language, probability = self._model.classify(text)
        return str(language), float(probability)

    def rank(self, text: str) -> list[tuple[str, float]]:
        """All known languages with their probabilities, likeliest first."""
        return [(str(language), float(probability)) for language, probability in self._model.rank(text)]

    def probability(self, text: str, language: str) -> float:
        """The probability that a text is in a known language."""
        return dict(self.rank(text))[primary_subtag(language)]

    def is_same(self, identified: str, language: str) -> bool:
        """Whether an identified language is the named one: "pt" is "pt-BR"."""
        return identified == primary_subtag(language)

"""Translation memories and XLIFF: pairs of an XML file that is read piece by piece.

Inline elements lose their native code and keep the text that a reader would see; a placeholder such as `%s` stays.
"""

import codecs
import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, cast

from dragoman.model.errors import InvalidInputError
from dragoman.training.intake.encodings import is_utf8
from dragoman.training.intake.inputs import InputFile
from dragoman.training.intake.request import PairTexts, Request, never_empty, one_line
from dragoman.training.intake.xml_text import ReadableXml

if TYPE_CHECKING:
    from lxml import etree

_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_CODES = frozenset(("bpt", "ept", "ph", "it", "ut", "sub", "x", "bx", "ex", "sc", "ec", "cp", "sm", "em"))
"""Inline elements of TMX and XLIFF that hold native code, or stand for it. Others (hi, g, pc, mrk) hold text."""
_PAIRED = frozenset(("bpt", "ept", "bx", "ex", "sc", "ec", "sm", "em"))
"""Those that are format within a word, often: no space takes their place."""
_PLACEHOLDER = re.compile(r"%[\d$.+-]*[a-zA-Z@]|\{[^{}<>\s]*\}|\$\{?\w+\}?|%\([a-zA-Z_]\w*\)[a-z]")
_DECLARED = re.compile(rb"""\s*<\?xml[^>]*encoding\s*=\s*["']([\w.:-]+)""")
_DECLARED_BYTES = 200
_DECIDING_BYTES = 1 << 20
_REJECTED = frozenset(("NotStarted", "Rejected", "RejectedTranslation", "RejectedSignOff"))
"""States of memoQ and Trados whose target is no translation, or a wrong one."""
_UNTRANSLATED = frozenset(("new", "needs-translation", "needs-l10n", "needs-adaptation", "initial"))
"""States of XLIFF whose target is no translation yet."""


def read_tmx(file: InputFile, request: Request) -> Iterator[PairTexts]:
    """The pairs of a translation memory, TMX 1.1 to 1.4b: the source of each unit with each of its targets.

    Raises InvalidInputError for a file that is no XML, or has no pair of the two languages.
    """
    languages: set[str] = set()

    def pairs() -> Iterator[PairTexts]:
        for unit in _elements(file, request, ("tu",)):
            sides: tuple[list[str], list[str]] = ([], [])
            for variant in unit.iterchildren("{*}tuv"):
                language = variant.get(_XML_LANG) or variant.get("lang") or ""
                languages.add(language)
                side = request.side_of(language)
                segment = variant.find("{*}seg")
                if side is not None and segment is not None and (text := _text_of(segment)):
                    sides[side].append(text)
            for target in sides[1]:
                for source in sides[0][:1]:
                    yield source, target

    return never_empty(pairs(), file.name, request, languages)


def read_xliff(file: InputFile, request: Request) -> Iterator[PairTexts]:
    """The translated segments of an XLIFF file, 1.2 or 2.x; those whose state says that they are not translated yet
    are left out and counted in a note. Raises InvalidInputError like `read_tmx`."""
    languages: set[str] = set()
    untranslated = Counter[str]()

    def pairs() -> Iterator[PairTexts]:
        swap = False
        for element in _elements(file, request, ("trans-unit", "segment"), starts=("file", "xliff")):
            if _name(element) in ("file", "xliff"):
                found = [
                    element.get(old) or element.get(new)
                    for old, new in (("source-language", "srcLang"), ("target-language", "trgLang"))
                ]
                if any(found):
                    languages.update(filter(None, found))
                    sides = [request.side_of(language) for language in found]
                    ways = [
                        all(not language or side == due for language, side, due in zip(found, sides, way, strict=True))
                        for way in ((0, 1), (1, 0))
                    ]
                    if not any(ways):
                        raise request.lacks(file.name, languages)
                    swap = not ways[0]
                continue
            target = element.find("{*}target")
            if target is None or not _text_of(target):
                untranslated["without"] += 1
                continue
            if (target.get("state") or element.get("state")) in _UNTRANSLATED or _state(element, "status") in _REJECTED:
                untranslated["not yet translated"] += 1
                continue
            for source_text, target_text in _segments(element, target):
                yield (target_text, source_text) if swap else (source_text, target_text)
        if count := untranslated.total():
            request.note(f"{file.name}: {count:,} segments have no translation yet and are left out")

    return never_empty(pairs(), file.name, request, languages)


def _segments(unit: "etree._Element", target: "etree._Element") -> Iterator[PairTexts]:
    """A unit's segments: marked ones by their number, or the unit as one."""
    segmented = unit.find("{*}seg-source")
    rejected = {
        segment.get("id") for segment in unit.iterfind("{*}seg-defs/{*}seg") if _state(segment, "conf") in _REJECTED
    }
    if segmented is not None:
        marked = {mark.get("mid"): _text_of(mark) for mark in segmented.iter("{*}mrk") if mark.get("mtype") == "seg"}
        pairs = [
            (marked.get(mark.get("mid"), ""), _text_of(mark))
            for mark in target.iter("{*}mrk")
            if mark.get("mtype") == "seg" and mark.get("mid") not in rejected
        ]
        if marked:
            yield from (pair for pair in pairs if all(pair))
            return
    source = unit.find("{*}source")
    if source is not None and (text := _text_of(source)):
        yield text, _text_of(target)


def _state(element: "etree._Element", name: str) -> str | None:
    """An attribute of this name in any namespace."""
    return next((value for key, value in element.items() if key.rpartition("}")[2] == name), None)


def _elements(
    file: InputFile, request: Request, ends: tuple[str, ...], starts: tuple[str, ...] = ()
) -> Iterator["etree._Element"]:
    """The elements of these names, in any namespace, as they end or start; each is emptied after its use.

    Damaged places are left out, with a note. Raises InvalidInputError if there is no XML at all.
    """
    from lxml import etree

    encoding = _encoding_of(file, request)
    with file.open() as stream:
        parser = etree.iterparse(
            cast(BinaryIO, ReadableXml(stream, encoding)),
            events=("start", "end"),
            tag=[f"{{*}}{name}" for name in (*starts, *ends)],
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=True,
            recover=True,
            encoding="utf-8",
            remove_comments=True,
            remove_pis=True,
        )
        try:
            for event, element in parser:
                if event == "start":
                    if _name(element) in starts:
                        yield element
                elif _name(element) in ends:
                    yield element
                    element.clear()
                    while (before := element.getprevious()) is not None and (parent := element.getparent()) is not None:
                        parent.remove(before)
        except etree.XMLSyntaxError as error:
            raise InvalidInputError(f"{file.name}: is no XML: {error}") from error
        if problems := list(parser.error_log):
            first = problems[0]
            request.note(
                f"{file.name} is damaged in {len(problems):,} places, which are read as far as possible; "
                f"the first is line {first.line:,}: {first.message}"
            )


def _encoding_of(file: InputFile, request: Request) -> str:
    """The encoding as the bytes show it; as declared if they are neither Unicode nor contradict it."""
    with file.open() as stream:
        declared = _DECLARED.match(stream.read(_DECLARED_BYTES))
    if declared is not None:
        try:
            name = codecs.lookup(declared[1].decode()).name
        except LookupError:
            name = ""
        if name and not name.startswith("utf") and not name.startswith("ascii"):
            with file.open() as stream:
                return "utf-8" if not (part := stream.read(_DECIDING_BYTES)).isascii() and is_utf8(part) else name
    return file.find_encoding(request)


def _name(element: "etree._Element") -> str:
    return str(element.tag).rpartition("}")[2]


def _text_of(element: "etree._Element") -> str:
    """The text that a reader would see, in one line."""
    return one_line("".join(_pieces(element)))


def _pieces(element: "etree._Element") -> Iterator[str]:
    yield element.text or ""
    for child in element:
        if isinstance(child.tag, str):  # neither a comment nor an entity
            name = _name(child)
            if name not in _CODES:
                yield from _pieces(child)
            elif name not in _PAIRED and _PLACEHOLDER.fullmatch(
                code := one_line("".join(child.itertext()) or child.get("equiv-text") or "")
            ):
                yield code
            elif name not in _PAIRED and _is_between_words(child):
                yield " "
        yield child.tail or ""


def _is_between_words(code: "etree._Element") -> bool:
    """Whether taking the code out would join two words."""
    before = code.getprevious()
    parent = code.getparent()
    left = before.tail if before is not None else parent.text if parent is not None else ""
    return bool(left and left[-1].isalnum() and code.tail and code.tail[0].isalnum())

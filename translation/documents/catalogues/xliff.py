"""XLIFF 1.2 and 2.x: a target for each source, with its inline elements and its state."""

import re
from collections.abc import Iterator
from functools import partial

from dragoman.model.errors import InvalidInputError
from dragoman.translation.documents.document import DocumentOptions, make_segment, white_before
from dragoman.translation.documents.spliced import Place, SplicedDocument
from dragoman.translation.documents.xml_places import Element, escape, parse_xml, set_attribute
from dragoman.translation.languages import primary_subtag
from dragoman.translation.markup.content import Content, Role, Tag, merge_kept, pair_tags

_PAIRS = frozenset(("g", "mrk", "pc"))
_OPENING = {"bpt": "rid", "bx": "rid", "sc": "id", "sm": "id"}
"""Elements that begin something which another one ends, and the attribute that says which; "id" if it is missing."""
_CLOSING = {"ept": "rid", "ex": "rid", "ec": "startRef", "em": "startRef"}

_INDENTATION = re.compile(r"[ \t]*\n[ \t]+")
_UNTRANSLATED = frozenset(("new", "needs-translation", "needs-l10n", "initial"))
_FINAL = frozenset(("final", "signed-off"))


def open_document(content: bytes, options: DocumentOptions) -> SplicedDocument:
    """Open XLIFF 1.2 or 2.x. Targets in another language than the wanted one count as missing."""
    text, encoding, root = parse_xml(content)
    version = root.attributes.get("version", "")
    if root.name != "xliff" or version[:1] not in ("1", "2"):
        raise InvalidInputError(f"its root is <{root.name}> of version {version or 'unknown'}, not XLIFF 1.2 or 2.x")
    is_old = version.startswith("1")
    places: list[Place] = []
    fixes: list[tuple[int, int, str]] = []
    for owner in root.descendants("file") if is_old else (root,):
        name = "target-language" if is_old else "trgLang"
        language = owner.attributes.get(name, "")
        is_foreign = bool(language) and primary_subtag(language) != primary_subtag(options.target_language)
        if options.target_language and (is_foreign or not language):
            tag = set_attribute(text[owner.begin : owner.inner_begin], name, options.target_language)
            fixes.append((owner.begin, owner.inner_begin, tag))
        units = owner.descendants("trans-unit" if is_old else "unit")
        for unit in units:
            read = _read_old if is_old else _read_new
            places += read(text, unit, is_foreign=is_foreign, mark_fuzzy=options.mark_fuzzy)
    return SplicedDocument(text, places, encoding=encoding, fixes=fixes, errors="xmlcharrefreplace")


def _read_old(text: str, unit: Element, *, is_foreign: bool, mark_fuzzy: bool) -> Iterator[Place]:
    """The target of a trans-unit of XLIFF 1.2, or where it belongs."""
    source, target = (next(unit.elements(name), None) for name in ("source", "target"))
    if source is None:
        return
    state = target.attributes.get("state", "") if target else ""
    content = read_inline(text, source)
    is_kept = _is_kept(unit) or unit.attributes.get("approved") == "yes" or state in _FINAL
    has_target = target is not None and _has_content(target)
    segment = make_segment(
        content,
        context=unit.attributes.get("resname", ""),
        notes="\n".join(note.text().strip() for note in unit.elements("note")),
        is_translated=has_target and state not in _UNTRANSLATED and not is_foreign,
        is_kept=is_kept and not is_foreign,
    )
    written = "needs-review-translation" if mark_fuzzy else "translated"
    if target is not None:
        tag = _opened(set_attribute(text[target.begin : target.inner_begin], "state", written))
        yield Place(target.begin, target.end, segment, partial(_write, tag, ""), is_target=True)
    else:
        behind = next(unit.elements("seg-source"), source)
        name = _with_prefix(text, source, "target")
        yield Place(
            behind.end, behind.end, segment,
            partial(_write, f'<{name} state="{written}">', white_before(text, source.begin)), is_target=True,
        )  # fmt: skip


def _read_new(text: str, unit: Element, *, is_foreign: bool, mark_fuzzy: bool) -> Iterator[Place]:
    """The segments of a unit of XLIFF 2: from the begin of each to the end of its target."""
    notes = "\n".join(note.text().strip() for notes in unit.elements("notes") for note in notes.elements("note"))
    for part in unit.elements("segment"):
        source, target = (next(part.elements(name), None) for name in ("source", "target"))
        if source is None:
            continue
        state = part.attributes.get("state", "initial" if target is None else "")
        segment = make_segment(
            read_inline(text, source),
            context=unit.attributes.get("name", ""),
            notes=notes,
            is_translated=target is not None and _has_content(target) and state not in _UNTRANSLATED and not is_foreign,
            is_kept=(_is_kept(unit) or state in _FINAL) and not is_foreign,
        )
        begin = set_attribute(text[part.begin : part.inner_begin], "state", "initial" if mark_fuzzy else "translated")
        if target is not None:
            lead = begin + text[part.inner_begin : target.begin]
            tag, end = _opened(text[target.begin : target.inner_begin]), target.end
        else:
            lead = begin + text[part.inner_begin : source.end] + white_before(text, source.begin)
            tag, end = f"<{_with_prefix(text, source, 'target')}>", source.end
        yield Place(part.begin, end, segment, partial(_write, tag, lead), is_target=True)


def read_inline(text: str, element: Element) -> Content:
    """The content of a source or target."""
    return merge_kept(pair_tags(list(_read(text, element, _is_preserved(element)))))


def _read(text: str, element: Element, is_preserved: bool) -> Iterator[tuple[str | Tag, str]]:
    for child in element.children:
        if not isinstance(child, Element):
            if child.text is not None:
                yield child.text if is_preserved else _INDENTATION.sub(" ", child.text), ""
            elif child.raw not in ("<![CDATA[", "]]>"):
                yield Tag(child.raw), ""
            continue
        raw = text[child.begin : child.end]
        attributes = child.attributes
        is_protected = attributes.get("mtype") == "protected" or attributes.get("translate") == "no"
        if child.name in _PAIRS and not child.is_empty_tag and not is_protected:
            yield Tag(text[child.begin : child.inner_begin], Role.OPEN), f"{child.begin}"
            yield from _read(text, child, is_preserved)
            yield Tag(text[child.inner_end : child.end], Role.CLOSE), f"{child.begin}"
        elif child.name in _OPENING:
            key = attributes.get(_OPENING[child.name]) or attributes.get("id", "")
            yield Tag(raw, Role.OPEN), f"code {key}"
        elif child.name in _CLOSING:
            key = attributes.get(_CLOSING[child.name]) or attributes.get("id", "")
            yield Tag(raw, Role.CLOSE), f"code {key}"
        else:
            yield Tag(raw, shown=child.text().strip() if is_protected else ""), ""


def _write(tag: str, lead: str, content: Content) -> str:
    """A target. tag: its start. lead: what comes before it."""
    name = tag[1:].split(None, 1)[0].rstrip(">")
    body = "".join(piece.raw if isinstance(piece, Tag) else escape(piece) for piece in content)
    return f"{lead}{tag}{body}</{name}>"


def _opened(tag: str) -> str:
    """A start tag that is none of an element without content."""
    return f"{tag[:-2].rstrip()}>" if tag.endswith("/>") else tag


def _has_content(target: Element) -> bool:
    return bool(target.text().strip()) or any(True for _ in target.elements())


def _is_kept(element: Element | None) -> bool:
    """Whether it, or what it is in, says that nothing in it is translated; the innermost holds."""
    while element is not None:
        wanted = element.attributes.get("translate")
        if wanted is not None:
            return wanted == "no"
        element = element.parent
    return False


def _is_preserved(element: Element | None) -> bool:
    """Whether line breaks in it mean something; otherwise they, and the next line's indentation, are a space."""
    while element is not None:
        if "xml:space" in element.attributes:
            return element.attributes["xml:space"] == "preserve"
        element = element.parent
    return False


def _with_prefix(text: str, element: Element, name: str) -> str:
    """A name with the prefix that an element's has."""
    own = text[element.begin + 1 : element.inner_begin].split(None, 1)[0].rstrip("/>")
    prefix, colon, _ = own.rpartition(":")
    return f"{prefix}{colon}{name}"

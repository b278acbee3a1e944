"""Subtitles: SubRip and WebVTT. Times, numbers, notes and styles stay; what was one line or two is so again.

A sentence that goes on in the next cue is translated as one and divided again in proportion to the cues' lengths.
pysubs2 would write the whole file anew.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import unescape

from dragoman.model.errors import InvalidInputError
from dragoman.translation.documents.document import DocumentOptions, Segment, lines_of, make_segment, refusal
from dragoman.translation.documents.spliced import Place, SplicedDocument
from dragoman.translation.documents.texts.rewrapping import divide, wrap
from dragoman.translation.markup.content import Content, Role, Tag, pair_tags

_TIME = r"(?:(\d+):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_TIMING = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}")
_MARK = re.compile(r"<(/?)([A-Za-z0-9]*)[^<>\n]*>|\{\\[^{}\n]*\}")
_LEAD = re.compile(r"((?:<[^<>\n/][^<>\n]*>|\{\\[^{}\n]*\})*(?:[-–—‐][ \t]*)?)")
_END = re.compile(r"[.!?…:;♪)\]\"”»。！？-]\s*$")
_SPEAKER = re.compile(r"\s*(?:[-–—‐]|<v[ .]|[A-Z][A-Z .]+:|♪|\[|\()")

MAX_JOINED = 6
"""Cues of a sentence."""

MAX_PAUSE = 3.0
"""Seconds between cues of a sentence."""

MAX_COLUMNS = 42
"""Characters of a line, by the usual guidelines, unless the file has longer ones."""


@dataclass(frozen=True, slots=True)
class _Cue:
    """The text of a cue, or of a speaker in it. start, stop: in seconds. lead, trail: marks around all of the text."""

    begin: int
    end: int
    start: float
    stop: float
    lead: str
    body: str
    trail: str
    num_lines: int
    is_whole: bool


def open_document(content: bytes, options: DocumentOptions) -> SplicedDocument:
    """Open subtitles in UTF-8 or, if SubRip is none, Windows-1252."""
    try:
        text, encoding = content.decode(), "utf-8"
    except UnicodeDecodeError as error:
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):
            encoding = "utf-16-le" if content.startswith(b"\xff\xfe") else "utf-16-be"
            text = content.decode(encoding, "surrogatepass")
        elif content.startswith(b"WEBVTT"):
            line = content.count(b"\n", 0, error.start) + 1
            raise InvalidInputError(f"line {line}: is not UTF-8, as WebVTT must be") from None
        else:
            text, encoding = content.decode("cp1252", "surrogateescape"), "cp1252"
    is_vtt = text.removeprefix("\ufeff").startswith("WEBVTT")
    cues = list(_read_cues(text))
    if not cues and "-->" not in text and not is_vtt and text.strip():
        raise refusal(text, 0, 'has no line such as "00:00:01,000 --> 00:00:02,000"')
    width = max([MAX_COLUMNS, *(len(_MARK.sub("", line)) for cue in cues for line in cue.body.splitlines())])
    places = [_place(text, group, width, is_vtt) for group in _group(cues)]
    return SplicedDocument(text, places, encoding=encoding, errors="surrogateescape")


def _read_cues(text: str) -> Iterator[_Cue]:
    place = 0
    timing: re.Match[str] | None = None
    begin = 0
    body: list[str] = []
    for line in [*lines_of(text), ""]:
        if timing is not None and line.strip():
            body.append(line)
        elif timing is not None:
            yield from _split_cue(timing, "".join(body), begin)
            timing = None
        elif "-->" in line:
            timing = _TIMING.match(line)
            if timing is None:
                raise refusal(text, place, "has a wrong time, not such as 00:00:01,000 --> 00:00:02,000")
            begin, body = place + len(line), []
        place += len(line)


def _split_cue(timing: re.Match[str], raw: str, begin: int) -> Iterator[_Cue]:
    """A cue, or one for each speaker in it, whose line begins with a dash."""
    start, stop = _seconds(timing.groups()[:4]), _seconds(timing.groups()[4:])
    lines = lines_of(raw.rstrip("\r\n"))
    starts = [number for number, line in enumerate(lines) if number and _SPEAKER.match(line)]
    for first, last in zip([0, *starts], [*starts, len(lines)], strict=True):
        part = "".join(lines[first:last])
        shown = part.rstrip("\r\n")
        around = _LEAD.match(shown)
        if shown.strip() and around:
            lead = around[0]
            body = shown[len(lead) :]
            while body.endswith(">") and body.startswith("</", body.rfind("<")):
                body = body[: body.rfind("<")]
            trail = shown[len(lead) + len(body) :]
            if _MARK.search(body) or bool(_MARK.search(lead)) < bool(trail):
                lead, body, trail = "", shown, ""
            yield _Cue(begin, begin + len(shown), start, stop, lead, body, trail, last - first, is_whole=not starts)
        begin += len(part)


def _seconds(parts: Sequence[str | None]) -> float:
    hours, minutes, seconds, fraction = (part or "0" for part in parts)
    return int(hours) * 3600 + int(minutes) * 60 + float(f"{seconds}.{fraction}")


def _group(cues: Sequence[_Cue]) -> Iterator[list[_Cue]]:
    """Cues that are one sentence."""
    group: list[_Cue] = []
    for cue in cues:
        if group and not _goes_on(group, cue):
            yield group
            group = []
        group.append(cue)
    if group:
        yield group


def _goes_on(group: Sequence[_Cue], cue: _Cue) -> bool:
    last = group[-1]
    first = cue.body.lstrip()[:1]
    return (
        last.is_whole
        and cue.is_whole
        and len(group) < MAX_JOINED
        and 0 <= cue.start - last.stop <= MAX_PAUSE
        and not _END.search(last.body)
        and not _SPEAKER.match(cue.lead + cue.body)
        and not _MARK.search(last.body + cue.body)
        and (first.islower() or (last.body.rstrip().endswith(",") and first.isalnum()))
    )


def _place(text: str, group: Sequence[_Cue], width: int, is_vtt: bool) -> Place:
    line_end = "\r\n" if "\r\n" in text[:4096] else "\n"
    content: list[tuple[str | Tag, str]] = []
    for number, cue in enumerate(group):
        content += [(" ", "")] if number else []
        content += _read(cue.body, is_vtt)
    segment: Segment = make_segment(pair_tags(content))

    def write(translation: Content) -> str:
        encode: Callable[[str], str] = _encode if is_vtt else str
        whole = "".join(piece.raw if isinstance(piece, Tag) else encode(piece) for piece in translation)
        parts = divide(whole, [len(cue.body) for cue in group]) if len(group) > 1 else [whole]
        written: list[str] = []
        for number, (cue, part) in enumerate(zip(group, parts, strict=True)):
            if number:
                written.append(text[group[number - 1].end : cue.begin])
            written += cue.lead, line_end.join(wrap(part, cue.num_lines, width)), cue.trail
        return "".join(written)

    return Place(group[0].begin, group[-1].end, segment, write)


def _read(body: str, is_vtt: bool) -> Iterator[tuple[str | Tag, str]]:
    """A cue's text on one line, with its marks as tags."""
    decode: Callable[[str], str] = unescape if is_vtt else str
    joined = re.sub(r"[ \t]*\r?\n[ \t]*", " ", body)
    place = 0
    for match in _MARK.finditer(joined):
        if match.start() > place:
            yield decode(joined[place : match.start()]), ""
        role = Role.SINGLE if not match[2] else Role.CLOSE if match[1] else Role.OPEN
        yield Tag(match[0], role), match[2] or ""
        place = match.end()
    if place < len(joined):
        yield decode(joined[place:]), ""


def _encode(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\u00a0", "&nbsp;")

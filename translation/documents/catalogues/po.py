"""Catalogues of gettext: .po and .pot.

Every line stays as it is but those of the messages that get a translation, and the header's. polib would write the
whole file anew, with lines wrapped in its own way.

A translation that lost a placeholder, which a program fills in, is marked as fuzzy: gettext does not use it.
"""

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dragoman.model.errors import InvalidInputError
from dragoman.translation.documents.catalogues.mnemonics import take_mnemonic
from dragoman.translation.documents.catalogues.plurals import plural_forms
from dragoman.translation.documents.catalogues.po_strings import read_strings, write_field
from dragoman.translation.documents.document import DocumentOptions, Segment, lines_of, make_segment
from dragoman.translation.documents.tags import read_tags, write_tags
from dragoman.translation.languages import primary_subtag
from dragoman.translation.markup.content import Content

_KEYWORD = re.compile(r"[ \t]*(msgctxt|msgid_plural|msgid|msgstr(?:\[\d+\])?|domain)[ \t]*(?=\")")
_CHARSET = re.compile(rb"charset=([\w.:-]+)", re.IGNORECASE)
_NUM_PLURALS = re.compile(r"nplurals\s*=\s*(\d+)")
_PLACEHOLDER = re.compile(
    r"%(?:\d+\$|\(\w+\))?[-+ #0']*(?:\*|\d+)?(?:\.(?:\*|\d+))?(?:hh?|ll?|[jztLq])?[%diouxXeEfFgGaAcsCSpnmLr@]"
    r"|%n|%L?\d+|\{[\w.!:\[\]]*\}"
)
_FIELD = re.compile(r"^([\w-]+):[ \t]*(.*)$", re.MULTILINE)


@dataclass(slots=True)
class _Message:
    """begin, end: of its lines. values, places: by field, such as "msgstr[0]", the text and its lines' numbers."""

    begin: int
    end: int = 0
    values: dict[str, str] = field(default_factory=dict)
    places: dict[str, range] = field(default_factory=dict)

    @property
    def targets(self) -> list[str]:
        """The names of the fields of translations."""
        return [name for name in self.values if name.startswith("msgstr")]

    def comments(self, lines: Sequence[str], mark: str) -> list[int]:
        """The numbers of the lines that begin with a mark, such as "#,"."""
        return [number for number in range(self.begin, self.end) if lines[number].startswith(mark)]


class Catalogue:
    """A catalogue taken apart. A message with plural forms has two segments, singular and plural."""

    def __init__(self, text: str, charset: str, options: DocumentOptions) -> None:
        self._lines = lines_of(text)
        self._line_end = "\r\n" if self._lines and self._lines[0].endswith("\r\n") else "\n"
        self._charset = charset
        self._options = options
        messages = list(_read_messages(self._lines))
        self._header = next((message for message in messages if _is_header(message)), None)
        self._messages = [message for message in messages if message is not self._header and message.targets]
        fields = dict(_FIELD.findall(self._header.values["msgstr"])) if self._header else {}
        language = primary_subtag(fields.get("Language", "").strip().replace("_", "-"))
        self._is_foreign = language not in ("", primary_subtag(options.target_language))
        """Whether its translations are in another language."""
        self._forms = plural_forms(options.target_language)
        found = None if self._is_foreign else _NUM_PLURALS.search(fields.get("Plural-Forms", ""))
        self._num_forms = int(found[1]) if found else len(self._forms.categories)
        self._has_forms = found is not None
        self.segments: Sequence[Segment] = [
            segment for message in self._messages for segment in self._segments_of(message)
        ]

    def _segments_of(self, message: _Message) -> Iterator[Segment]:
        notes = [self._lines[number][2:].strip() for number in message.comments(self._lines, "#.")]
        is_fuzzy = any("fuzzy" in self._lines[number] for number in message.comments(self._lines, "#,"))
        is_complete = all(message.values[name] for name in message.targets)
        for name in ("msgid", "msgid_plural"):
            if name in message.values:
                yield make_segment(
                    read_tags(take_mnemonic(message.values[name])[0]),
                    context=message.values.get("msgctxt", ""),
                    notes="\n".join(notes),
                    is_translated=is_complete and not is_fuzzy and not self._is_foreign,
                )

    def render(self, translations: Sequence[Content | None]) -> bytes:
        """See `Document`. With any translation the header gets the target's language and plural forms."""
        remaining = iter(translations)
        new = dict(enumerate(self._lines))
        for message in self._messages:
            found = [next(remaining) for name in ("msgid", "msgid_plural") if name in message.values]
            if any(translation is not None for translation in found):
                texts = [
                    message.values[name] if translation is None else _write(message.values[name], translation)
                    for name, translation in zip(("msgid", "msgid_plural"), found, strict=False)
                ]
                self._change(message, texts, new)
        if self._header and any(translation is not None for translation in translations):
            self._change_header(self._header, new)
        text = "".join(new[number] for number in range(len(self._lines)))
        try:
            return text.encode(self._charset)
        except UnicodeEncodeError as error:
            raise InvalidInputError(
                f'its charset {self._charset} has no "{text[error.start]}"; convert the file to UTF-8 first'
            ) from None

    def _change(self, message: _Message, texts: Sequence[str], new: dict[int, str]) -> None:
        """Write a message's translations: one, or singular and plural."""
        if "msgid_plural" not in message.values:
            targets = {"msgstr": texts[0]}
        elif self._num_forms == 1:
            targets = {"msgstr[0]": texts[1]}
        else:
            one = self._forms.categories.index("one") if "one" in self._forms.categories else 0
            targets = {f"msgstr[{form}]": texts[form != one] for form in range(self._num_forms)}
        if targets != {name: message.values[name] for name in message.targets}:
            places = [number for name in message.targets for number in message.places[name]]
            source_lines = message.places["msgid"]
            is_wrapped = len(source_lines) > 1 or "\n" in message.values["msgid"]
            rows = [
                row
                for name, text in targets.items()
                for row in write_field(name, text, self._line_end, is_wrapped=is_wrapped)
            ]
            if not new[places[-1]].endswith("\n"):
                rows[-1] = rows[-1].removesuffix(self._line_end)
            new.update(dict.fromkeys(places, ""))
            new[places[0]] = "".join(rows)
        is_broken = self._has_format(message) and not _keeps_placeholders(message, targets.values())
        self._flag(message, new, is_fuzzy=self._options.mark_fuzzy or is_broken)

    def _has_format(self, message: _Message) -> bool:
        """Whether a program fills in the message's placeholders."""
        return any("-format" in self._lines[number] for number in message.comments(self._lines, "#,"))

    def _flag(self, message: _Message, new: dict[int, str], *, is_fuzzy: bool) -> None:
        """Set or clear the mark "fuzzy", and clear the former source of a fuzzy translation."""
        numbers = message.comments(self._lines, "#,")
        flags = [flag.strip() for number in numbers for flag in self._lines[number][2:].split(",")]
        if ("fuzzy" in flags) is not is_fuzzy:
            others = [flag for flag in flags if flag not in ("fuzzy", "")]
            wanted = ["fuzzy", *others] if is_fuzzy else others
            line = f"#, {', '.join(wanted)}{self._line_end}" if wanted else ""
            if numbers:
                new.update(dict.fromkeys(numbers, ""))
                new[numbers[0]] = line
            else:
                begin = next(iter(message.places.values()))[0]
                new[begin] = line + new[begin]
        new.update(dict.fromkeys(message.comments(self._lines, "#|"), ""))

    def _change_header(self, header: _Message, new: dict[int, str]) -> None:
        """Say which language the translations have, and in which charset they are written."""
        text = header.values["msgstr"]
        target = self._options.target_language.replace("-", "_")
        wanted = {"Content-Type": f"text/plain; charset={self._charset}"} if b"charset=CHARSET" in text.encode() else {}
        fields = dict(_FIELD.findall(text))
        if self._is_foreign or not fields.get("Language", "").strip():
            wanted["Language"] = target
        if not self._has_forms:
            wanted["Plural-Forms"] = self._forms.header
        for name, value in wanted.items():
            line = f"{name}: {value}"
            pattern = re.compile(rf"^{name}:.*$", re.MULTILINE)
            text = pattern.sub(line.replace("\\", "\\\\"), text) if name in fields else f"{text.rstrip()}\n{line}\n"
        is_template = any("fuzzy" in self._lines[number] for number in header.comments(self._lines, "#,"))
        if not wanted and not is_template:
            return
        places = header.places["msgstr"]
        new.update(dict.fromkeys(places, ""))
        new[places[0]] = "".join(write_field("msgstr", text, self._line_end, is_wrapped=False))
        for number in header.comments(self._lines, "#,") if is_template else ():
            new[number] = ""


def _write(source: str, translation: Content) -> str:
    mnemonic = take_mnemonic(source)[1]
    text = write_tags(translation)
    return text if mnemonic is None else mnemonic.restore(text)


def _keeps_placeholders(message: _Message, targets: Iterable[str]) -> bool:
    """Whether each translation has the placeholders of one of its sources; a program might fail at others."""
    sources = [_placeholders(message.values[name]) for name in ("msgid", "msgid_plural") if name in message.values]
    return all(_placeholders(target) in sources for target in targets)


def _placeholders(text: str) -> list[str]:
    return sorted(_PLACEHOLDER.findall(text))


def _is_header(message: _Message) -> bool:
    return message.values.get("msgid") == "" and "msgctxt" not in message.values and "msgstr" in message.values


def _read_messages(lines: Sequence[str]) -> Iterator[_Message]:
    """The messages, obsolete ones left out. Raises InvalidInputError with the line."""
    message = _Message(0)
    parts: dict[str, list[str]] = {}
    name = ""
    has_target = False
    for number, line in enumerate(lines):
        stripped = line.strip()
        keyword = _KEYWORD.match(line)
        is_comment = stripped.startswith("#")
        if has_target and (is_comment or (keyword and not keyword[1].startswith("msgstr"))):
            yield _completed(message, parts)
            message, name, parts, has_target = _Message(number), "", {}, False
        message.end = number + 1
        if not stripped or is_comment:
            if name and is_comment:
                name = ""
            continue
        try:
            if keyword and keyword[1] in message.values:
                raise InvalidInputError(f"{keyword[1]} is there twice in a message")
            if keyword:
                name = keyword[1]
                if name.startswith("msgstr") and "msgid" not in message.values:
                    raise InvalidInputError("msgstr has no msgid before it")
                message.values[name] = ""
                parts[name] = [read_strings(line[keyword.end() :])]
                has_target = has_target or name.startswith("msgstr")
                message.places[name] = range(number, number + 1)
            else:
                text = read_strings(line)
                if not name:
                    raise InvalidInputError("a text in quotation marks has no keyword before it")
                parts[name].append(text)
                message.places[name] = range(message.places[name].start, number + 1)
        except InvalidInputError as error:
            raise InvalidInputError(f"line {number + 1}: {error}") from None
    if has_target:
        yield _completed(message, parts)
    elif "msgid" in message.values:
        raise InvalidInputError(f"line {len(lines)}: the file ends in the middle of a message")


def _completed(message: _Message, parts: Mapping[str, Sequence[str]]) -> _Message:
    message.values = {name: "".join(texts) for name, texts in parts.items()}
    return message


def open_document(content: bytes, options: DocumentOptions) -> Catalogue:
    """Open a catalogue in the charset that its header names; UTF-8 without one."""
    found = _CHARSET.search(content)
    charset = found[1].decode() if found and found[1] != b"CHARSET" else "UTF-8"
    try:
        codecs.lookup(charset)
        text = content.decode(charset)
    except LookupError:
        raise InvalidInputError(f"its charset {charset} is unknown") from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidInputError(f"line {line}: is not {charset}, as the header says") from None
    return Catalogue(text, charset, options)

"""E-mail (RFC 5322 and MIME): the subject and the texts; headers, attachments and signed parts stay to the byte."""

import base64
import binascii
import quopri
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email import quoprimime
from email.errors import HeaderParseError, MessageError
from email.header import Header, decode_header, make_header
from email.message import Message
from email.parser import BytesParser

from dragoman.model.errors import InvalidInputError
from dragoman.translation.documents.document import Document, DocumentOptions, Segment, make_segment
from dragoman.translation.documents.spliced import SplicedDocument
from dragoman.translation.documents.texts import plain
from dragoman.translation.documents.texts.html import find_places
from dragoman.translation.markup.content import Content

MAX_DEPTH = 20
"""Parts in parts."""

MAX_PARTS = 1000

_UNTOUCHED = frozenset(("multipart/signed", "multipart/encrypted", "message/rfc822"))
_REPLY_MARKS = re.compile(r"(?:(?:re|fwd?|aw|wg|tr|sv|vs|antw)(?:\[\d+\])?:\s*|\[[^\]]{1,40}\]\s*)*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Change:
    """Bytes that take the place of those from `begin` to before `end`."""

    begin: int
    end: int
    content: bytes


class _Subject:
    """The subject, at a place of the mail; marks of replies and lists stay before it."""

    def __init__(self, begin: int, end: int, text: str, newline: str) -> None:
        self._place = begin, end
        self._newline = newline
        marks = _REPLY_MARKS.match(text)
        self._marks = marks[0] if marks else ""
        self.segments: Sequence[Segment] = [make_segment(text[len(self._marks) :])]

    def change(self, translations: Sequence[Content | None]) -> Iterator[_Change]:
        """The header for a translation."""
        (translation,) = translations
        if translation is None or translation == self.segments[0].content:
            return
        text = self._marks + " ".join("".join(map(str, translation)).split())
        header = Header(text, "us-ascii" if text.isascii() else "utf-8", 76, header_name="Subject")
        yield _Change(*self._place, f"Subject: {header.encode(linesep=self._newline)}".encode("ascii"))


class _Text:
    """A part with text. begin, middle, end: of its headers and its body in the mail."""

    def __init__(
        self, mail: bytes, begin: int, middle: int, end: int, headers: "Message[str, str]", options: DocumentOptions
    ) -> None:
        self._mail = mail
        self._begin, self._middle, self._end = begin, middle, end
        self._headers = headers
        self._encoding = str(headers.get("Content-Transfer-Encoding", "7bit")).strip().lower()
        self._charset = headers.get_content_charset() or "us-ascii"
        text = self._decode()
        self._line_end = "\r\n" if "\r\n" in text else "\n"
        self._text = text.replace("\r\n", "\n")
        self._document = self._open(options)
        self.segments = self._document.segments

    def change(self, translations: Sequence[Content | None]) -> Iterator[_Change]:
        """The headers and the body for translations."""
        charset = self._charset
        if self._is_html:
            content = self._document.render(translations)
            if content == self._text.encode(charset, "xmlcharrefreplace"):
                return
            content = content.replace(b"\n", self._line_end.encode())
        else:
            text = self._document.render(translations).decode()
            if text == self._text:
                return
            text = text.replace("\n", self._line_end)
            try:
                content = text.encode(charset)
            except UnicodeEncodeError:
                charset = "utf-8"
                content = text.encode()
        encoding = "quoted-printable" if self._encoding == "7bit" and not content.isascii() else self._encoding
        if (charset, encoding) != (self._charset, self._encoding):
            yield from self._change_headers(charset, encoding)
        yield _Change(self._middle, self._end, self._encode(content, encoding))

    @property
    def _is_html(self) -> bool:
        return self._headers.get_content_type() == "text/html"

    def _open(self, options: DocumentOptions) -> Document:
        if self._is_html:
            return SplicedDocument(
                self._text, find_places(self._text), encoding=self._charset, errors="xmlcharrefreplace"
            )
        return plain.open_document(self._text.encode(), options)

    def _decode(self) -> str:
        body = self._mail[self._middle : self._end]
        line = self._mail.count(b"\n", 0, self._middle) + 1
        try:
            if self._encoding == "quoted-printable":
                body = quopri.decodestring(body)
            elif self._encoding == "base64":
                body = base64.b64decode(b"".join(body.split()), validate=True)
            if self._charset == "us-ascii":
                self._charset = "us-ascii" if body.isascii() else "utf-8"
            return body.decode(self._charset)
        except (binascii.Error, ValueError) as error:
            raise InvalidInputError(
                f"line {line}: the text from here on is not {self._charset} in {self._encoding}, as its headers say"
            ) from error
        except LookupError:
            raise InvalidInputError(f"line {line}: the encoding {self._charset} is unknown") from None

    def _encode(self, content: bytes, encoding: str) -> bytes:
        newline = _newline(self._mail)
        if encoding == "base64":
            return base64.encodebytes(content).replace(b"\n", newline.encode())
        if encoding == "quoted-printable":
            # Line ends are those of the mail in this encoding.
            text = content.replace(b"\r\n", b"\n").decode("latin-1")
            return quoprimime.body_encode(text, eol=newline).encode("ascii")
        return content

    def _change_headers(self, charset: str, encoding: str) -> Iterator[_Change]:
        if "Content-Type" not in self._headers:
            self._headers["Content-Type"] = "text/plain"
        self._headers.set_param("charset", charset)
        fields = {"Content-Type": str(self._headers["Content-Type"]), "Content-Transfer-Encoding": encoding}
        if not self._begin:
            fields["MIME-Version"] = "1.0"
        newline = _newline(self._mail).encode()
        for name, value in fields.items():
            field = f"{name}: {value}".encode("ascii", "replace").replace(b"\r", b"").replace(b"\n", newline)
            place = _find_header(self._mail, self._begin, self._middle, name)
            if place is None:
                field += newline
                place = self._begin, self._begin
            yield _Change(*place, field)


class Mail:
    """A mail: texts, each at a place of it."""

    def __init__(self, mail: bytes, options: DocumentOptions) -> None:
        self._mail = mail
        self._options = options
        self._texts: list[_Subject | _Text] = []
        self._num_parts = 0
        subject = _find_header(mail, 0, _find_body(mail, 0, len(mail)), "Subject")
        if subject is not None:
            text = _decode_header(mail[slice(*subject)].partition(b":")[2])
            self._texts += [] if text is None else [_Subject(*subject, text, _newline(mail))]
        self._read(0, len(mail), 0)
        self.segments: Sequence[Segment] = [segment for text in self._texts for segment in text.segments]

    def render(self, translations: Sequence[Content | None]) -> bytes:
        """See `Document`."""
        changes: list[_Change] = []
        begin = 0
        for text in self._texts:
            end = begin + len(text.segments)
            changes += text.change(translations[begin:end])
            begin = end
        parts: list[bytes] = []
        place = 0
        for change in sorted(changes, key=lambda change: (change.begin, change.end)):
            parts += self._mail[place : change.begin], change.content
            place = change.end
        return b"".join((*parts, self._mail[place:]))

    def _read(self, begin: int, end: int, depth: int, default: str = "text/plain") -> None:
        """Finds the texts in a part, or in the parts within it."""
        self._num_parts += 1
        if depth > MAX_DEPTH or self._num_parts > MAX_PARTS:
            raise InvalidInputError(f"has more than {MAX_PARTS} parts, or they lie more than {MAX_DEPTH} deep")
        middle = _find_body(self._mail, begin, end)
        headers = BytesParser().parsebytes(self._mail[begin:middle], headersonly=True)
        headers.set_default_type(default)
        kind = headers.get_content_type()
        boundary = headers.get_boundary()
        if kind in _UNTOUCHED or headers.get_content_disposition() == "attachment":
            return
        if headers.get_content_maintype() == "multipart" and boundary:
            for first, last in _find_parts(self._mail, middle, end, boundary.encode("utf-8", "surrogateescape")):
                self._read(first, last, depth + 1, "message/rfc822" if kind == "multipart/digest" else "text/plain")
        elif kind in ("text/plain", "text/html"):
            self._texts.append(_Text(self._mail, begin, middle, end, headers, self._options))


def open_document(content: bytes, options: DocumentOptions) -> Mail:
    """Open a mail as it is sent; raises InvalidInputError with the line of a text that is broken."""
    if not re.match(rb"(?:From .*\r?\n)?[!-9;-~]+[ \t]*:", content):
        raise InvalidInputError("line 1: a mail begins with a header such as Subject: …")
    return Mail(content, options)


def _newline(mail: bytes) -> str:
    return "\r\n" if b"\r\n" in mail[: mail.find(b"\n") + 1] else "\n"


def _find_body(mail: bytes, begin: int, end: int) -> int:
    """Behind the empty line that ends the headers."""
    if mail.startswith((b"\n", b"\r\n"), begin, end):  # no header at all
        return mail.index(b"\n", begin) + 1
    found = re.compile(rb"\n\r?\n").search(mail, begin, end)
    return found.end() if found else end


def _find_header(mail: bytes, begin: int, end: int, name: str) -> tuple[int, int] | None:
    """The place of a header with the lines that continue it, without its last line end."""
    field = re.compile(rb"^%s[ \t]*:[^\n]*(?:\n[ \t][^\n]*)*" % re.escape(name.encode()), re.IGNORECASE | re.MULTILINE)
    found = field.search(mail, begin, end)
    return (found.start(), found.start() + len(found[0].rstrip(b"\r"))) if found else None


def _find_parts(mail: bytes, begin: int, end: int, boundary: bytes) -> Iterator[tuple[int, int]]:
    """The places of the parts between lines with the boundary."""
    line = re.compile(rb"(?:(?<=\n)|\A)--%s(--)?[ \t]*\r?(?:\n|\Z)" % re.escape(boundary))
    last: int | None = None
    for found in line.finditer(mail, begin, end):
        if last is not None:
            stop = found.start() - 1
            yield last, max(last, stop - (mail[stop - 1 : stop] == b"\r"))
        if found[1]:
            return
        last = found.end()
    if last is not None:
        yield last, end


def _decode_header(value: bytes) -> str | None:
    """The text of a header; None if it cannot be read."""
    try:
        text = value.decode()
        return " ".join(str(make_header(decode_header(" ".join(text.split())))).split())
    except (MessageError, HeaderParseError, UnicodeError, LookupError, ValueError):
        return None

"""The zip files that office documents are."""

import re
import struct
import zipfile
from io import BytesIO

import pytest

from dragoman.model.errors import InvalidInputError
from dragoman.translation.documents.office import package
from dragoman.translation.documents.office.document import open_document
from dragoman.translation.documents.office.package import Package
from tests.translation.documents.office.building import DATE, OPTIONS, docx, odt, pack, translate, unpack


def refusal(data: bytes) -> str:
    with pytest.raises(InvalidInputError) as caught:
        open_document(data, OPTIONS)
    return str(caught.value)


def test_what_is_not_changed_is_the_same_to_the_byte() -> None:
    document = docx("<w:p><w:r><w:t>Hello</w:t></w:r></w:p>", header="<w:p><w:r><w:t>123</w:t></w:r></w:p>")
    before, after = unpack(document), unpack(translate(document))
    assert before.pop("word/document.xml") != after.pop("word/document.xml")
    assert before == after


def test_order_dates_and_compression_stay() -> None:
    def describe(data: bytes) -> list[tuple[object, ...]]:
        with zipfile.ZipFile(BytesIO(data)) as file:
            return [(info.filename, info.date_time, info.compress_type) for info in file.infolist()]

    document = odt("<text:p>Hello</text:p>")
    assert describe(translate(document)) == describe(document)
    assert describe(document)[0] == ("mimetype", DATE, zipfile.ZIP_STORED)
    # Programs find the kind of an OpenDocument file at this place, which an extra field would move.
    assert translate(document)[30:].startswith(b"mimetypeapplication/vnd.oasis.opendocument.text")


def test_no_text_to_change_gives_the_file_as_it_was() -> None:
    document = docx("<w:p><w:r><w:t>12</w:t></w:r></w:p>")
    assert translate(document) == document
    assert translate(docx("<w:p><w:r><w:t>Hi</w:t></w:r></w:p>"), str) == docx("<w:p><w:r><w:t>Hi</w:t></w:r></w:p>")


def test_everything_but_the_text_of_a_part_stays() -> None:
    paragraph = "<!-- a --><w:p\n  w:x='1'><w:r><w:t>Hello</w:t></w:r></w:p><?b c?>\r\n<w:p/><w:x><![CDATA[a&b]]></w:x>"
    document = docx(paragraph)
    assert unpack(translate(document))["word/document.xml"] == unpack(document)["word/document.xml"].replace(
        b"Hello", b"HELLO"
    ).replace(b"\n  w:x='1'", b' w:x="1"').replace(b"?>\r\n<w:p/>", b"?>\n<w:p/>")


def test_other_encodings_stay() -> None:
    parts = unpack(docx("<w:p><w:r><w:t>Grüße</w:t></w:r></w:p>"))
    text = parts["word/document.xml"].decode().replace("UTF-8", "UTF-16")
    parts["word/document.xml"] = text.encode("utf-16")
    written = unpack(translate(pack(parts)))["word/document.xml"]
    assert "GRÜSSE" in written.decode("utf-16")
    assert written.decode("utf-16").startswith("<?xml version='1.0' encoding='UTF-16' standalone='yes'?>")


def test_other_files_are_refused() -> None:
    assert refusal(b"Hello").startswith("is no office document, or a damaged one: ")
    assert refusal(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1....").startswith("is encrypted, or of an old binary format")
    assert refusal(pack({"a.txt": "Hello"})) == "is a zip file, but no office document"


def test_a_damaged_part_is_named() -> None:
    document = bytearray(docx("<w:p/>"))
    place = document.index(b"PK\x03\x04", 4) + 60
    document[place : place + 8] = bytes(8)
    assert refusal(bytes(document)).startswith("word/document.xml: is damaged: ")
    assert refusal(docx("<w:p>")).startswith("word/document.xml: Opening and ending tag mismatch")
    assert "line 2" in refusal(docx("<w:p>"))
    assert refusal(docx("<w:p/>")[:-30]).startswith("is no office document, or a damaged one")


def test_declarations_of_document_types_are_refused() -> None:
    parts = unpack(docx("<w:p><w:r><w:t>&a;</w:t></w:r></w:p>"))
    entity = b'?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>'
    parts["word/document.xml"] = parts["word/document.xml"].replace(b"?>", entity, 1)
    assert refusal(pack(parts)) == (
        "word/document.xml: has a document type declaration, which no office document needs"
    )


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x", "C:/x", "a\\b", "a//b", "./a"])
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    assert refusal(pack({name: ""})) == f"a part is named {name!r}, which leads out of the document"


def test_two_parts_of_one_name_are_refused() -> None:
    document = pack({"a.xml": "one", "b.xml": "two"}).replace(b"b.xml", b"a.xml")
    assert refusal(document) == "two of its parts have the same name"


def test_encrypted_documents_are_refused() -> None:
    document = pack({"a.xml": "one"})
    encrypted = re.sub(
        rb"PK\x01\x02.{4}(..)", lambda match: match[0][:-2] + struct.pack("<H", 1), document, flags=re.DOTALL
    )
    assert refusal(encrypted) == "a.xml: is encrypted; save the document without a password"
    parts = unpack(odt("<text:p/>")) | {"META-INF/manifest.xml": b"<manifest:encryption-data/>"}
    assert refusal(pack(parts)) == "is encrypted; save it without a password"


def test_bombs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "_HARMLESS_BYTES", 10_000)
    document = docx("<w:p/>" * 100_000)
    assert refusal(document) == "word/document.xml: is far larger unpacked than packed: a zip bomb"


def test_too_many_or_too_large_parts_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "MAX_XML_BYTES", 1000)
    assert refusal(docx("<w:p/>" * 500)).endswith("bytes, but 1,000 are the most")
    monkeypatch.setattr(package, "MAX_PARTS", 3)
    with pytest.raises(InvalidInputError, match="has 4 parts, but 3 are the most"):
        Package(pack(dict.fromkeys("abcd", "")))

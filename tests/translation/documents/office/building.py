"""Small office documents, and what is in them."""

import zipfile
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO

from lxml import etree

from dragoman.translation.documents.document import DocumentOptions
from dragoman.translation.documents.office.document import open_document
from dragoman.translation.documents.translating import translate_segments
from dragoman.translation.markup.document import MarkupText, TranslatedText

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
A = "http://schemas.openxmlformats.org/drawingml/2006/main"
S = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
URN = "urn:oasis:names:tc:opendocument:xmlns:"
OPTIONS = DocumentOptions("en", "de")
DATE = (2025, 3, 14, 15, 9, 26)
_MAIN = "application/vnd.openxmlformats-officedocument."
_DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\r\n'


def pack(parts: Mapping[str, str | bytes]) -> bytes:
    """A zip file; the first part is stored, the others are deflated."""
    output = BytesIO()
    with zipfile.ZipFile(output, "w") as package:
        for number, (name, content) in enumerate(parts.items()):
            info = zipfile.ZipInfo(name, DATE)
            info.compress_type = zipfile.ZIP_DEFLATED if number else zipfile.ZIP_STORED
            package.writestr(info, content)
    return output.getvalue()


def unpack(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(BytesIO(data)) as package:
        return {name: package.read(name) for name in package.namelist()}


def types(parts: Mapping[str, str]) -> str:
    overrides = "".join(f'<Override PartName="/{name}" ContentType="{_MAIN}{kind}"/>' for name, kind in parts.items())
    return f'<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">{overrides}</Types>'


def docx(body: str, **others: str) -> bytes:
    """others: contents of a header, a footer, footnotes, endnotes, comments or styles."""
    names = {"word/document.xml": "wordprocessingml.document.main+xml"}
    names |= {f"word/{name}.xml": f"wordprocessingml.{name}+xml" for name in others}
    parts = {"[Content_Types].xml": types(names)}
    space = f'xmlns:w="{W}" xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    parts["word/document.xml"] = f"{_DECLARATION}<w:document {space}><w:body>{body}</w:body></w:document>"
    for name, content in others.items():
        parts[f"word/{name}.xml"] = f"{_DECLARATION}<w:{name} {space}>{content}</w:{name}>"
    parts["word/media/image1.png"] = "\x89PNG\r\n"
    return pack(parts)


def pptx(paragraphs: str) -> bytes:
    parts = {"[Content_Types].xml": types({"ppt/slides/slide1.xml": "presentationml.slide+xml"})}
    parts["ppt/slides/slide1.xml"] = f'<p xmlns="x" xmlns:a="{A}"><a:txBody>{paragraphs}</a:txBody></p>'
    return pack(parts)


def xlsx(strings: str, **others: str) -> bytes:
    """others: contents of a table, a worksheet, comments or a pivotCacheDefinition."""
    names = {"xl/sharedStrings.xml": "spreadsheetml.sharedStrings+xml"}
    names |= {f"xl/{name}.xml": f"spreadsheetml.{name}+xml" for name in others}
    parts = {"[Content_Types].xml": types(names), "xl/sharedStrings.xml": f'<sst xmlns="{S}">{strings}</sst>'}
    for name, content in others.items():
        parts[f"xl/{name}.xml"] = f'<{name} xmlns="{S}">{content}</{name}>'
    return pack(parts)


def odt(body: str, styles: str = "", headers: str = "") -> bytes:
    """styles: automatic ones of the body. headers: of the master page."""
    names = ("office", "text", "style", "table", "draw")
    spaces = " ".join(f'xmlns:{name}="{URN}{name}:1.0"' for name in (*names, "drawing"))
    spaces += f' xmlns:fo="{URN}xsl-fo-compatible:1.0" xmlns:svg="{URN}svg-compatible:1.0"'
    spaces += ' xmlns:rsid="http://openoffice.org/2009/office" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    content = f"<office:automatic-styles>{styles}</office:automatic-styles><office:body>{body}</office:body>"
    page = f"<office:master-styles><style:master-page>{headers}</style:master-page></office:master-styles>"
    return pack(
        {
            "mimetype": "application/vnd.oasis.opendocument.text",
            "content.xml": f"{_DECLARATION}<office:document-content {spaces}>{content}</office:document-content>",
            "styles.xml": f"{_DECLARATION}<office:document-styles {spaces}>{page}</office:document-styles>",
        }
    )


def translate(document: bytes, translate_text: Callable[[str], str] = str.upper) -> bytes:
    """The document with each text replaced; words are taken to keep their order."""

    def translate_all(texts: Sequence[MarkupText]) -> list[TranslatedText]:
        return [TranslatedText(translate_text(text.text)) for text in texts]

    opened = open_document(document, OPTIONS)
    return opened.render(list(translate_segments(opened.segments, translate_all, "en")))


def texts(document: bytes) -> list[str]:
    return [segment.text for segment in open_document(document, OPTIONS).segments]


def inner(document: bytes, part: str, path: str) -> str:
    """What an element of a part holds, as XML without namespaces' declarations."""
    root = etree.fromstring(unpack(document)[part])
    prefixes = {key: value for key, value in root.nsmap.items() if key}
    element = root.find(path, prefixes)
    assert element is not None
    written: str = etree.tostring(element, encoding="unicode", with_tail=False)
    for key, value in element.nsmap.items():
        written = written.replace(f' xmlns{f":{key}" if key else ""}="{value}"', "")
    return written[written.index(">") + 1 : written.rindex("<")]

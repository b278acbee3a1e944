"""E-mail."""

import base64
import email
from email import policy
from email.message import EmailMessage

import pytest

from dragoman.model.errors import InvalidInputError
from dragoman.translation.documents.document import DocumentOptions
from dragoman.translation.documents.texts.mail import open_document
from dragoman.translation.documents.translating import render_identity
from dragoman.translation.markup.content import Tag

OPTIONS = DocumentOptions("en", "de")
PLAIN = b"Received: by mx\r\nSubject: Re: [list] Good morning\r\nFrom: a@b.c\r\n\r\nMy house is big.\r\nThank you!\r\n"


def translate(mail: bytes, umlaut: str = "Ü") -> bytes:
    """Each text in capitals, with U as an umlaut."""
    document = open_document(mail, OPTIONS)
    assert render_identity(document) == mail
    return document.render(
        [
            None
            if segment.is_kept
            else tuple(
                piece if isinstance(piece, Tag) else piece.upper().replace("U", umlaut) for piece in segment.content
            )
            for segment in document.segments
        ]
    )


def read(mail: bytes) -> EmailMessage:
    message = email.message_from_bytes(mail, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def compose(**attachments: bytes) -> bytes:
    message = EmailMessage()
    message["Subject"] = "Grüße from a friend of mine, who has a very long subject to write about today"
    message["From"] = "Anna <anna@example.com>"
    message.set_content("My house is big — and old.\n")
    message.add_alternative("<p>My <b>house</b> is big.</p>\n", subtype="html")
    for name, content in attachments.items():
        message.add_attachment(content, maintype="text", subtype="plain", filename=name)
    return message.as_bytes(policy=policy.SMTP)


def test_a_text_and_its_subject_are_translated() -> None:
    assert translate(PLAIN, "U") == (
        b"Received: by mx\r\nSubject: Re: [list] GOOD MORNING\r\nFrom: a@b.c\r\n\r\nMY HOUSE IS BIG.\r\nTHANK YOU!\r\n"
    )


def test_a_text_that_is_no_longer_ascii_is_declared() -> None:
    translated = translate(PLAIN)
    assert read(translated).get_content() == "MY HOÜSE IS BIG.\r\nTHANK YOÜ!\r\n"
    assert b"MIME-Version: 1.0\r\n" in translated
    assert b'Content-Type: text/plain; charset="utf-8"\r\n' in translated
    assert b"Content-Transfer-Encoding: quoted-printable\r\n" in translated
    assert b"\n" not in translated.replace(b"\r\n", b"")


def test_all_texts_of_a_mail_with_parts_are_translated() -> None:
    mail = compose(notes=b"Attached words")
    translated = read(translate(mail))
    assert translated["Subject"].startswith("GRÜSSE FROM A FRIEND OF MINE, WHO HAS A VERY LONG SÜBJECT TO WRITE")
    plain, html = translated.get_body(("plain",)), translated.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert plain.get_content() == "MY HOÜSE IS BIG — AND OLD.\r\n"
    assert html.get_content() == "<p>MY <b>HOÜSE</b> IS BIG.</p>\r\n"
    (attachment,) = translated.iter_attachments()
    assert attachment.get_content() == "Attached words"


def test_html_keeps_its_encoding() -> None:
    mail = b"Content-Type: text/html; charset=us-ascii\n\n<p>My <b>house</b></p>\n"
    assert translate(mail) == mail.replace(b"My", b"MY").replace(b"house", b"HO&#220;SE")


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "8bit"])
def test_encodings_stay(encoding: str) -> None:
    message = EmailMessage()
    message.set_content("My house — and so on.\n", cte=encoding)
    translated = read(translate(message.as_bytes()))
    assert translated["Content-Transfer-Encoding"] == encoding
    assert translated.get_content() == "MY HOÜSE — AND SO ON.\n"


def test_a_new_header_goes_before_one_that_changes() -> None:
    mail = b'Content-Type: multipart/mixed; boundary="x"\n\n--x\nContent-Type: text/plain\n\nUs\n--x--\n'
    (part,) = read(translate(mail)).iter_parts()
    assert isinstance(part, EmailMessage)
    assert part.get_content() == "ÜS"


def test_signed_parts_and_forwarded_mails_stay() -> None:
    signed = b'Content-Type: multipart/signed; boundary="x"\n\n--x\n\nHello\n--x\n\nabc\n--x--\n'
    assert translate(signed) == signed
    digest = b'Content-Type: multipart/digest; boundary="x"\n\n--x\n\nSubject: Hello\n\nHello\n--x--\n'
    assert translate(digest) == digest
    outer = EmailMessage()
    outer.set_content("My house\n")
    outer.add_attachment(read(PLAIN))
    assert [segment.text for segment in open_document(outer.as_bytes(), OPTIONS).segments] == ["My house"]


@pytest.mark.parametrize(
    ("mail", "reason"),
    [
        (b"Hello!\n", "line 1: a mail begins with a header such as Subject: …"),
        (
            b"From: a\nContent-Type: text/plain; charset=utf-8\n\nGr\xfc\xdfe\n",
            "line 4: the text from here on is not utf-8 in 7bit, as its headers say",
        ),
        (
            b"From: a\nContent-Transfer-Encoding: base64\n\n!!!\n",
            "line 4: the text from here on is not us-ascii in base64, as its headers say",
        ),
        (b"Content-Type: text/plain; charset=klingon\n\nHello\n", "line 3: the encoding klingon is unknown"),
    ],
)
def test_broken_mails_are_refused(mail: bytes, reason: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        open_document(mail, OPTIONS)
    assert str(caught.value) == reason


def test_parts_in_parts_are_bounded() -> None:
    mail = b"Subject: 1\n"
    for depth in range(30):
        mail += b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (depth, depth)
    with pytest.raises(InvalidInputError, match="has more than 1000 parts, or they lie more than 20 deep"):
        open_document(mail, OPTIONS)


def test_a_subject_in_any_encoding_is_read() -> None:
    encoded = base64.b64encode("Öffnen".encode("latin-1")).decode()
    mail = f"Subject: =?iso-8859-1?b?{encoded}?=\n you\n\n".encode()
    assert read(translate(mail))["Subject"] == "ÖFFNEN YOÜ"
    assert not open_document(b"Subject: \xff\xfe\n\n", OPTIONS).segments

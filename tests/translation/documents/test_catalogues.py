"""Catalogues in JSON, YAML, .properties and .strings."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from dragoman.model.errors import InvalidInputError
from dragoman.translation.documents.catalogues.mnemonics import take_mnemonic
from dragoman.translation.documents.document import Document, DocumentOptions
from dragoman.translation.documents.opening import open_document
from dragoman.translation.documents.translating import render_identity

VALUES = st.lists(
    st.sampled_from(["Good", " ", "day", '"', "'", "\\", "\n", "\t", ": ", " #", "{0}", "ä", "😀", "- ", "[", "]", ",",
                     "%", "yes", "12", "<b>", "</b>", "&", "*", "|", "=", "!", "\\u00e4", "\u2028"]),
    min_size=1,
    max_size=6,
).map("".join)  # fmt: skip
"""Made of what means something in one format or another."""


def open_text(text: str, name: str, language: str = "de") -> Document:
    return open_document(text.encode(), name, "", DocumentOptions("en", language))


def render(document: Document, *translations: str | None) -> str:
    return document.render([None if text is None else (text,) for text in translations]).decode()


# JSON


def test_json_keeps_everything_but_its_values() -> None:
    text = '{\n\t"a" : "One",  "b":[ "Two", 3, null ],\n\n  "c.d": {"e": "Th\\u0072ee"} }'
    document = open_text(text, "json")
    assert [(segment.context, segment.text) for segment in document.segments] == [
        ("a", "One"), ("b.", "Two"), ("c.d.e", "Three")
    ]  # fmt: skip
    assert render_identity(document).decode() == text
    expected = text.replace("One", "Eins").replace("Th\\u0072ee", 'Dr\\"\\u00e4i')
    assert render(document, "Eins", None, 'Dr"äi') == expected


def test_json_plural_forms_of_the_target_are_added() -> None:
    text = '{\n  "file_one": "{{count}} file",\n  "file_other": "{{count}} files"\n}'
    assert render(open_text(text, "json", "pl"), "plik", "pliki") == (
        '{\n  "file_one": "plik",\n  "file_other": "pliki",\n  "file_few": "pliki",\n  "file_many": "pliki"\n}'
    )


def test_json_metadata_are_no_texts() -> None:
    arb = '{"@@locale": "en", "hello": "Hello", "@hello": {"description": "A greeting"}}'
    document = open_text(arb, "json")
    assert [segment.text for segment in document.segments] == ["Hello"]
    assert render(document, "Hallo") == arb.replace('"en"', '"de"').replace('"Hello"', '"Hallo"')
    messages = '{"app": {"message": "Hi $NAME$", "description": "x", "placeholders": {"name": {"content": "$1"}}}}'
    assert [segment.text for segment in open_text(messages, "json").segments] == ["Hi $NAME$"]


@settings(deadline=None)
@given(VALUES)
def test_a_value_of_json_is_what_was_written(value: str) -> None:
    document = open_text(json.dumps({"a": [value], "b": "word"}), "json")
    assert json.loads(render(document, None, value)) == {"a": [value], "b": value}


# YAML


def test_yaml_keeps_everything_but_its_values() -> None:
    text = (
        "# Texts\nen:\n  menu: &m   Open file  # note\n  'q': 'It''s'\n  n: 12\n  on: yes\n"
        '  d: "a \\"b\\""\n  list: [One, {x: Two}]\n  alias: *m\n  block: |-\n      First\n\n      Second\n\n'
        "  last: x\n"
    )
    document = open_text(text, "yaml")
    texts = ["Open file", "It's", 'a "b"', "One", "Two", "First\n\nSecond", "x"]
    assert [segment.text for segment in document.segments if segment.text != "yes"] == texts
    assert render_identity(document).decode() == text
    written = render(document, *(segment.text.upper() for segment in document.segments))
    expected = text.replace("en:", "de:")
    for value in ("Open file", "It''s", "yes", 'a \\"b\\"', "One", "Two", "First", "Second", "x\n"):
        expected = expected.replace(value, value.upper())
    assert written.replace('"YES"', "YES") == expected.replace("{X\n", "{x\n")


def test_yaml_anchors_may_be_used_again() -> None:
    text = "a: &x One\nb: *x\nc: &x Two\nd: *x\n"
    assert [segment.text for segment in open_text(text, "yaml").segments] == ["One", "Two"]
    assert render(open_text(text, "yaml"), "Eins", "Zwei") == text.replace("One", "Eins").replace("Two", "Zwei")


def test_yaml_plural_forms_of_the_target_are_added() -> None:
    text = "pl_key:\n  one: one day\n  other: many days\nb: c\n"
    assert render(open_text(text, "yaml", "pl"), "dzień", "dni", None) == (
        "pl_key:\n  one: dzień\n  other: dni\n  few: dni\n  many: dni\nb: c\n"
    )


@pytest.mark.parametrize("style", ["word", "'word'", '"word"', "|-\n    word", ">-\n    word"])
@settings(deadline=None, max_examples=50)  # ruamel.yaml is slow
@given(value=VALUES)
def test_a_value_of_yaml_is_what_was_written(style: str, value: str) -> None:
    stripped = " ".join(value.split()) if style[0] in "|>" else value
    written = render(open_text(f"a:\n  b: {style}\n  c: other\n", "yaml"), stripped or "x", None)
    assert YAML(typ="safe", pure=True).load(written) == {"a": {"b": stripped or "x", "c": "other"}}


# .properties


def test_properties_keep_everything_but_their_values() -> None:
    text = "# Note\n! more\na.b = Good \\u00e4 day \\\n    and night\nc:It''s {0}\n\nd\\ e\tYes\\n\\tNo\nempty=\n"
    document = open_text(text, "properties")
    assert [(segment.context, segment.text, segment.notes) for segment in document.segments] == [
        ("a.b", "Good ä day and night", "Note\nmore"), ("c", "It's {0}", ""), ("d\\ e", "Yes\n\tNo", ""),
        ("empty", "", ""),
    ]  # fmt: skip
    assert render_identity(document).decode() == text
    assert render(document, "Gut", "Er's {0} ü😀", None, None) == text.replace(
        "Good \\u00e4 day \\\n    and night", "Gut"
    ).replace("It''s {0}", "Er''s {0} \\u00fc\\ud83d\\ude00")


def test_properties_keep_their_encoding() -> None:
    assert open_document(b"a=\xe4x", "properties", "", DocumentOptions()).render([("\xfc\u2192",)]) == b"a=\xfc\\u2192"
    assert open_document("a=äx".encode(), "properties", "", DocumentOptions()).render([("→",)]) == "a=→".encode()


@settings(deadline=None)
@given(VALUES, st.sampled_from(["a=x", "a=ä x"]))
def test_a_value_of_properties_is_what_was_written(value: str, text: str) -> None:
    again = open_text(render(open_text(text, "properties"), value), "properties")
    (segment,) = again.segments
    shown = value.replace("''", "'") if "{0}" in value and "'" not in value.replace("''", "") else value
    if not segment.elements:
        assert segment.lead + segment.text + segment.trail == take_mnemonic(shown)[0]


# .strings


def test_strings_keep_everything_but_their_values() -> None:
    text = '/* A\n note */\n"a" = "Good \\"day\\"\\n%@";\n// x\nplain="Yes"  ;\n"only key";\n'
    document = open_text(text, "apple")
    assert [(segment.context, segment.text, segment.notes) for segment in document.segments] == [
        ("a", 'Good "day"\n%@', "A\n note"), ("plain", "Yes", "")
    ]  # fmt: skip
    assert render_identity(document).decode() == text
    assert render(document, 'Gut "x"\n%@', "Ja") == text.replace('Good \\"day\\"', 'Gut \\"x\\"').replace("Yes", "Ja")
    wide = b"\xff\xfe" + text.encode("utf-16-le")
    document = open_document(wide, "apple", "", DocumentOptions())
    assert document.render([None, ("Ja",)]) == b"\xff\xfe" + text.replace("Yes", "Ja").encode("utf-16-le")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("json", '{\n "a": }', "line 2, column 7: Expecting value"),
        ("json", "[" * 200_000, "nested too deeply"),
        ("yaml", "a: b\n c: d\n", "line 2, column 3: mapping values are not allowed"),
        ("yaml", "#" * (9 << 20), "has 9,437,184 bytes, more than 8,388,608, the most for YAML"),
        ("yaml", "a: [b\n", "line 2, column 1: "),
        ("yaml", "[" * 100_000, "line 1, column 101: maximum depth of data structure exceeded"),
        ("properties", "a=b\nc=\\u12", r"line 2, column 3: has a \\u without four hexadecimal digits"),
        ("apple", '"a" = "b";\n"c" "d";', 'line 2, column 1: is neither a comment nor "key" = "value";'),
    ],
)
def test_a_broken_catalogue_is_refused_with_its_place(name: str, text: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        open_text(text, name)

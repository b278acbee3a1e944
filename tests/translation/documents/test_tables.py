"""Tables in text."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.model.errors import InvalidInputError
from dragoman.translation.documents.document import DocumentOptions
from dragoman.translation.documents.spliced import SplicedDocument
from dragoman.translation.documents.texts.tables import open_document
from dragoman.translation.documents.translating import render_identity


def open_text(text: str, *columns: str) -> SplicedDocument:
    return open_document(text.encode(), DocumentOptions(columns=columns))


TABLE = 'id;"Name";text\r\n1;Tom;"Good; ""day"""\r\n2;Ann\r\n\r\n3;Bob;Yes;more'


def test_only_the_columns_named_change() -> None:
    document = open_text(TABLE, "text")
    assert [(segment.text, segment.context) for segment in document.segments] == [
        ('Good; "day"', "text"),
        ("Yes", "text"),
    ]
    assert render_identity(document).decode() == TABLE
    assert document.render([('Gut "x"',), ("Ja; nein",)]).decode() == TABLE.replace(
        'Good; ""day""', 'Gut ""x""'
    ).replace("Yes", '"Ja; nein"')
    assert [segment.text for segment in open_text(TABLE, "3").segments] == ["text", 'Good; "day"', "Yes"]
    assert [segment.text for segment in open_text("a\tb, c\n1\td, e\n", "b, c").segments] == ["d, e"]


def test_a_table_is_refused_with_the_place() -> None:
    with pytest.raises(
        InvalidInputError, match="name the columns to translate by names or numbers, of: id, Name, text"
    ):
        open_text(TABLE)
    with pytest.raises(InvalidInputError, match='line 1: there is no column "x", but: id, Name, text'):
        open_text(TABLE, "x")
    with pytest.raises(InvalidInputError, match="line 2, column 3: a quotation mark is not closed"):
        open_text('a,b\n1,"x\n', "a")
    with pytest.raises(InvalidInputError, match="line 2, column 6: a field goes on behind its quotation mark"):
        open_text('a,b\n1,"x"y\n', "a")


@settings(deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from(["", "a", "b c", 'q"', ",", "x\ny", " "]), min_size=2, max_size=2),
        min_size=1,
        max_size=5,
    ),
    st.booleans(),
)
def test_a_table_is_read_as_python_reads_it(rows: list[list[str]], all_quoted: bool) -> None:
    file = io.StringIO()
    csv.writer(file, quoting=csv.QUOTE_ALL if all_quoted else csv.QUOTE_MINIMAL).writerows([["h", "text"], *rows])
    document = open_text(file.getvalue(), "text")
    values = [segment.lead + segment.text + segment.trail for segment in document.segments]
    assert values == [row[1] for row in rows]
    written = document.render([("N,1",) for _ in values]).decode()
    assert list(csv.reader(io.StringIO(written)))[1:] == [[row[0], "N,1"] for row in rows]

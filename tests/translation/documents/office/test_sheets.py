"""Spreadsheets."""

from tests.translation.documents.office.building import inner, texts, translate, unpack, xlsx

STRINGS = "xl/sharedStrings.xml"
TABLE = '<tableColumns><tableColumn id="1" name="Name"/><tableColumn id="2" name="Big_x000a_town"/></tableColumns>'
HEADS = "<si><t>Name</t></si><si><t>Big\ntown</t></si><si><t>Anna</t></si>"


def test_strings_are_translated_with_their_looks() -> None:
    rich = "<si><r><t>A </t></r><r><rPr><b/></rPr><t>big</t></r><r><t> house</t></r><rPh><t>x</t></rPh></si>"
    document = xlsx(f"<si><t>Hello</t></si><si><t>12</t></si>{rich}")
    assert texts(document) == ["Hello", "A big house"]
    assert inner(translate(document), STRINGS, ".") == (
        '<si><t>HELLO</t></si><si><t>12</t></si><si><r><t xml:space="preserve">A </t></r>'
        '<r><rPr><b/></rPr><t>BIG</t></r><r><t xml:space="preserve"> HOUSE</t></r></si>'
    )


def test_lines_of_a_cell() -> None:
    assert texts(xlsx("<si><t>First line\nSecond line\ngoes on_x000D_\nHere</t></si>")) == [
        "First line",
        "Second line goes on",
        "Here",
    ]
    translated = inner(translate(xlsx("<si><t>First\nSecond_x000D_\n</t></si>")), STRINGS, ".")
    assert translated == '<si><t xml:space="preserve">FIRST\nSECOND_x000D_\n</t></si>'


def test_inline_strings_are_translated_and_formulas_are_not() -> None:
    cells = '<c t="inlineStr"><is><t>Hello</t></is></c><c t="str"><f>"a"&amp;"b"</f><v>ab</v></c><c><v>3</v></c>'
    document = xlsx("", worksheet=cells)
    assert texts(document) == ["Hello"]
    assert inner(translate(document), "xl/worksheet.xml", ".") == cells.replace("Hello", "HELLO")


def test_columns_of_tables_are_named_as_their_cells() -> None:
    translated = translate(xlsx(HEADS, table=TABLE))
    assert inner(translated, STRINGS, ".") == '<si><t>NAME</t></si><si><t xml:space="preserve">BIG\nTOWN</t></si>' + (
        "<si><t>ANNA</t></si>"
    )
    assert 'name="NAME"' in inner(translated, "xl/table.xml", ".")
    assert 'name="BIG_x000a_TOWN"' in inner(translated, "xl/table.xml", ".")


def test_columns_that_formulas_or_pivot_tables_name_stay() -> None:
    sheet = "<row><c><f>SUM(Table1[Name])</f></c></row>"
    assert texts(xlsx(HEADS, table=TABLE, worksheet=sheet)) == ["Anna"]
    assert texts(xlsx(HEADS, table=TABLE, worksheet="<row><c><f>SUM([1]Sheet!A1)</f></c></row>"))[0] == "Name"
    assert texts(xlsx(HEADS, pivotCacheDefinition='<cacheField name="Name"/>')) == ["Big town", "Anna"]


def test_cells_that_formulas_compare_stay() -> None:
    sheet = '<f>SUMIF(A:A,"Total",B:B)</f><f t="x">IF(A1=&quot;No&quot;,1,2)</f><formula1>"High,Very low"</formula1>'
    words = ("Total", "No", "High", "Very low", "Yes", "A")
    document = xlsx("".join(f"<si><t>{word}</t></si>" for word in words), worksheet=sheet)
    assert texts(document) == ["Yes", "A"]


def test_what_is_too_long_for_a_cell_or_a_name_stays() -> None:
    document = xlsx("<si><t>Long</t></si><si><t>Short</t></si>")
    translated = translate(document, lambda text: "x" * (32_768 if text == "Long" else 10))
    assert inner(translated, STRINGS, ".") == "<si><t>Long</t></si><si><t>xxxxxxxxxx</t></si>"
    translated = translate(xlsx(HEADS, table=TABLE), lambda text: f"{text}{'x' * 260}")
    assert inner(translated, STRINGS, ".").startswith("<si><t>Name</t></si><si><t>Big\ntown</t></si>")


def test_columns_that_would_have_one_name_stay() -> None:
    document = xlsx(HEADS, table=TABLE)
    translated = translate(document, lambda text: "Same" if text != "Anna" else "ANNA")
    assert inner(translated, STRINGS, ".") == HEADS.replace("Anna", "ANNA")
    assert unpack(translated)["xl/table.xml"] == unpack(document)["xl/table.xml"]

"""Documents of Word: what is translated, and where its formatting goes."""

import pytest

from tests.translation.documents.office.building import docx, inner, texts, translate, unpack

BOLD = "<w:rPr><w:b/></w:rPr>"


def run(text: str, properties: str = "") -> str:
    space = ' xml:space="preserve"' if text != text.strip() else ""
    return f"<w:r>{properties}<w:t{space}>{text}</w:t></w:r>"


def body(paragraph: str) -> str:
    """The translated content of a document's only paragraph."""
    return inner(translate(docx(f"<w:p>{paragraph}</w:p>")), "word/document.xml", ".//w:p")


def field(instruction: str, result: str) -> str:
    chars = [f'<w:r><w:fldChar w:fldCharType="{kind}"/></w:r>' for kind in ("begin", "separate", "end")]
    return f"{chars[0]}<w:r><w:instrText>{instruction}</w:instrText></w:r>{chars[1]}{result}{chars[2]}"


def test_runs_that_look_alike_are_joined() -> None:
    split = '<w:r w:rsidR="00A1"><w:t>Hel</w:t></w:r><w:proofErr w:type="x"/><w:r w:rsidR="00B2"><w:t>lo</w:t></w:r>'
    other = '<w:r><w:rPr><w:lang w:val="en-GB"/><w:noProof/></w:rPr><w:t xml:space="preserve"> you</w:t></w:r>'
    assert texts(docx(f"<w:p>{split}{other}</w:p>")) == ["Hello you"]
    assert body(split + other) == '<w:r w:rsidR="00A1"><w:t>HELLO YOU</w:t></w:r>'


def test_spacing_that_nobody_sees_does_not_divide() -> None:
    fitted = run("Hel", '<w:rPr><w:spacing w:val="-2"/><w:w w:val="98"/><w:szCs w:val="9"/></w:rPr>') + run("lo you")
    assert texts(docx(f"<w:p>{fitted}</w:p>")) == ["Hello you"]
    assert "HELLO YOU" in body(fitted)
    assert "HELLO YOU" not in body(run("Hel", '<w:rPr><w:spacing w:val="60"/></w:rPr>') + run("lo you"))


def test_of_too_many_looks_the_one_of_most_words_is_kept() -> None:
    rainbow = "".join(run(f"word{n} ", f'<w:rPr><w:color w:val="{n % 2}"/></w:rPr>') for n in range(900))
    assert body(rainbow + run("end")).count("<w:r>") == 1


def test_formatting_lands_on_its_words() -> None:
    assert body(run("A ") + run("big", BOLD) + run(" house")) == run("A ") + run("BIG", BOLD) + run(" HOUSE")


def test_the_look_of_most_words_is_that_of_the_rest() -> None:
    assert body(run("Note:", BOLD) + run(" the house is big.")) == run("NOTE:", BOLD) + run(" THE HOUSE IS BIG.")
    assert body("<w:pPr><w:jc/></w:pPr>" + run("All of it", BOLD)) == "<w:pPr><w:jc/></w:pPr>" + run("ALL OF IT", BOLD)


def test_a_look_goes_on_over_points_and_spaces() -> None:
    mark = '<w:bookmarkStart w:id="1" w:name="x"/><w:bookmarkEnd w:id="1"/>'
    paragraph = run("so ") + run("very", BOLD) + run(" ") + mark + run("big", BOLD) + run(" houses are")
    assert body(paragraph).count(BOLD) == 2  # around the mark
    assert len(texts(docx(f"<w:p>{paragraph}</w:p>"))) == 1


@pytest.mark.parametrize("name", ["hyperlink", "ins", "smartTag", "moveTo"])
def test_elements_around_text_stay_around_it(name: str) -> None:
    element = f'<w:{name} w:id="7">{{}}</w:{name}>'
    assert body(run("see ") + element.format(run("this house")) + run(".")) == (
        run("SEE ") + element.format(run("THIS HOUSE")) + run(".")
    )


def test_deleted_text_stays() -> None:
    deleted = '<w:del w:id="1"><w:r><w:delText>old</w:delText></w:r></w:del>'
    assert texts(docx(f"<w:p>{run('a ')}{deleted}{run('new house')}</w:p>")) == ["a new house"]
    assert deleted in body(run("a ") + deleted + run("new house"))


def test_tabs_divide_and_line_breaks_within_a_sentence_do_not() -> None:
    assert texts(docx(f"<w:p>{run('Name')}<w:r><w:tab/></w:r>{run('Street')}</w:p>")) == ["Name", "Street"]
    assert texts(docx(f"<w:p>{run('a big')}<w:r><w:br/></w:r>{run('house')}</w:p>")) == ["a big house"]
    assert texts(docx(f"<w:p>{run('1 High Street')}<w:r><w:br/></w:r>{run('London')}</w:p>")) == [
        "1 High Street",
        "London",
    ]
    assert body("<w:r><w:t>a big</w:t><w:br/><w:t>house</w:t></w:r>") == (
        "<w:r><w:t>A BIG</w:t><w:br/><w:t>HOUSE</w:t></w:r>"
    )


def test_gaps_of_a_form_divide() -> None:
    assert texts(docx(f"<w:p>{run('Name: ________ Date: ........ Place')}</w:p>")) == ["Name:", "Date:", "Place"]
    assert body(run("Name:      Date:")) == run("NAME:      DATE:")


def test_fields_that_count_are_kept_and_links_are_translated() -> None:
    page = field(" PAGE ", run("3"))
    assert texts(docx(f"<w:p>{run('Page ')}{page}{run(' of it')}</w:p>")) == ["Page 3 of it"]
    assert body(run("Page ") + page + run(" of it")) == run("PAGE ") + page + run(" OF IT")
    both = field(" PAGE ", run("1")) + run(" of ") + field(" NUMPAGES \\* Arabic ", "")
    assert texts(docx(f"<w:p>{run('Page ')}{both}</w:p>")) == ["Page 3 of 12"]
    link = field(' HYPERLINK "http://x" ', run("this page"))
    assert body(run("see ") + link) == run("SEE ") + link.replace("this page", "THIS PAGE")
    simple = '<w:fldSimple w:instr=" AUTHOR ">{}</w:fldSimple>'
    assert body(run("by ") + simple.format(run("Smith"))) == run("BY ") + simple.format(run("Smith"))


def test_a_field_over_several_paragraphs_is_left_open() -> None:
    begin, end = field(' TOC \\o "1-3" ', "@").split("@")
    entry = run("Introduction") + "<w:r><w:tab/></w:r>" + field(" PAGEREF _x ", run("1"))
    document = docx(f"<w:p>{begin}{entry}</w:p><w:p>{run('Next')}{end}</w:p>")
    assert texts(document) == ["Introduction", "Next"]
    paragraph = inner(translate(document), "word/document.xml", ".//w:p")
    assert paragraph == begin + entry.replace("Introduction", "INTRODUCTION")


def test_content_controls() -> None:
    control = "<w:sdt><w:sdtPr>{}</w:sdtPr><w:sdtContent>{}</w:sdtContent></w:sdt>"
    free, fixed = control.format("<w:text/>", "{}"), control.format("<w:dropDownList/>", run("Yes"))
    assert body(run("say ") + free.format(run("anything"))) == run("SAY ") + free.format(run("ANYTHING"))
    assert body(run("say ") + fixed) == run("SAY ") + fixed


def test_text_that_is_bound_to_data_stays() -> None:
    bound = '<w:sdt><w:sdtPr><w:dataBinding w:xpath="/x/ns0:{}[1]"/></w:sdtPr><w:sdtContent>{}</w:sdtContent></w:sdt>'
    paragraph = f"<w:p>{run('text')}</w:p>"
    assert texts(docx(bound.format("creator", paragraph) + bound.format("title", paragraph))) == ["text"]
    assert texts(docx(f"<w:p>{run('by ')}{bound.format('creator', run('Anna'))}</w:p>")) == ["by Anna"]


@pytest.mark.parametrize("link", [' HYPERLINK "x" ', " PAGE "])
def test_fields_in_fields_without_end_are_bounded(link: str) -> None:
    deep = run("end")
    for _ in range(60):
        deep = field(link, deep)
    assert len(texts(docx(f"<w:p>{run('go to ')}{deep}</w:p>"))) >= 1
    ranges = [f'<w:bookmark{which} w:id="{number}"/>' for which in ("Start", "End") for number in range(150)]
    assert "HOUSE" in body(run("a ") + "".join([*ranges[:150], run("house"), *reversed(ranges[150:])]) + run("."))


def test_notes_pictures_and_comments_stay_beside_their_words() -> None:
    note = '<w:r><w:footnoteReference w:id="2"/></w:r>'
    assert body(run("a house") + note + run(" and a tree")) == run("A HOUSE") + note + run(" AND A TREE")
    first, last = '<w:commentRangeStart w:id="0"/>', '<w:commentRangeEnd w:id="0"/>'
    assert body(run("a ") + first + run("big house") + last + run(" is here")) == (
        run("A ") + first + run("BIG HOUSE") + last + run(" IS HERE")
    )


def test_ranges_that_cross_never_end_before_they_begin() -> None:
    paragraph = (
        '<w:bookmarkStart w:id="1"/>' + run("one ") + '<w:bookmarkStart w:id="2"/>' + run("two ")
        + '<w:bookmarkEnd w:id="1"/>' + run("three ") + '<w:bookmarkEnd w:id="2"/>' + run("four")
    )  # fmt: skip
    written = inner(
        translate(docx(f"<w:p>{paragraph}</w:p>"), lambda text: " ".join(reversed(text.split()))),
        "word/document.xml",
        ".//w:p",
    )
    for number in "12":
        assert written.index(f'Start w:id="{number}"') < written.index(f'End w:id="{number}"')


def test_text_boxes_are_translated_in_both_of_their_forms() -> None:
    box = f"<w:txbxContent><w:p>{run('in a box')}</w:p></w:txbxContent>"
    both = f"<mc:AlternateContent><mc:Choice>{box}</mc:Choice><mc:Fallback>{box}</mc:Fallback></mc:AlternateContent>"
    document = docx(f"<w:p>{run('before')}<w:r>{both}</w:r>{run(' and behind')}</w:p>")
    assert texts(document) == ["before and behind", "in a box", "in a box"]
    assert unpack(translate(document))["word/document.xml"].count(b"IN A BOX") == 2


def test_all_parts_with_text_are_translated() -> None:
    names = ("header", "footer", "footnotes", "endnotes", "comments")
    parts = {name: f"<w:p>{run(name)}</w:p>" for name in names}
    parts["styles"] = f"<w:p>{run('never')}</w:p>"
    assert texts(docx(f"<w:p>{run('body')}</w:p>", **parts)) == ["body", *names]


def test_marks_of_the_source_language_become_marks_of_the_target() -> None:
    styles = '<w:docDefaults><w:lang w:val="en-GB" w:eastAsia="ja-JP"/></w:docDefaults>'
    paragraph = '<w:p><w:r><w:rPr><w:lang w:val="la-VA"/></w:rPr><w:t>Carpe diem</w:t></w:r></w:p>'
    translated = unpack(translate(docx(paragraph, styles=styles)))
    assert b'<w:lang w:val="de-DE" w:eastAsia="ja-JP"/>' in translated["word/styles.xml"]
    assert b'w:val="la-VA"' in translated["word/document.xml"]


def test_invisible_characters_do_not_divide_words() -> None:
    assert texts(docx("<w:p><w:r><w:t>Wort</w:t><w:softHyphen/><w:t>en\u00adde</w:t></w:r></w:p>")) == ["Wortende"]
    assert texts(docx("<w:p><w:r><w:t>T</w:t><w:noBreakHyphen/><w:t>shirt</w:t></w:r></w:p>")) == ["T-shirt"]


def test_characters_that_xml_cannot_hold_are_dropped() -> None:
    written = translate(docx(f"<w:p>{run('house')}</w:p>"), lambda text: "Ha\x00us\ud800 & <Hof>")
    assert inner(written, "word/document.xml", ".//w:t") == "Haus &amp; &lt;Hof&gt;"

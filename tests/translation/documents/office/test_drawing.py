"""Slides."""

from tests.translation.documents.office.building import inner, pptx, texts, translate


def run(text: str, properties: str = "") -> str:
    return f"<a:r>{properties}<a:t>{text}</a:t></a:r>"


def slide(paragraph: str) -> str:
    return inner(translate(pptx(f"<a:p>{paragraph}</a:p>")), "ppt/slides/slide1.xml", ".//a:p")


def test_marks_of_a_spelling_checker_do_not_divide() -> None:
    first, second = '<a:rPr lang="en-US" dirty="0"/>', '<a:rPr lang="en-GB" err="1"/>'
    assert texts(pptx(f"<a:p>{run('Hel', first)}{run('lo you', second)}</a:p>")) == ["Hello you"]
    assert slide(run("Hel", first) + run("lo you", second)) == run("HELLO YOU", first.replace("en-US", "de-DE"))


def test_formatting_lands_on_its_words() -> None:
    bold, properties, end = '<a:rPr b="1"/>', '<a:pPr algn="ctr"/>', '<a:endParaRPr sz="800"/>'
    assert slide(properties + run("a ") + run("big", bold) + run(" house") + end) == (
        properties + run("A ") + run("BIG", bold) + run(" HOUSE") + end
    )


def test_fields_and_line_breaks() -> None:
    number = '<a:fld type="slidenum"><a:rPr/><a:t>3</a:t></a:fld>'
    assert slide(run("Slide ") + number) == run("SLIDE ") + number
    assert texts(pptx(f"<a:p>{run('First point')}<a:br/>{run('Second point')}</a:p>")) == [
        "First point",
        "Second point",
    ]
    assert slide(run("a big") + "<a:br/>" + run("house")) == run("A BIG") + "<a:br/>" + run("HOUSE")


def test_names_in_charts_are_translated() -> None:
    chart = "<a:p/><strCache><pt><v>Red cars</v></pt></strCache><numCache><pt><v>3</v></pt></numCache>"
    assert texts(pptx(chart)) == ["Red cars"]


def test_descriptions_of_pictures_are_translated() -> None:
    picture = '<a:p/><cNvPr id="4" name="Picture 3" descr="A red house"/>'
    assert texts(pptx(picture)) == ["A red house"]
    assert 'name="Picture 3" descr="A RED HOUSE"' in inner(
        translate(pptx(picture)), "ppt/slides/slide1.xml", "./a:txBody"
    )

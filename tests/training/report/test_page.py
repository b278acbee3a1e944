"""The page: whole in every state that a run can be in, accessible, and blind to what a hostile corpus wants of it."""

import html.parser
import re
from pathlib import Path

import pytest

from dragoman.model.config import Direction
from dragoman.model.files import exclusive_lock
from dragoman.training.corpus.pairs import ParallelText
from dragoman.training.evaluation.dev_translations import DevTranslations
from dragoman.training.report.page import flatten, make_page, tell_status
from dragoman.training.report.run_record import read_run
from dragoman.training.run.reporting import MetricsLog, Reporter, TrainingDisplay
from tests.training.report.made_up_run import (
    SOURCES,
    TARGETS,
    add_bundle,
    add_metrics,
    add_translations,
    begin_run,
    training_line,
    validation_line,
)

VOID = {"meta", "br"}
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></style></svg><iframe src='http://evil.example'></iframe>",
    "{{ 7919 * 7919 }}{% raw %}",
    "\u202eright to left\u202c שלום עולם",
    "half a pair \ud800, a null \0",
]


class Reader(html.parser.HTMLParser):
    """The elements, attributes and text of a page; fails where a tag closes another."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.text += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def read(folder: Path) -> Reader:
    return Reader(make_page(read_run(folder)))


@pytest.fixture
def finished(tmp_path: Path, tiny_bundle: Path) -> Path:
    """A run with all there is."""
    folder = tmp_path / "run"
    begin_run(folder, optimization={"max_updates": 4}, bundle={"name": "made-up"})
    add_metrics(folder, *[training_line(update, gradient_norm=1.5) for update in range(1, 5)])
    add_metrics(folder, validation_line(2, 10.0), validation_line(4, 12.5))
    add_translations(folder, hypotheses=["Der Hund.", *TARGETS[1:]], update=2)
    add_translations(folder, update=4)
    add_bundle(folder, tiny_bundle)
    (folder / "provenance.json").write_text('{"seed": 7, "starts": [{"commit": "0123abc", "launcher": null}]}')
    return folder


def test_the_page_shows_all_of_it(finished: Path) -> None:
    page = read(finished)
    for text in (
        "Finished: 4 of 4 updates",
        "Loss, in nats per target piece",
        "Perplexity of the training data",
        "en→de, best 12.5",
        "Learning rate",
        "Target tokens a second",
        "Norm of the gradient",
        "at update 4, the best",
        "Kept: ",
        "As validated at update 4.",
        "nrefs:1|bs:1000",
        "made-up",  # the recorded test set
        SOURCES[0],
        TARGETS[0],
        "optimization",
        "max_updates",
        "starts.0.commit",
        "0123abc",
    ):
        assert text in page.text, text
    assert "100.0" in page.text  # BLEU of hypotheses that are their references
    assert "sieht das Haus" in page.text.split("Sample translations")[1]
    assert "with a name" not in page.text
    assert "Worst translations" in page.text.split("Where it errs")[1]
    assert len(page.named("ins")) > 1
    assert "<2de>" in page.text  # attention's columns begin with the tag
    assert [attributes["id"] for attributes in page.named("section")] == [
        "curves",
        "scores",
        "errors",
        "samples",
        "attention",
        "data",
        "configuration",
        "provenance",
        "words",
    ]


def test_the_page_needs_nothing_else_and_runs_nothing(finished: Path) -> None:
    page = read(finished)
    assert {tag for tag, _ in page.elements}.isdisjoint({"script", "link", "img", "iframe", "object", "base"})
    for _, attributes in page.elements:
        assert attributes.keys().isdisjoint({"src", "onclick", "onload", "onerror"})
        assert all((attributes.get(name) or "#").startswith("#") for name in ("href", "xlink:href"))
    policy = [each["content"] for each in page.named("meta") if each.get("http-equiv") == "Content-Security-Policy"]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'"]
    assert not re.search(r"@import|url\((?!#)", make_page(read_run(finished)))


def test_the_page_can_be_used_without_eyes_and_mouse(finished: Path) -> None:
    page = read(finished)
    assert page.named("html")[0]["lang"] == "en"
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    described = [attributes for attributes in page.named("div") if attributes.get("role") == "img"]
    assert len(page.named("svg")) == len(described) > 3
    assert all("at update 4" in (attributes["aria-label"] or "") for attributes in described)
    assert len(page.named("table")) == len(page.named("thead"))
    assert any("looks at" in caption for caption in page.text.splitlines())
    assert all(attributes.get("scope") in ("row", "col") for attributes in page.named("th"))
    for attributes in page.named("a"):
        assert (attributes["href"] or "").removeprefix("#") in ids
    for attributes in page.named("div"):
        if attributes.get("class") == "wide":  # it scrolls: by keys, too
            assert (attributes["tabindex"], attributes["role"]) == ("0", "region")
            assert attributes["aria-label"]
    languages = {attributes.get("lang") for attributes in page.named("dd")}
    assert {"en", "de"} <= languages


def test_the_title_is_the_chosen_name_or_the_folder_s(finished: Path) -> None:
    assert "<title>made-up – training report</title>" in make_page(read_run(finished))
    begin_run(finished)  # with the bundle's default name, which every such run has
    assert "<title>run – training report</title>" in make_page(read_run(finished))


def test_a_mean_of_checkpoints_that_was_not_kept_is_named_so(finished: Path) -> None:
    dev = [ParallelText(Direction("en", "de"), SOURCES, TARGETS)]
    for is_best in (False, True):
        DevTranslations(finished, dev, seed=1).write(4, {"en→de": ["Die Mitte."] * 3}, averaged=[2, 4], is_best=is_best)
        assert ("mean of 2 checkpoints, not kept" in read(finished).text) != is_best


def test_hostile_text_is_shown_and_never_obeyed(tmp_path: Path, tiny_bundle: Path) -> None:
    begin_run(tmp_path, bundle={"description": HOSTILE[0], "data": HOSTILE[1]})
    add_bundle(tmp_path, tiny_bundle)
    add_metrics(tmp_path, training_line(1), {"kind": "skipped", "update": 1, "fault": HOSTILE[1]})
    add_metrics(tmp_path, {"kind": "training", "update": 2, "<b>bold</b>": 1.0}, {"kind": "<i>", "update": 3})
    add_translations(tmp_path, sources=HOSTILE, references=HOSTILE, hypotheses=HOSTILE, update=1)
    add_translations(tmp_path, sources=HOSTILE, references=HOSTILE, hypotheses=HOSTILE[::-1], update=2)
    (tmp_path / "provenance.json").write_text('{"<u>key</u>": "<s>value</s>"}')

    page = read(tmp_path)
    tags = {tag for tag, _ in page.elements}
    assert tags.isdisjoint({"script", "img", "iframe", "b", "i", "u", "s"})
    for text in HOSTILE:
        assert page.text.count(text) >= 2
    assert "<u>key</u>" in page.text
    assert "<s>value</s>" in page.text
    assert str(7919 * 7919) not in page.text
    assert all(attributes.get("dir") == "auto" for attributes in page.named("dd") if "lang" in attributes)
    page_bytes = make_page(read_run(tmp_path)).encode("utf-8", "replace")
    assert b"half a pair ?" in page_bytes


def test_a_run_that_has_only_begun(tmp_path: Path) -> None:
    begin_run(tmp_path)
    page = read(tmp_path)
    assert "Nothing has been measured yet." in page.text
    assert "There is no best bundle yet, and so nothing to score." in page.text
    assert "There are none: the run has not been validated yet" in page.text
    assert "The run folder tells nothing of it." in page.text


def test_a_run_that_goes_on(tmp_path: Path) -> None:
    begin_run(tmp_path)
    add_metrics(tmp_path, training_line(50))
    with exclusive_lock(tmp_path / "lock"):
        assert "Training goes on: 50 of 100,000 updates; last measured 2" in read(tmp_path).text
    assert "Not finished, and no process trains here now: 50 of 100,000" in read(tmp_path).text


def test_a_run_that_stopped_early_has_finished(tmp_path: Path) -> None:
    begin_run(tmp_path, validation={"patience": 2})
    add_metrics(tmp_path, validation_line(1, 5.0), validation_line(2, 4.0))
    assert tell_status(read_run(tmp_path)).kind == "stopped"
    add_metrics(tmp_path, validation_line(3, 5.0))
    status = tell_status(read_run(tmp_path))
    assert status.kind == "finished"
    assert "Finished early, after 2 validations without a better BLEU: 3 of 100,000 updates" in status.text


def test_a_run_that_stopped_early_near_0_stopped_for_its_dev_loss(tmp_path: Path) -> None:
    begin_run(tmp_path, validation={"patience": 2})
    losses = enumerate((6.0, 5.0, 5.5, 5.2), 1)
    add_metrics(tmp_path, *({**validation_line(update, 0.9 / update), "loss en→de": loss} for update, loss in losses))
    status = tell_status(read_run(tmp_path))
    assert "Finished early, after 2 validations without a better dev loss: 4 of 100,000 updates" in status.text


def test_a_run_that_kept_no_translations_is_translated_for_the_report(tmp_path: Path, tiny_bundle: Path) -> None:
    files = {"en": tmp_path / "dev.en", "de": tmp_path / "dev.de"}
    for code, sentences in (("en", [*SOURCES, ""]), ("de", [*TARGETS, ""])):
        files[code].write_text("".join(f"{sentence}\n" for sentence in sentences))
    validation = {"max_sentences": 2, "tokenize": "char"}
    begin_run(tmp_path, data={"train": [files], "dev": files}, validation=validation)
    add_bundle(tmp_path, tiny_bundle)
    page = read(tmp_path)
    assert "Translated with the best bundle for this report" in page.text
    assert page.text.count("nrefs:1|bs:1000") == 3 * 2  # metrics and directions
    assert page.text.count("tok:char") == 2


def test_a_dev_set_that_is_gone_is_told_of(tmp_path: Path, tiny_bundle: Path) -> None:
    files = {"en": tmp_path / "dev.en", "de": tmp_path / "dev.de"}
    begin_run(tmp_path, data={"train": [files], "dev": files})
    add_bundle(tmp_path, tiny_bundle)
    assert "The dev set could not be translated:" in read(tmp_path).text


def test_a_damaged_bundle_is_told_of(finished: Path) -> None:
    (finished / "best" / "weights.safetensors").write_bytes(b"none")
    page = read(finished)
    assert "The best bundle cannot be loaded:" in page.text
    assert "As validated at update 4." in page.text


def test_warnings_faults_and_rollbacks_are_shown(tmp_path: Path) -> None:
    begin_run(tmp_path)
    (tmp_path / "warnings.txt").write_text("vocabulary.size asks for more\n")
    with TrainingDisplay(total_updates=9) as display, MetricsLog(tmp_path, resumed_update=0) as log:
        reporter = Reporter(display, log)
        reporter.trained(1, {"loss": 2.0, "tokens_per_second": 1.0})
        reporter.left_out(4, "the loss is nan")
        reporter.left_out(9, "the norm of the gradient leapt")
        reporter.went_back(9, 5, "the norm of the gradient leapt", number=1)
    text = " ".join(read(tmp_path).text.split())
    assert re.search("– ?warning ?vocabulary.size asks for more", text)
    assert re.search("4 ?update skipped ?the loss is nan", text)
    assert re.search("9 ?went back to update 5 ?the norm of the gradient leapt", text)


def test_trees_become_rows() -> None:
    tree = {"a": {"b": 1, "c": None}, "d": [1, 2], "e": [{"f": True}, {"f": ""}], "g": {}}
    assert list(flatten(tree)) == [
        ("a.b", "1"),
        ("a.c", "–"),
        ("d", "1, 2"),
        ("e.0.f", "true"),
        ("e.1.f", "–"),
        ("g", "–"),
    ]

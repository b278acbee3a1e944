"""Errors by kind: against numbers worked out by hand."""

from pathlib import Path

import pytest

from dragoman.model.config import Direction
from dragoman.training.report import errors
from dragoman.training.report.dev_set import TranslatedText
from dragoman.training.report.errors import Errors, describe_errors, find_errors
from dragoman.training.report.run_record import read_run
from tests.training.report.made_up_run import add_translations, begin_run

PAIRS = [
    ("We saw Anna and Bert in Rome.", "Wir sahen Anna und Bert in Rom.", "Wir sahen Anna und Birte in Rom."),
    ("The 12 dogs sleep.", "Die 12 Hunde schlafen.", "Die 21 Hunde schlafen."),
    ("The 7 cats see 3 birds.", "Die 7 Katzen sehen 3 Vögel.", "Die 7 Katzen sehen drei Vögel."),
    ("the dogs run", "die Hunde rennen", "die Hunde rennen"),
    ("the zebra runs", "das Zebra rennt", "der der der der der der der der der der"),
]


def errors_of(occurrences: dict[str, int] | None, pairs: list[tuple[str, str, str]] = PAIRS) -> Errors:
    source, reference, hypothesis = zip(*pairs, strict=True)
    text = TranslatedText(direction=Direction("en", "de"), source=source, reference=reference, hypothesis=hypothesis)
    return describe_errors(text, occurrences)


def counted(found: Errors) -> dict[str, tuple[int, int, int]]:
    return {row.kind: (row.num_sentences, row.num_kept, row.num_due) for row in found.rows}


def test_names_and_figures_are_counted_in_the_translations() -> None:
    found = errors_of(None)
    assert counted(found) == {
        "all": (5, 0, 0),
        "with a name": (1, 1, 2),  # Anna, but not Bert; Rome has another name
        "with a figure": (2, 1, 2),  # 12 became 21; "drei" is 3
    }
    assert found.unseen == ()


def test_sentences_are_grouped_by_their_rarest_word() -> None:
    often = {word: 5 for line, _, _ in PAIRS for word in errors.words(line)}
    found = errors_of(often | {"zebra": 0, "dogs": 4})
    by_kind = counted(found)
    assert by_kind["with common words alone (5 times or more in training)"] == (2, 0, 0)
    assert by_kind["with a rare word (1 to 4 times)"] == (2, 0, 0)
    assert by_kind["with a word never seen in training"] == (1, 0, 0)
    assert found.unseen == (("zebra", 1),)


def test_scores_are_those_of_the_group() -> None:
    rows = {row.kind: row for row in errors_of({"the": 9, "dogs": 9, "run": 9}).rows}
    best = rows["with common words alone (5 times or more in training)"]
    assert best.num_sentences == 1
    assert best.chrf == pytest.approx(100)
    assert rows["all"].chrf < 100
    assert rows["with a word never seen in training"].chrf < rows["all"].chrf


def test_unseen_words_are_written_as_they_come_first() -> None:
    found = errors_of({}, [("Zorro met zorro and Zita", "a", "a"), ("zita slept", "b", "b")])
    assert found.unseen[:2] == (("Zorro", 2), ("Zita", 2))


def test_the_worst_come_first_with_the_doubts_about_them() -> None:
    found = errors_of(None)
    assert found.worst[0].source == "the zebra runs"
    assert "repeats" in found.worst[0].doubts
    assert found.worst[-1].chrf == pytest.approx(100)
    assert dict(found.doubts) == {"repeats": 1, "figure differs": 1}


def test_words_of_the_training_text_are_read_from_the_run_s_corpora(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, corpus = tmp_path / "run", tmp_path / "train.en"
    corpus.write_text("The dog sees the bridge.\n" * 5 + "the HOUSE\n")
    begin_run(folder, data={"train": [{"en": str(corpus), "de": str(corpus)}]})
    add_translations(folder)
    text = TranslatedText(
        direction=Direction("en", "de"),
        source=("The dog sees the house.", "The woman looks."),
        reference=("a", "b"),
        hypothesis=("a", "b"),
    )
    (found,) = find_errors(read_run(folder), [text])
    assert (found.unseen, found.remark) == ((("woman", 1), ("looks", 1)), "")
    assert counted(found)["with a rare word (1 to 4 times)"] == (1, 0, 0)

    monkeypatch.setattr(errors, "MAX_LINES", 2)
    (found,) = find_errors(read_run(folder), [text])
    assert found.remark == "Words are those of the first 2 training sentences."

    corpus.unlink()
    (found,) = find_errors(read_run(folder), [text])
    assert (found.unseen, len(found.rows)) == ((), 1)
    assert found.remark.startswith("Words are not counted, as the training text cannot be read: ")


def test_words_of_a_language_without_spaces_are_not_counted(tmp_path: Path) -> None:
    begin_run(tmp_path / "run")
    text = TranslatedText(
        direction=Direction("ja", "de"), source=("犬が寝る。",), reference=("Hund",), hypothesis=("Hund",)
    )
    (found,) = find_errors(read_run(tmp_path / "run"), [text])
    assert (len(found.rows), found.unseen, found.remark) == (1, (), "")

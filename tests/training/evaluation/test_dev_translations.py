"""What a run keeps of its dev set: the same sentences at each validation, each once, whatever was killed between."""

import json
from pathlib import Path

import pytest

from dragoman.model.config import Direction
from dragoman.model.errors import DragomanError, InvalidInputError
from dragoman.training.corpus.pairs import ParallelText
from dragoman.training.evaluation.dev_translations import (
    BEST_FILE,
    NUM_SAMPLES,
    SAMPLES_FILE,
    DevTranslation,
    DevTranslations,
    read_dev_translations,
)
from tests.training.tiny import small_disk

NUMBERS = range(1, 21)
DEV = [
    ParallelText(Direction(source, target), [f"{source} {n}" for n in NUMBERS], [f"{target} {n}" for n in NUMBERS])
    for source, target in [("en", "de"), ("de", "en")]
]


def hypotheses(update: int) -> dict[str, list[str]]:
    return {str(text.direction): [f"{sentence} at {update}" for sentence in text.source] for text in DEV}


def write(folder: Path, *updates: int, best: int = 0) -> DevTranslations:
    translations = DevTranslations(folder, DEV, seed=1)
    for update in updates:
        translations.write(update, hypotheses(update), is_best=update == best)
    return translations


def updates_of(folder: Path) -> list[int]:
    lines = read_dev_translations(folder / SAMPLES_FILE)
    updates = [line.update for line in lines]
    assert len(updates) == 2 * NUM_SAMPLES * len(set(updates))
    return list(dict.fromkeys(updates))


def test_each_validation_shows_the_same_few_sentences_of_each_direction(tmp_path: Path) -> None:
    write(tmp_path, 10, 20)

    lines = read_dev_translations(tmp_path / SAMPLES_FILE)
    chosen = {
        update: [(line.direction, line.sentence) for line in lines if line.update == update] for update in (10, 20)
    }
    assert chosen[10] == chosen[20]
    assert [direction for direction, _ in chosen[10]] == ["en→de"] * NUM_SAMPLES + ["de→en"] * NUM_SAMPLES
    for line in lines:
        source, target = line.direction.split("→")
        assert line == DevTranslation(
            update=line.update,
            direction=line.direction,
            sentence=line.sentence,
            source=f"{source} {line.sentence}",
            reference=f"{target} {line.sentence}",
            hypothesis=f"{source} {line.sentence} at {line.update}",
        )


def test_the_seed_chooses_the_sentences(tmp_path: Path) -> None:
    chosen = []
    for seed in (1, 2, 1):
        DevTranslations(tmp_path / str(seed), DEV, seed=seed).write(10, hypotheses(10), is_best=False)
        chosen.append([line.sentence for line in read_dev_translations(tmp_path / str(seed) / SAMPLES_FILE)])
    assert chosen[0] == chosen[2] != chosen[1]


def test_a_small_dev_set_is_shown_whole(tmp_path: Path) -> None:
    [text, _] = DEV
    small = ParallelText(text.direction, text.source[:2], text.target[:2])
    DevTranslations(tmp_path, [small], seed=1).write(5, {"en→de": ["a", "b"]}, is_best=False)
    assert [line.hypothesis for line in read_dev_translations(tmp_path / SAMPLES_FILE)] == ["a", "b"]


def test_the_best_validation_is_kept_whole(tmp_path: Path) -> None:
    write(tmp_path, 10, 20, 30, best=20)

    lines = read_dev_translations(tmp_path / BEST_FILE)
    assert {line.update for line in lines} == {20}
    assert [line.hypothesis for line in lines] == [text for texts in hypotheses(20).values() for text in texts]


def test_what_is_done_again_is_written_once(tmp_path: Path) -> None:
    translations = write(tmp_path, 10, 20, 30)
    translations.write(20, hypotheses(20), is_best=False)  # what was later is about to be done again, too
    assert updates_of(tmp_path) == [10, 20]


def test_going_on_from_an_earlier_update_forgets_the_later_ones(tmp_path: Path) -> None:
    write(tmp_path, 10, 20, 30).forget_after(25)
    assert updates_of(tmp_path) == [10, 20]
    write(tmp_path, 30)
    assert updates_of(tmp_path) == [10, 20, 30]


def test_there_may_be_nothing_to_forget(tmp_path: Path) -> None:
    write(tmp_path).forget_after(0)
    assert not (tmp_path / SAMPLES_FILE).exists()


def test_the_mean_of_checkpoints_comes_after_the_update_it_ends_with(tmp_path: Path) -> None:
    translations = write(tmp_path, 10)
    for _ in range(2):  # a finished run that is resumed averages again
        translations.write(10, hypotheses(10), averaged=[5, 10], is_best=False)
    averaged = [line.averaged for line in read_dev_translations(tmp_path / SAMPLES_FILE)]
    assert averaged == [()] * 2 * NUM_SAMPLES + [(5, 10)] * 2 * NUM_SAMPLES


@pytest.mark.parametrize("torn", ['{"update": 10, "dire', "\0\0\0\0", "[]", '{"update": 10}', "\xff"])
def test_a_line_that_is_none_is_passed_over(tmp_path: Path, torn: str) -> None:
    write(tmp_path, 10)
    with (tmp_path / SAMPLES_FILE).open("a", encoding="latin-1") as file:
        file.write(torn)
    assert updates_of(tmp_path) == [10]


def test_a_line_of_wrong_types_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path, 10)
    line = json.loads((tmp_path / SAMPLES_FILE).read_text().splitlines()[0])
    with (tmp_path / SAMPLES_FILE).open("a") as file:
        file.writelines(json.dumps(line | wrong) + "\n" for wrong in ({"update": "x"}, {"source": 1}, {"averaged": 2}))
    assert updates_of(tmp_path) == [10]


def test_any_text_comes_back_as_it_was(tmp_path: Path) -> None:
    text = 'a\u2028b\x85c\ud800 "</script>"\t\u202eabc'
    hostile = ParallelText(Direction("en", "de"), [text], [text])
    DevTranslations(tmp_path, [hostile], seed=1).write(1, {"en→de": [text]}, is_best=True)
    for name in (SAMPLES_FILE, BEST_FILE):
        [line] = read_dev_translations(tmp_path / name)
        assert (line.source, line.reference, line.hypothesis) == (text, text, text)


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    translations = write(tmp_path, 10, best=10)
    with small_disk(1000), pytest.raises(DragomanError, match=r"jsonl: cannot be written: \w+"):
        translations.write(20, hypotheses(20), is_best=True)
    assert updates_of(tmp_path) == [10]
    assert {line.update for line in read_dev_translations(tmp_path / BEST_FILE)} == {10}


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / SAMPLES_FILE).mkdir()
    with pytest.raises(InvalidInputError, match=r"samples\.jsonl: cannot be read: Is a directory"):
        read_dev_translations(tmp_path / SAMPLES_FILE)

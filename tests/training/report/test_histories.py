"""The same sentence from validation to validation: what changed is marked, what did not change is told once."""

from hypothesis import given
from hypothesis import strategies as st

from dragoman.training.evaluation.dev_translations import DevTranslation
from dragoman.training.report.histories import MAX_VERSIONS, Span, mark_changes, tell_histories


def sample(update: int, hypothesis: str, *, sentence: int = 1, averaged: tuple[int, ...] = ()) -> DevTranslation:
    return DevTranslation(
        update=update,
        averaged=averaged,
        direction="en→de",
        sentence=sentence,
        source="a",
        reference="b",
        hypothesis=hypothesis,
    )


def test_new_words_are_marked() -> None:
    assert mark_changes("Der Hund sieht ein Haus.", "Der Hund mag ein Haus.") == (
        Span("same", "Der Hund "),
        Span("new", "mag "),
        Span("same", "ein Haus."),
    )


def test_words_that_went_without_others_in_their_place_are_shown() -> None:
    assert mark_changes("Der sehr alte Hund.", "Der Hund.") == (
        Span("same", "Der "),
        Span("gone", "sehr alte "),
        Span("same", "Hund."),
    )


def test_words_that_went_from_the_end_stand_apart() -> None:
    assert mark_changes("Der Hund heute", "Der Hund") == (Span("same", "Der Hund"), Span("gone", " heute"))
    assert mark_changes("私は犬だ", "私は犬") == (Span("same", "私は犬"), Span("gone", "だ"))


def test_scripts_without_spaces_are_compared_by_character() -> None:
    assert mark_changes("私は犬だ", "私は猫だ") == (Span("same", "私は"), Span("new", "猫"), Span("same", "だ"))


@given(st.text(), st.text())
def test_all_but_what_is_gone_is_the_translation_itself(before: str, now: str) -> None:
    assert "".join(span.text for span in mark_changes(before, now) if span.change != "gone") == now


@given(st.text())
def test_the_same_text_has_no_change(text: str) -> None:
    assert all(span.change == "same" for span in mark_changes(text, text))


def test_the_newest_comes_first_and_equal_ones_are_one() -> None:
    [history] = tell_histories([sample(1000, "x"), sample(2000, "y"), sample(3000, "y"), sample(4000, "z")])
    assert [version.updates for version in history.versions] == ["4,000", "2,000 to 3,000", "1,000"]
    assert ["".join(span.text for span in version.spans) for version in history.versions] == ["z", "y", "x"]
    assert [span.change for span in history.versions[-1].spans] == ["same"]
    assert history.num_left_out == 0


def test_the_mean_of_checkpoints_is_called_so() -> None:
    [same] = tell_histories([sample(10, "x"), sample(10, "x", averaged=(5, 10))])
    assert [version.updates for version in same.versions] == ["10, mean of 2 checkpoints"]
    [other] = tell_histories([sample(10, "x"), sample(10, "y", averaged=(5, 10))])
    assert [version.updates for version in other.versions] == ["mean of 2 checkpoints", "10"]


def test_a_mean_that_was_not_kept_is_never_the_newest() -> None:
    best = [sample(5, "x")]
    [history] = tell_histories([sample(5, "x"), sample(10, "y"), sample(10, "z", averaged=(5, 10))], best)
    assert [version.updates for version in history.versions] == ["10", "mean of 2 checkpoints, not kept", "5"]


def test_a_long_training_shows_its_newest() -> None:
    [history] = tell_histories([sample(update, str(update)) for update in range(1, 31)])
    assert len(history.versions) == MAX_VERSIONS
    assert history.versions[0].updates == "30"
    assert history.num_left_out == 30 - MAX_VERSIONS


def test_each_sentence_has_its_own_history() -> None:
    samples = [sample(update, "x", sentence=sentence) for update in (1, 2) for sentence in (3, 7)]
    assert [history.sentence for history in tell_histories(samples)] == [3, 7]

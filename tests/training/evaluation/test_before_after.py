"""Two bundles on the same test sets."""

from pathlib import Path

from rich.console import Console

from dragoman.model.config import Direction
from dragoman.training.evaluation.before_after import (
    Compared,
    HeldOutText,
    before_after_rows,
    before_after_table,
    describe_gain,
)
from dragoman.training.evaluation.metrics import score_translations

TEXT = HeldOutText("general", Direction("en", "de"), Path("test.en"), Path("test.de"))


def compared() -> list[Compared]:
    references = [f"Das ist der Satz mit der Nummer {number}." for number in range(40)]
    before = [reference.replace("der Nummer", "Nummer") for reference in references]
    return [Compared(TEXT, score_translations(references, references, baseline=before))]


def test_rows_have_both_scores_their_confidence_and_that_of_the_difference() -> None:
    (bleu, chrf) = before_after_rows(compared())
    text, count, metric, before, after, gain, p_value = bleu
    assert (text, count, metric, after) == ("general en→de", "40", "BLEU", "100.0 ± 0.0")
    score, bounds = map(float, before.split(" ± "))
    assert 0 <= bounds < 5 < score < 100
    assert float(gain) == round(100 - score, 1)
    assert float(p_value) < 0.01
    assert chrf[:3] == ["", "", "chrF"]


def test_the_table_fits_a_terminal_of_80_columns() -> None:
    console = Console(width=80)
    with console.capture() as capture:
        console.print(before_after_table(compared()))
    assert "…" not in capture.get()
    assert "100.0 ± 0.0" in capture.get()


def gained(before: list[str], after: list[str], references: list[str]) -> str:
    return describe_gain([Compared(TEXT, score_translations(after, references, baseline=before))])


def test_a_gain_is_named_only_where_it_is_sure_in_both_metrics() -> None:
    references = [f"Das ist der Satz mit der Nummer {number}." for number in range(40)]
    before = [reference.replace("der Nummer", "Nummer") for reference in references]
    assert gained(before, references, references) == "Your text gained, in BLEU and in chrF"
    assert gained(references, before, references).startswith("No sure gain on your text")
    assert gained(before, [references[0], *before[1:]], references).startswith("No sure gain on your text")
    nothing = [f"Nichts {number}" for number in range(40)]
    assert "with BLEU 0." in gained(nothing, nothing, references)
    assert "knows too little to be fitted" in gained(nothing, nothing, references)
    assert gained(nothing, references, references) == "Your text gained, in BLEU and in chrF"

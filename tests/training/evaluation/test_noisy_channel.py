"""Reranking with a noisy channel: the formula, hypothesis by hypothesis, and the command."""

import json
from pathlib import Path

import pytest

from dragoman.model.config import Direction
from dragoman.model.vocabulary import Vocabulary
from dragoman.training.evaluation.consensus import FoundHypothesis, FoundTranslation
from dragoman.training.evaluation.noisy_channel import NoisyChannel
from dragoman.translation.scoring.fluency import LanguageScorer
from dragoman.translation.scoring.scorer import Scorer
from tests.commands.running import Run, assert_refused, run, write_lines
from tests.language_models import write_language_model

__all__ = ["run"]  # a fixture

TEXTS = ["Der Hund sieht das Haus.", "Die Frau mag den Baum.", "Das Kind"]
FOUND = FoundTranslation(
    source="The dog sees the house.",
    hypotheses=[FoundHypothesis(text=text, score=-0.3 * place) for place, text in enumerate(TEXTS)],
)


@pytest.fixture
def language_model(tiny_vocabulary: Vocabulary, tmp_path: Path) -> Path:
    return write_language_model(tmp_path / "lm", tiny_vocabulary)


def test_it_chooses_by_the_formula(tiny_bundle: Path, language_model: Path) -> None:
    scorer, fluency = Scorer.load(tiny_bundle), LanguageScorer.load(language_model)
    for channel_weight, model_weight in [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (0.7, 0.4), (5.0, 5.0)]:
        totals = {}
        for hypothesis in FOUND.hypotheses:
            (back,) = scorer.score([(hypothesis.text, FOUND.source)], "en", source_language="de")
            (own,) = fluency.score([hypothesis.text])
            totals[hypothesis.text] = (
                hypothesis.score
                + channel_weight * sum(back.token_log_probs) / len(back.token_log_probs)
                + model_weight * own.log_prob / own.num_pieces
            )
        noisy = NoisyChannel(
            channel=(scorer, Direction("de", "en")),
            language_model=fluency,
            channel_weight=channel_weight,
            language_model_weight=model_weight,
        )
        assert noisy.choose([FOUND]) == max(totals, key=totals.__getitem__)


def test_a_hypothesis_of_several_systems_has_its_best_score_and_what_cannot_be_scored_changes_nothing(
    tiny_bundle: Path,
) -> None:
    other = FoundTranslation(source=FOUND.source, hypotheses=[FoundHypothesis(text=TEXTS[2], score=0.5)])
    assert NoisyChannel().choose([FOUND, other]) == TEXTS[2]
    endless = FoundHypothesis(text="Hund " * 99, score=-0.1)
    long = FoundTranslation(source=FOUND.source, hypotheses=[endless, *FOUND.hypotheses[1:]])
    noisy = NoisyChannel(channel=(Scorer.load(tiny_bundle), Direction("de", "en")), channel_weight=9.0)
    assert noisy.choose([long]) == "Hund " * 99


def test_the_command_takes_one_file(run: Run, tiny_bundle: Path, language_model: Path, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", json.dumps(FOUND.model_dump()))
    command = ["combine", path, "--channel", tiny_bundle, "--language-model", language_model]
    assert run(*command, "--from", "en").output.strip() in TEXTS
    unchanged = run(*command, "--from", "en", "--channel-weight", 0, "--language-model-weight", 0)
    assert unchanged.output.strip() == TEXTS[0]
    assert_refused(run(*command), "has several directions, en→de, de→en: name the texts' language with --from")
    assert_refused(run("combine", path, "--language-model", tiny_bundle), "a language model is needed here")

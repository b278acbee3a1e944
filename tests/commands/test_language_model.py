"""Language models from a text to the next word: a run, perplexity, completion, explanation, and what is refused."""

import gzip
import json
import math
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dragoman.model.bundle import read_config
from dragoman.model.codec import joined_ids
from dragoman.model.config import Direction, LanguageModelConfig
from dragoman.model.decoding.loading import open_alike, open_language_model, open_model
from dragoman.model.decoding.tracing.trace import trace
from dragoman.model.errors import InvalidInputError
from dragoman.model.vocabulary import Vocabulary
from dragoman.model.weights import read_weights
from dragoman.training.config import load_run_config
from dragoman.training.evaluation.fluency import measure_perplexity
from dragoman.training.report.outcome import next_commands
from dragoman.training.report.page import tell_status
from dragoman.training.report.run_record import Measurement, read_run
from dragoman.training.run.training_run import train
from dragoman.translation.scoring.completing import Completer
from dragoman.translation.scoring.explaining import TextExplainer
from dragoman.translation.scoring.fluency import LanguageScorer
from tests.commands.running import Run, assert_refused, write_lines
from tests.language_models import write_language_model
from tests.training.tiny import write_config

CONFIG = """
run_folder = "{folder}/run"
[data]
directions = ["en"]
max_length = 40
[[data.train]]
en = "corpus/train.en"
[data.dev]
en = "corpus/dev.en"
[vocabulary]
size = 400
type = "bpe"
[architecture]
kind = "language-model"
d_model = 32
d_ff = 64
num_heads = 2
num_layers = 1
max_target_length = 64
[objective]
label_smoothing = 0.0
[optimization]
max_updates = {updates}
batch_tokens = 512
learning_rate = 1e-2
log_every = 20
checkpoint_every = 20
[validation]
every = 40
max_sentences = 10
[averaging]
checkpoints = 1
"""


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    path = folder / "en.toml"
    write_config(path, CONFIG.format(folder=folder, updates=80))
    return train(load_run_config(path)).parent


@pytest.fixture(scope="module")
def bundle(run_folder: Path) -> Path:
    return run_folder / "best"


def test_a_run_lowers_perplexity_and_keeps_the_best(run_folder: Path) -> None:
    lines = [json.loads(line) for line in (run_folder / "metrics.jsonl").read_text("utf-8").splitlines()]
    measured = [line["perplexity"] for line in lines if line["kind"] == "validation"]
    assert len(measured) == 2
    assert measured[1] < measured[0] < 400
    info = read_config(run_folder / "best")
    assert isinstance(info.architecture, LanguageModelConfig)
    assert info.directions == (Direction("en", "en"),)
    assert info.provenance["dev_perplexity"] == min(measured)


def test_perplexity_is_that_of_the_network(bundle: Path) -> None:
    model = open_language_model(bundle)
    weights = read_weights(bundle, model.info)
    texts = ["The dog sees the house.", "", "a tree " * 60]
    due: list[float] = []
    for text in texts:
        ids, most = model.vocabulary.target.encode(text), 63
        for first in range(0, max(1, len(ids)), most):
            part = (*ids[first : first + most], model.info.vocabulary.eos_id)
            found = trace(model.info.architecture, weights, (), (model.info.vocabulary.start_id, *part[:-1]))
            due += [float(found.log_probs[place, piece]) for place, piece in enumerate(part)]
    scorer = LanguageScorer.load(bundle)
    scores = list(scorer.score(texts))
    assert sum(score.log_prob for score in scores) == pytest.approx(sum(due), rel=1e-4)
    assert sum(score.num_pieces for score in scores) == len(due)
    report = measure_perplexity(scorer, [texts[0], " "])
    assert report.num_texts == 1
    assert report.perplexity == pytest.approx(math.exp(-scores[0].per_piece))
    assert report.num_words == 6


def test_the_next_words_are_whole_and_the_likeliest(bundle: Path) -> None:
    completer = Completer(bundle)
    text = "the dog"
    found = completer.next_words(text, 5)
    assert [one.probability for one in found] == sorted((one.probability for one in found), reverse=True)

    # All words of up to two pieces, one by one.
    shape, side = open_language_model(bundle).info.vocabulary, completer.vocabulary.target
    model = open_language_model(bundle)
    weights = read_weights(bundle, model.info)
    forbidden, joined = completer.vocabulary.forbidden_ids(), set(joined_ids(side))
    read = (shape.start_id, *side.encode(text))

    def following(pieces: tuple[int, ...]) -> Any:
        probabilities = np.exp(
            trace(model.info.architecture, weights, (), (*read, *pieces)).log_probs[-1].astype(float)
        )
        probabilities[forbidden] = 0
        return probabilities

    first = following(())
    total = sum(first[piece] for piece in range(side.size) if piece not in joined)
    due: dict[str, float] = {}
    likely = [piece for piece in np.argsort(-first)[:40].tolist() if piece not in joined]
    for piece in likely:
        probability = first[piece] / total
        letters = side.pieces([piece])[0].lstrip("▁")
        if piece == shape.eos_id:
            due[""] = probability
        elif letters and not any(map(str.isalnum, letters)):
            due[side.decode([piece]).strip()] = probability
        else:
            after = following((piece,))
            ends = sum(after[other] for other in range(side.size) if other not in joined)
            word = side.decode([piece]).strip()
            due |= {word: probability * ends} if word else {}
    for one in found:
        if one.word in due:
            assert one.probability >= due[one.word] * 0.999
            assert one.probability < due[one.word] * 1.1, "other spellings are rare"
    least = found[-1].probability
    assert {word for word, probability in due.items() if probability > least * 1.001} <= {one.word for one in found}
    assert sum(one.probability for one in completer.next_words(text, 100)) <= 1.0 + 1e-6


def test_the_beginning_of_a_text_and_one_that_is_too_long(bundle: Path) -> None:
    completer = Completer(bundle)
    assert completer.next_words("", 3)
    with pytest.raises(InvalidInputError, match="at most 56 can be continued"):
        completer.next_words("dog " * 99, 3)


def test_complete_as_a_command(run: Run, bundle: Path, tiny_bundle: Path) -> None:
    lines = run("complete", "the dog", "--model", bundle, "-n", 3).output.splitlines()
    assert len(lines) == 3
    assert all(" %  " in line for line in lines)
    answer = json.loads(run("complete", "the dog", "--model", bundle, "--json").output)
    assert answer["text"] == "the dog"
    assert {"word", "probability", "is_end"} == set(answer["next"][0])
    assert_refused(run("complete", "x", "--model", tiny_bundle), "tiny translates: a language model is needed here")
    assert_refused(run("complete", "x", "--model", tiny_bundle / "none"), 'there is no bundle "')
    assert_refused(run("complete", "dog " * 99, "--model", bundle), "can be continued: leave out its beginning")


def test_complete_says_that_it_does_not_know_a_script(run: Run, bundle: Path) -> None:
    strange = run("complete", "Привет 你好", "--model", bundle)
    assert strange.status == 0
    assert "has hardly met what TEXT is written in" in strange.errors
    assert not run("complete", "", "--model", bundle).errors
    assert not run("complete", "the dog", "--model", bundle).errors


def test_evaluate_measures_perplexity(run: Run, bundle: Path, tmp_path: Path) -> None:
    texts = write_lines(tmp_path / "test.en", "The dog sees the house.", "a tree")
    report = json.loads(run("evaluate", bundle, "--reference", texts, "--json").output)
    assert report["num_texts"] == 2
    assert "bits a character" in run("evaluate", bundle, "--reference", texts).output
    refused = run("evaluate", bundle, "--reference", texts, "--source", texts)
    assert_refused(refused, "is a language model: give it alone, with one --reference FILE of texts, without options")
    for option in (("--to", "de"), ("--record", "test"), ("--by-length",), ("--beam-size", 3), (bundle,)):
        assert_refused(run("evaluate", bundle, *option, "--reference", texts), "is a language model: give it alone")


def test_evaluate_reads_compressed_empty_and_long_files(run: Run, bundle: Path, tmp_path: Path) -> None:
    texts = write_lines(tmp_path / "test.en", "The dog sees the house.", "a tree")
    packed = tmp_path / "test.en.gz"
    packed.write_bytes(gzip.compress(texts.read_bytes()))
    assert run("evaluate", bundle, "--reference", packed).output == run("evaluate", bundle, "--reference", texts).output
    for name, content in (("empty", ""), ("blank", "\n \n")):
        (tmp_path / name).write_text(content, "utf-8")
        assert_refused(run("evaluate", bundle, "--reference", tmp_path / name), f"{name}: no line has text")
    long = write_lines(tmp_path / "long", "the dog sees " * 800, "日" * 10_000)
    assert re.search(r", .*e\+\d+ by word|inf by word", run("evaluate", bundle, "--reference", long).output)
    report = json.loads(run("evaluate", bundle, "--reference", long, "--json").output)
    assert report["num_characters"] == 800 * 13 - 1 + 10_000 + 2


def test_the_mean_of_language_models_is_one(run: Run, bundle: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    other, mean = tmp_path / "other", tmp_path / "mean"
    shutil.copytree(bundle, other)
    assert run("average", bundle, other, "--output", mean).status == 0
    assert Completer(mean).next_words("the dog", 3) == Completer(bundle).next_words("the dog", 3)
    card = (mean / "README.md").read_text("utf-8")
    assert "A language model trained with Dragoman." in card
    assert "Language: en." in card
    assert "| longest text | 64 pieces |" in card
    assert_refused(run("average", bundle, tiny_bundle, "--output", mean, "--overwrite"), "different vocabularies")


def test_a_language_model_and_one_that_translates_have_no_mean(
    tiny_bundle: Path, tiny_vocabulary: Vocabulary, tmp_path: Path
) -> None:
    model = write_language_model(tmp_path / "lm", tiny_vocabulary)
    for names in ((model, tiny_bundle), (tiny_bundle, model)):
        with pytest.raises(InvalidInputError, match="one is a language model and one translates"):
            open_alike(names)


def test_explain_shows_what_follows(run: Run, bundle: Path, tmp_path: Path) -> None:
    text = "the dog sees the"
    found = TextExplainer(open_language_model(bundle)).explain(text)
    fields = found.fields()
    assert fields["encoder"] == fields["cross"] == []
    assert np.shape(fields["decoder"]) == (1, 2, len(found.read), len(found.read))
    assert found.read[1:] == found.written[:-1]
    assert found.written[-1] == found.next_pieces[-1][0][0]
    assert np.shape(found.all_vectors()["decoder"][0][1]["keys"])[0] == len(found.read)
    page = tmp_path / "page.html"
    assert run("explain", text, "--model", bundle, "--output", page).status == 0
    assert '"source":"the dog sees the"' in page.read_text("utf-8")
    assert_refused(run("explain", text, "--model", bundle, "--to", "de", "--output", "-"), "leave out --from, --to and")


def test_its_report_has_perplexity_and_nothing_of_translations(run: Run, run_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    run("report", run_folder, "--output", path)
    page = path.read_text("utf-8")
    for text in ("dev perplexity", "Perplexity of the dev set", "Finished: 80 of 80 updates", "Kept: update"):
        assert text in page
    for text in ('id="scores"', 'id="samples"', 'id="attention"', "#attention", "cannot be loaded", "no best bundle"):
        assert text not in page


def test_language_models_are_compared_by_perplexity(run: Run, run_folder: Path, tmp_path: Path) -> None:
    kept, page = tmp_path / "models.json", tmp_path / "page.html"
    table = run("compare", run_folder, "--save", kept, "--page", page).output
    best = read_config(run_folder / "best").provenance["dev_perplexity"]
    head, _, row = ([cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines())
    cells = dict(zip(head, row, strict=True))
    assert float(cells["dev perplexity"]) == pytest.approx(best, abs=0.01)
    assert cells["at update"] in ("40", "80")
    assert cells["last perplexity"]
    assert not [name for name in head if "BLEU" in name]
    assert run("compare", kept).output == table
    charts = ("Dev perplexity by hours of training", "Loss on the dev set en→en", "Loss in training")
    assert all(title in page.read_text("utf-8") for title in charts)


def test_a_run_that_stopped_early_stopped_for_its_perplexity(run_folder: Path) -> None:
    record = replace(read_run(run_folder), is_running=False)
    lines = [
        Measurement(kind="validation", update=update, values={"perplexity": value}, texts={})
        for update, value in ((20, 30.0), (40, 31.0), (60, 30.5))
    ]
    config = {**record.config, "validation": {"patience": 2}, "optimization": {"max_updates": 100}}
    status = tell_status(replace(record, config=config, measurements=tuple(lines)))
    assert status.text.startswith("Finished early, after 2 validations without a better perplexity: 60 of 100 updates")


def test_the_next_commands(run_folder: Path) -> None:
    names = [command.split()[1] for command in next_commands(read_run(run_folder))]
    assert names == ["report", "complete", "evaluate"]


def test_what_is_for_translation_models_refuses_a_language_model(run: Run, bundle: Path, tmp_path: Path) -> None:
    texts = write_lines(tmp_path / "corpus.en", "The dog sees the house.", "a tree")
    pair = ("--source", texts, "--target", texts, "--to", "en", "--from", "en")
    files = sorted(path.name for path in bundle.iterdir())
    for command in (
        ("translate", "The dog.", "--model", bundle, "--to", "en"),
        ("tune", bundle, texts),
        ("words", bundle, *pair),
        ("shortlist", bundle, *pair),
        ("score", bundle, *pair),
        ("probe", bundle),
        ("serve", bundle),
    ):
        assert_refused(run(*command), f"{bundle} is a language model: it continues texts and translates none")
    assert sorted(path.name for path in bundle.iterdir()) == files


def test_a_language_model_translates_nothing(bundle: Path) -> None:
    with pytest.raises(InvalidInputError, match="is a language model: it continues texts and translates none"):
        open_model([bundle])


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (['data.directions=["en-de"]'], 'a language model learns one language, such as \\["de"\\]'),
        (["architecture.kind=transformer"], "architecture.num_layers: is for the kind"),
        (["vocabulary.joint=false"], "a language model has one vocabulary"),
        (["objective.guided_alignment=1.0"], "needs a network with attention to the source"),
    ],
)
def test_contradictory_configurations_are_refused(overrides: list[str], message: str, tmp_path: Path) -> None:
    path = tmp_path / "en.toml"
    write_config(path, CONFIG.format(folder=tmp_path, updates=1))
    if "en-de" in overrides[0]:
        text = path.read_text("utf-8")
        path.write_text(
            text.replace('train.en"', 'train.en"\nde = "x"').replace('dev.en"', 'dev.en"\nde = "x"'), "utf-8"
        )
    with pytest.raises(InvalidInputError, match=message):
        load_run_config(path, overrides)


def test_one_language_alone_is_for_language_models(tmp_path: Path) -> None:
    path = tmp_path / "en.toml"
    text = CONFIG.format(folder=tmp_path, updates=1)
    lines = [line for line in text.split("\n") if "kind" not in line and "num_layers" not in line]
    write_config(path, "\n".join(lines))
    with pytest.raises(InvalidInputError, match=r"en alone is for architecture\.kind"):
        load_run_config(path)

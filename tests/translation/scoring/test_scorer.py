"""Force-decoding against one pair at a time, and against the hypotheses that the search found."""

import math
import random
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch

from dragoman.model.bundle import read_config, read_vocabulary
from dragoman.model.config import Direction
from dragoman.model.decoding.decoder import Given
from dragoman.model.decoding.decoders import torch_decoder
from dragoman.model.decoding.decoders.native.decoder import is_available
from dragoman.model.decoding.decoders.torch_decoder import TorchDecoder
from dragoman.model.decoding.engines.engine import Engine
from dragoman.model.decoding.loading import open_model
from dragoman.model.decoding.request import Request
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.model.network.storage import load_network
from dragoman.model.network.transformer import DecoderLayer, Transformer
from dragoman.translation.scoring import scorer as scoring
from dragoman.translation.scoring.scored import Pair
from dragoman.translation.scoring.scorer import Scorer, ScoringPrecision
from tests.architectures import as_transformer
from tests.model.decoding.engines.engines import finished_by_step
from tests.pieces import BOS_ID, EOS_ID, encode_source

EN_DE = Direction("en", "de")
OPTIONS = SearchOptions(return_attention=True)


def torch_scorer(bundle: Path, network: Transformer) -> Scorer:
    info = read_config(bundle)
    return Scorer(info, read_vocabulary(bundle, info), TorchDecoder(network, max_slots=1))


@pytest.fixture(scope="module")
def network(tiny_bundle: Path) -> Transformer:
    return as_transformer(load_network(tiny_bundle, read_config(tiny_bundle)))


@pytest.fixture(scope="module", params=["torch", "kernels"])
def scorer(request: pytest.FixtureRequest, tiny_bundle: Path, network: Transformer) -> Scorer:
    if request.param == "torch":
        return torch_scorer(tiny_bundle, network)
    if not is_available():
        pytest.skip("needs a C++ compiler")
    return Scorer.load(tiny_bundle)


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    """Of very different lengths, in no order."""
    chance = random.Random(5)

    def pieces(most: int) -> list[int]:
        return [chance.randrange(6, 380) for _ in range(chance.randint(1, most))]

    return [Pair([5, *pieces(30), EOS_ID], pieces(40)) for _ in range(60)]


@torch.inference_mode()
def naive_log_probs(network: Transformer, pair: Pair) -> list[float]:
    """One pair, one piece after the other, each with the whole network from its beginning."""
    source = torch.tensor([list(pair.source_ids)])
    prefix, found = [BOS_ID], []
    for piece in [*pair.target_ids, EOS_ID]:
        logits = network(source, torch.ones_like(source, dtype=torch.bool), torch.tensor([prefix]))
        found.append(logits[0, -1].double().log_softmax(dim=0)[piece].item())
        prefix.append(piece)
    return found


def test_equals_one_pair_and_one_piece_at_a_time(scorer: Scorer, network: Transformer, pairs: list[Pair]) -> None:
    for pair, score in zip(pairs, scorer.score_pairs(pairs, SearchOptions()), strict=True):
        expected = naive_log_probs(network, pair)
        assert score.token_log_probs.tolist() == pytest.approx(expected, abs=1e-4)
        assert score.log_prob == pytest.approx(sum(expected), abs=1e-3)
        assert score.score == pytest.approx(sum(expected) / ((5 + len(expected)) / 6), abs=1e-3)
        assert score.attention is None


def test_the_batch_changes_nothing(scorer: Scorer, pairs: list[Pair], monkeypatch: pytest.MonkeyPatch) -> None:
    together = scorer.score_pairs(pairs, OPTIONS)
    alone = [scorer.score_pairs([pair], OPTIONS)[0] for pair in pairs]
    monkeypatch.setattr(torch_decoder, "MAX_LOGITS", 100 * 400)
    monkeypatch.setattr(torch_decoder, "MAX_ENCODED_PIECES", 50)
    in_small_batches = scorer.score_pairs(pairs[::-1], OPTIONS)[::-1]
    for one, other, third in zip(together, alone, in_small_batches, strict=True):
        for same in (other, third):
            np.testing.assert_allclose(one.token_log_probs, same.token_log_probs, atol=1e-4)
            assert one.attention is not None
            assert same.attention is not None
            np.testing.assert_allclose(one.attention, same.attention, atol=1e-5)


def test_batches_hold_every_pair_once_and_stay_small(pairs: list[Pair], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_decoder, "MAX_LOGITS", 90 * 400)
    monkeypatch.setattr(torch_decoder, "MAX_ENCODED_PIECES", 64)
    given = [Given(pair.source_ids, (BOS_ID, *pair.target_ids, EOS_ID)) for pair in pairs]
    batches = list(torch_decoder._scoring_groups(given, 400))
    assert sorted(number for batch in batches for number in batch) == list(range(len(pairs)))
    for batch in batches:
        assert len(batch) * max(len(pairs[number].target_ids) + 1 for number in batch) <= 90
        assert len(batch) * max(len(pairs[number].source_ids) for number in batch) <= 64
    monkeypatch.setattr(torch_decoder, "MAX_LOGITS", 1)  # less than any single pair has
    assert [len(batch) for batch in torch_decoder._scoring_groups(given, 400)] == [1] * len(pairs)
    assert list(torch_decoder._scoring_groups([], 400)) == []


@pytest.mark.parametrize(
    "options",
    [
        SearchOptions(beam_size=3, n_best=3, return_attention=True),
        SearchOptions(beam_size=2, n_best=2, length_penalty=0.2, length_normalization="average", return_attention=True),
        SearchOptions(beam_size=3, n_best=3, coverage_penalty=0.5, return_attention=True),
        SearchOptions(n_best=4, sampling_temperature=1.5, return_attention=True),
    ],
)
def test_scores_what_the_search_found_as_the_search_did(tiny_bundle: Path, options: SearchOptions) -> None:
    network, most = as_transformer(load_network(tiny_bundle, read_config(tiny_bundle))), 12
    scorer = torch_scorer(tiny_bundle, network)
    with torch.no_grad():
        network.output_projection.weight[EOS_ID].mul_(6)  # or none would end before it is cut off
    unprintable = scorer.vocabulary.forbidden_ids()
    engine = Engine(TorchDecoder(network, forbidden_ids=unprintable, max_slots=4))
    texts = ("The dog sees the house.", "The child likes the bridge.", "a b c")
    sources = [tuple(encode_source(scorer.vocabulary, text, EN_DE)) for text in texts]
    engine.admit([Request(number, source_ids, options, most) for number, source_ids in enumerate(sources)])
    num_ended = 0
    while engine.num_active:
        for finished in finished_by_step(engine):
            for found in finished.hypotheses:
                pair = Pair(sources[finished.id], found.token_ids)
                (score,) = scorer.score_pairs([pair], options)
                num_rows = len(found.token_log_probs)  # without the end of sentence, if it was cut off
                assert score.token_log_probs[:num_rows].tolist() == pytest.approx(found.token_log_probs, abs=1e-4)
                assert score.attention is not None
                assert found.attention is not None
                np.testing.assert_allclose(score.attention[:num_rows], found.attention, atol=1e-5)
                if num_rows > len(found.token_ids):
                    assert score.score == pytest.approx(found.score, abs=1e-4)
                    num_ended += 1
    assert num_ended > 0


def test_normalizes_as_the_options_say(scorer: Scorer, pairs: list[Pair]) -> None:
    def score(**options: object) -> float:
        return scorer.score_pairs(pairs[:1], SearchOptions(**options))[0].score  # type: ignore[arg-type]

    (whole,) = scorer.score_pairs(pairs[:1], OPTIONS)
    length = len(pairs[0].target_ids) + 1
    assert score(length_penalty=0) == pytest.approx(whole.log_prob)
    assert score(length_penalty=0.5) == pytest.approx(whole.log_prob / ((5 + length) / 6) ** 0.5)
    average = {"length_normalization": "average"}
    assert score(**average) == pytest.approx(whole.log_prob / length)
    assert score(**average, length_penalty=2) == pytest.approx(whole.log_prob / length**2)
    assert whole.attention is not None
    coverage = sum(math.log(min(column, 1.0)) for column in whole.attention.sum(axis=0).tolist())
    assert coverage < -0.1
    assert score(coverage_penalty=0.3) == pytest.approx(whole.score + 0.3 * coverage, abs=1e-5)


def test_attention_is_the_last_layer_s_mean_over_its_heads(tiny_bundle: Path) -> None:
    network = as_transformer(load_network(tiny_bundle, read_config(tiny_bundle)))
    scorer = torch_scorer(tiny_bundle, network)
    pair = scorer.prepare("The dog sees the house.", "Der Hund sieht das Haus.", EN_DE)
    (score,) = scorer.score_pairs([pair], OPTIONS)
    assert score.attention is not None
    assert score.attention.shape == (len(pair.target_ids) + 1, len(pair.source_ids))
    np.testing.assert_allclose(score.attention.sum(axis=1), 1, atol=1e-5)

    last_layer = network.decoder_layers[-1]
    assert isinstance(last_layer, DecoderLayer)
    attention = last_layer.cross_attention
    with torch.inference_mode():
        source = torch.tensor([pair.source_ids])
        encoded = network.encode(source, torch.ones_like(source, dtype=torch.bool))
        captured: list[torch.Tensor] = []
        hook = attention.query.register_forward_hook(lambda _, inputs, output: captured.append(output))
        network(source, torch.ones_like(source, dtype=torch.bool), torch.tensor([[BOS_ID, *pair.target_ids]]))
        hook.remove()
        queries = captured[0][0].view(-1, 2, 8)  # [T, heads, d_key]
        keys = attention.key(encoded)[0].view(-1, 2, 8)  # [S, heads, d_key]
        twin = torch.stack([(queries[:, h] @ keys[:, h].T / 8**0.5).softmax(dim=-1) for h in range(2)]).mean(dim=0)
    np.testing.assert_allclose(score.attention, twin.numpy(), atol=1e-5)


def test_texts_come_back_with_their_pieces_and_alignment(scorer: Scorer) -> None:
    texts = [("The dog sees the house.", "Der Hund sieht das Haus."), ("tree", "Baum")]
    first, second = scorer.score(iter(texts), "de", source_language="en", return_attention=True)
    assert (first.source, first.target, second.target) == (*texts[0], "Baum")
    assert first.source_pieces[0] == "<2de>"
    assert first.source_pieces[-1] == "</s>"
    assert "".join(first.pieces) == "▁Der▁Hund▁sieht▁das▁Haus."
    assert len(first.token_log_probs) == len(first.pieces) + 1
    assert first.log_prob == pytest.approx(sum(first.token_log_probs))
    assert first.alignment
    assert {target for _, target in first.alignment} == set(range(5))
    assert all(0 <= source < 5 for source, _ in first.alignment)
    (plain,) = scorer.score(texts[1:], "de")
    assert (plain.attention, plain.alignment) == (None, ())
    assert plain.score == pytest.approx(second.score)
    (unnormalized,) = scorer.score(texts[1:], "de", length_penalty=0)
    assert unnormalized.score == pytest.approx(plain.log_prob)


def test_pairs_are_read_ahead_but_not_further(scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "LOOKAHEAD", 3)
    texts = [(f"tree {number}", f"Baum {number}") for number in range(8)]
    remaining = iter(texts)
    scored = scorer.stream(remaining, EN_DE, SearchOptions())
    first = next(scored)
    assert next(remaining) == texts[3]
    targets = [outcome.target for outcome in (first, *scored) if not isinstance(outcome, InvalidInputError)]
    assert targets == [target for _, target in texts[:3] + texts[4:]]


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (" ", "Haus", "the source is blank: there is nothing to score"),
        ("house", "", "the target is blank"),
        ("house " * 63, "Haus", r"the source has \d+ pieces, but the model takes 62 at most"),
        ("house", "Haus " * 64, r"the target has \d+ pieces, but the model takes 63 at most"),
    ],
)
def test_what_cannot_be_scored(scorer: Scorer, source: str, target: str, message: str) -> None:
    texts = [("tree", "Baum"), (source, target), ("house", "Haus")]
    with pytest.raises(InvalidInputError, match=message):
        scorer.score(texts, "de")
    before, failure, after = scorer.stream(texts, EN_DE, SearchOptions())
    assert isinstance(failure, InvalidInputError)
    assert [score.target for score in (before, after) if not isinstance(score, InvalidInputError)] == ["Baum", "Haus"]


def test_nothing_but_what_cannot_be_scored(tiny_bundle: Path, network: Transformer) -> None:
    one_threaded = [torch_scorer(tiny_bundle, network)]
    if is_available():
        decoder = open_model([tiny_bundle]).load_decoder(precision="float32", max_slots=1)
        one_threaded.append(Scorer(read_config(tiny_bundle), one_threaded[0].vocabulary, decoder))
    for scorer in one_threaded:
        (failure,) = scorer.stream([(" ", "Haus")], EN_DE, SearchOptions())
        assert isinstance(failure, InvalidInputError)


def test_wrong_options_and_languages(scorer: Scorer) -> None:
    with pytest.raises(InvalidInputError, match="length_penalty is -1"):
        scorer.score([("tree", "Baum")], "de", length_penalty=-1)
    with pytest.raises(NotFoundError, match='does not translate to "fr"'):
        scorer.score([("tree", "arbre")], "fr")


def test_the_longest_pair_of_the_model_is_scored(scorer: Scorer, tiny_bundle: Path) -> None:
    info = read_config(tiny_bundle)
    vocabulary = read_vocabulary(tiny_bundle, info)
    house, end = vocabulary.source.encode("house")[0], EOS_ID
    pair = Pair([5, *[house] * 62, end], [house] * 63)
    (score,) = scorer.score_pairs([pair], OPTIONS)
    assert len(score.token_log_probs) == info.architecture.max_target_length


def test_lower_precision_scores_nearly_the_same(tiny_bundle: Path, scorer: Scorer, pairs: list[Pair]) -> None:
    exact = [score.log_prob for score in scorer.score_pairs(pairs, OPTIONS)]
    rough = Scorer.load(tiny_bundle, precision="bfloat16")
    found = [score.log_prob for score in rough.score_pairs(pairs, OPTIONS)]
    assert found == pytest.approx(exact, rel=0.05)
    assert found != exact


def test_loading_refuses_what_is_not_there(tiny_bundle: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no bundle"):
        Scorer.load("none")
    with pytest.raises(InvalidInputError, match=r'^the device "abacus" cannot be used: [^\n]*$'):
        Scorer.load(tiny_bundle, device="abacus")
    with pytest.raises(
        InvalidInputError, match='cannot score in the precision "auto": choose among float32, bfloat16, '
    ):
        Scorer.load(tiny_bundle, precision=cast(ScoringPrecision, "auto"))

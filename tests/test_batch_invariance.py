"""What is translated beside a sentence, in which slot, on which thread, and when it arrives change not one bit of its
translation: every comparison here is one of equal numbers, none is approximate."""

import dataclasses
import random
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import pytest

from dragoman.model.bundle import find_bundle, read_config, read_vocabulary
from dragoman.model.config import Direction
from dragoman.model.decoding.decoder import Decoder
from dragoman.model.decoding.decoders.native.decoder import NativeDecoder, Precision, is_available
from dragoman.model.decoding.engines.engine import Engine
from dragoman.model.decoding.engines.fleet import Fleet
from dragoman.model.decoding.engines.making import make_engine
from dragoman.model.decoding.request import Request, TokenHypothesis
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.weights import read_weights
from dragoman.translation.drafts import PreparedText
from dragoman.translation.translator import Translator
from tests.architectures import transformer_shape
from tests.model.decoding.engines.engines import finished_by_step
from tests.pieces import EOS_ID

pytestmark = pytest.mark.skipif(not is_available(), reason="needs a C++ compiler")

MAX_SLOTS = 32
MAX_LENGTH = 20
PRECISIONS: tuple[Precision, ...] = ("float32", "int8")

SENTENCES = (
    "Yes.",
    "Come in!",
    "The dog is asleep.",
    "Where is the station?",
    "I have never seen such a large tree.",
    "My sister bought two red apples at the market.",
    "If it rains tomorrow, we will stay at home and read the old books that you gave us last winter.",
    "The woman who lives next door to the baker asked whether anybody had found the keys of her little blue car.",
    "He drinks coffee, she drinks tea.",
    "Nobody knew why the bridge had been closed for so long.",
    "Good morning, Mr. Smith, how are you today?",
    "In the year 1848 there were 39 of them.",
)

OPTIONS = (
    SearchOptions(),
    SearchOptions(beam_size=1),
    SearchOptions(beam_size=2, n_best=2, length_penalty=0.0),
    SearchOptions(beam_size=3, n_best=3, no_repeat_ngram_size=2),
    SearchOptions(beam_size=5, n_best=2, coverage_penalty=0.3, return_attention=True),
    SearchOptions(beam_size=6, n_best=6, length_normalization="average", min_target_length=8),
    SearchOptions(n_best=3, sampling_temperature=0.9, seed=7),
    SearchOptions(sampling_temperature=1.2, sampling_top_k=20, sampling_top_p=0.9, seed=8),
)

Exact = tuple[tuple[tuple[int, ...], float, tuple[float, ...], bytes], ...]
"""A request's hypotheses: pieces, score, the pieces' log probabilities, the attention's bits."""


@cache
def load(precision: Precision) -> Translator:
    """The shipped bundle, on one thread."""
    folder = find_bundle("en-de")
    info = read_config(folder)
    vocabulary = read_vocabulary(folder, info)
    decoder = NativeDecoder(
        transformer_shape(info.architecture),
        info.vocabulary,
        read_weights(folder, info),
        precision=precision,
        forbidden_ids=vocabulary.forbidden_ids(),
        max_slots=MAX_SLOTS,
    )
    return Translator(info, vocabulary, Engine(decoder))


def decoder_of(precision: Precision) -> Decoder:
    """That of `load`."""
    engine = load(precision).engine
    assert isinstance(engine, Engine)
    return engine.decoder


@cache
def prepare() -> tuple[list[PreparedText], list[Request]]:
    """Every sentence with three of the options, every third with a made-up shortlist; texts and their requests."""
    translator, chance = load("int8"), np.random.default_rng(0)
    texts, requests = [], []
    for index, sentence in enumerate(sentence for sentence in SENTENCES for _ in range(3)):
        options = dataclasses.replace(OPTIONS[index % len(OPTIONS)], max_target_length=MAX_LENGTH)
        text = translator.prepare(sentence, Direction("en", "de"), options, split_sentences=False)
        (request,) = text.requests(iter([index]))
        if index % 3 == 2:
            ids = chance.choice(translator.vocabulary.target.size, size=200 + 50 * index, replace=False)
            request = dataclasses.replace(request, allowed_ids=np.union1d(ids, [EOS_ID]).astype(np.int32))
        texts.append(text)
        requests.append(request)
    return texts, requests


@pytest.fixture(scope="module", autouse=True)
def forget_the_models() -> Iterator[None]:
    yield
    load.cache_clear()


def exact(hypotheses: tuple[TokenHypothesis, ...]) -> Exact:
    return tuple(
        (one.token_ids, one.score, one.token_log_probs, b"" if one.attention is None else one.attention.tobytes())
        for one in hypotheses
    )


def run(
    engine: Engine | Fleet,
    requests: list[Request],
    *,
    most: int = MAX_SLOTS,
    num_arriving: Callable[[], int] = lambda: MAX_SLOTS,
    is_cancelled: Callable[[int], bool] = lambda _: False,
) -> dict[int, Exact]:
    """Decodes the requests in their order, at most `most` at once. Before every step `num_arriving()` of them may
    come, and each one in flight goes if `is_cancelled(id)`."""
    waiting, in_flight, results = list(requests), set[int](), dict[int, Exact]()
    while waiting or in_flight:
        arriving = waiting[: min(num_arriving(), most - len(in_flight))]
        arriving = arriving[: engine.count_fitting(arriving)]
        del waiting[: len(arriving)]
        engine.admit(arriving)
        in_flight |= {request.id for request in arriving}
        for finished in finished_by_step(engine):
            results[finished.id] = exact(finished.hypotheses)
            in_flight.remove(finished.id)
        for request_id in sorted(in_flight):
            if is_cancelled(request_id):
                assert engine.cancel(request_id)
                in_flight.remove(request_id)
    assert engine.free_slots == engine.max_slots
    return results


@cache
def alone(precision: Precision) -> dict[int, Exact]:
    """What is found for each request where it is the only one."""
    return run(Engine(decoder_of(precision)), prepare()[1], most=1)


def shuffled(seed: int) -> list[Request]:
    requests = list(prepare()[1])
    random.Random(seed).shuffle(requests)
    return requests


@pytest.mark.parametrize("precision", PRECISIONS)
def test_there_is_something_to_differ(precision: Precision) -> None:
    due = alone(precision)
    assert len(due) == 36
    assert len({hypotheses[0][0] for hypotheses in due.values()}) > 25
    assert max(len(hypotheses[0][0]) for hypotheses in due.values()) > 16  # positions of more than one page
    assert due != alone("int8" if precision == "float32" else "float32")


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("num_slots", [1, 3, 7, 32])
def test_in_any_company(num_slots: int, precision: Precision) -> None:
    engine = Engine(decoder_of(precision))
    assert run(engine, shuffled(num_slots), most=num_slots) == alone(precision)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("seed", [1, 3])
def test_with_random_arrivals(seed: int, precision: Precision) -> None:
    chance = random.Random(seed)
    engine = Engine(decoder_of(precision))
    assert run(engine, shuffled(seed), num_arriving=lambda: chance.randint(0, 2)) == alone(precision)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("seed", [1, 2])
def test_while_others_are_cancelled(seed: int, precision: Precision) -> None:
    chance = random.Random(seed)
    found = run(
        Engine(decoder_of(precision)),
        shuffled(seed),
        num_arriving=lambda: chance.randint(0, 3),
        is_cancelled=lambda request_id: request_id % 2 == 1 and chance.random() < 0.1,
    )
    due = alone(precision)
    assert 18 <= len(found) < 36
    assert found == {request_id: due[request_id] for request_id in found}


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("num_threads", [2, 3])
def test_on_several_threads(num_threads: int, precision: Precision) -> None:
    chance = random.Random(num_threads)
    engine = make_engine(decoder_of(precision), num_threads=num_threads, max_slots=MAX_SLOTS)
    assert isinstance(engine, Fleet)
    assert run(engine, shuffled(num_threads)) == alone(precision)
    assert run(engine, shuffled(9), num_arriving=lambda: chance.randint(0, 3)) == alone(precision)
    found = run(engine, shuffled(5), is_cancelled=lambda request_id: request_id % 2 == 1 and chance.random() < 0.1)
    assert found == {request_id: alone(precision)[request_id] for request_id in found}
    assert {*found} >= {*range(0, 36, 2)}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_texts_are_the_same_as_well(precision: Precision) -> None:
    options = SearchOptions(n_best=2, return_attention=True)
    texts = [" ".join(SENTENCES[index : index + 3]) for index in range(0, len(SENTENCES), 2)]

    def translate(translator: Translator, texts: list[str]) -> list[tuple[object, ...]]:
        translations = translator.stream(texts, Direction("en", "de"), options)
        return [
            (one.text, one.score, one.pieces, one.token_log_probs, one.attention.tobytes(), one.alignment)  # type: ignore[union-attr]
            for translation in translations
            for one in translation.hypotheses
        ]

    due = [one for text in texts for one in translate(load(precision), [text])]
    assert len(due) == 2 * len(texts)
    assert translate(load(precision), texts) == due

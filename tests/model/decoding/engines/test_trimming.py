"""Memory is given up at rest, and nothing that is computed changes."""

from pathlib import Path

import pytest

from dragoman.model.decoding.engines.engine import Engine
from dragoman.model.decoding.engines.trimming import Trims, return_memory, trim
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.translation.translator import Translator
from tests.model.decoding.engines.engines import decoder_of


@pytest.mark.parametrize("num_threads", [1, 2])
def test_translations_are_the_same_after_memory_was_given_up(
    tiny_bundle: Path, tiny_sentences: list[str], num_threads: int
) -> None:
    with_rest = Translator.load(tiny_bundle, num_threads=num_threads, max_slots=4)
    without = Translator.load(tiny_bundle, num_threads=num_threads, max_slots=4)
    for beam_size in (1, 4):
        for sentence in tiny_sentences[:4]:
            found = with_rest.translate(sentence, "de", beam_size=beam_size, max_target_length=8)
            assert found == without.translate(sentence, "de", beam_size=beam_size, max_target_length=8)
            trim(with_rest.engine)
            return_memory()


def test_an_engine_at_work_keeps_its_memory(tiny_bundle: Path, tiny_sentences: list[str]) -> None:
    translator = Translator.load(tiny_bundle, num_threads=1, max_slots=4)
    engine = translator.engine
    assert isinstance(engine, Engine)
    trimmed = []

    class Decoder:
        def trim(self) -> None:
            trimmed.append(engine.num_active)

    direction = translator.find_direction(None, "de")
    prepared = translator.prepare(tiny_sentences[0], direction, SearchOptions(max_target_length=8))
    decoder = decoder_of(translator.engine)
    engine.admit(prepared.requests(iter(range(9))))
    engine.decoder = Decoder()  # type: ignore[assignment]
    engine.trim()
    engine.decoder = decoder
    while engine.num_active:
        engine.step()
    engine.decoder = Decoder()  # type: ignore[assignment]
    engine.trim()
    assert trimmed == [0]


def test_a_decoder_that_keeps_nothing_is_left_alone() -> None:
    assert not isinstance(object(), Trims)
    trim(object())

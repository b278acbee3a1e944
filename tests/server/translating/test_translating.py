"""Orders in, outcomes out, without any transport."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from dragoman.model.config import Direction
from dragoman.model.errors import InvalidInputError
from dragoman.server.call_context import CallContext
from dragoman.server.catalogue.catalogue import Catalogue
from dragoman.server.config import LimitsConfig, ModelConfig
from dragoman.server.scheduling.worker import TextFailure
from dragoman.server.translating.detection import LanguageDetector
from dragoman.server.translating.orders import AUTO, Outcome, ScoreOrder, Translated, TranslationOrder
from dragoman.server.translating.translating import Translating
from tests.server.fakes import DE_EN, EN_DE, PATIENCE, FakeTranslator
from tests.server.running import trust

CALL = CallContext("me", "1")
ENGLISH = "The weather is lovely this morning."
GERMAN = "Heute Morgen ist das Wetter wunderschön."


@asynccontextmanager
async def translating(*translators: FakeTranslator, limits: LimitsConfig | None = None) -> AsyncIterator[Translating]:
    by_name = {translator.name: translator for translator in translators}
    catalogue = Catalogue(load=lambda model: by_name[model.bundle], try_out=trust)
    await catalogue.apply([ModelConfig(bundle=name) for name in by_name])
    try:
        yield Translating(catalogue, limits or LimitsConfig(), LanguageDetector())
    finally:
        await catalogue.close()


def run(
    test: Callable[[Translating], Awaitable[None]], *translators: FakeTranslator, limits: LimitsConfig | None = None
) -> None:
    async def main() -> None:
        async with translating(*translators, limits=limits) as door:
            await asyncio.wait_for(test(door), PATIENCE)

    asyncio.run(main())


def texts_of(outcomes: Sequence[Outcome]) -> list[str]:
    return [
        outcome.translation.text if isinstance(outcome, Translated) else f"failed: {outcome.reason}"
        for outcome in outcomes
    ]


def test_every_text_has_an_outcome() -> None:
    async def test(door: Translating) -> None:
        with door.open(TranslationOrder("de")) as session:
            outcomes = await session.translate(["a b", "refused", "", "x" * 11], CALL)
        assert texts_of(outcomes) == [
            "b a",
            "failed: the engine refuses this text",
            "",
            "failed: has 11 characters, but at most 10 are allowed",
        ]

    run(test, FakeTranslator(), limits=LimitsConfig(max_text_length=10))


def test_a_text_is_bounded_by_its_pieces() -> None:
    async def test(door: Translating) -> None:
        with door.open(TranslationOrder("de")) as session:
            outcomes = await session.translate(["a b c", "a b | c d", "x" * 100, "a b c d"], CALL)
        assert texts_of(outcomes) == [
            "c b a",
            "failed: has 4 pieces of its model's vocabulary, but at most 3 are allowed",
            "x" * 100,  # many characters, one piece
            "failed: has 4 pieces of its model's vocabulary, but at most 3 are allowed",
        ]

    run(test, FakeTranslator(), limits=LimitsConfig(max_text_pieces=3))


def test_a_model_is_kept_until_the_session_ends() -> None:
    async def test(door: Translating) -> None:
        translator = FakeTranslator()
        catalogue = Catalogue(load=lambda model: translator, try_out=trust)
        await catalogue.apply([ModelConfig(bundle="en-de")])
        with Translating(catalogue, LimitsConfig(), LanguageDetector()).open(TranslationOrder("de")) as session:
            closing = asyncio.ensure_future(catalogue.apply([]))
            await closing
            assert not translator.engine.is_closed
            assert session.model == ("en-de", translator.revision)
        await catalogue.close()
        assert translator.engine.is_closed

    run(test, FakeTranslator())


def test_real_sentences_are_told_apart_and_those_in_the_target_language_stay() -> None:
    async def test(door: Translating) -> None:
        with door.open(TranslationOrder("en", AUTO)) as session:
            english, german = await session.translate([ENGLISH, GERMAN], CALL)
        assert isinstance(english, Translated)
        assert isinstance(german, Translated)
        assert (english.translation.text, english.source_language, english.is_unchanged) == (ENGLISH, "en", True)
        assert (german.source_language, german.is_detected, german.is_unchanged) == ("de", True, False)
        assert german.translation.text.startswith("wunderschön. Wetter")

    run(test, FakeTranslator(directions=(DE_EN,)))


def test_where_all_texts_are_needed_the_first_at_fault_is_named() -> None:
    async def test(door: Translating) -> None:
        with door.open(TranslationOrder("de"), field="contents") as session:
            with pytest.raises(InvalidInputError, match=r"^contents\[1\]: has 11 characters"):
                await session.translate_all(["a", "x" * 11], CALL)
            with pytest.raises(InvalidInputError, match=r"^contents\[1\]: the engine refuses"):
                await session.translate_all(["a", "refused"], CALL)
            assert texts_of(await session.translate_all(["a b"], CALL)) == ["b a"]

    run(test, FakeTranslator(), limits=LimitsConfig(max_text_length=10))


def test_one_model_s_fault_gives_the_others_up() -> None:
    broken = FakeTranslator("fr-de", (Direction("fr", "de"),))
    broken.engine.is_broken = True
    endless = FakeTranslator("en-de", (EN_DE,))

    async def test(door: Translating) -> None:
        with door.open(TranslationOrder("de", AUTO)) as session, pytest.raises(Exception, match="decoding engine"):
            await session.translate([f"{ENGLISH} forever", "Le temps est très beau ce matin, n'est-ce pas ?"], CALL)

    run(test, broken, endless)
    assert endless.engine.num_active == 0


def test_pairs_are_scored_each_for_itself() -> None:
    async def test(door: Translating) -> None:
        found = await door.score(ScoreOrder("de"), [("a", "b c"), ("a", " ")], CALL)
        assert (found.model, found.source_language) == ("en-de", "en")
        good, bad = found.scores
        assert bad == TextFailure("the target is blank")
        assert not isinstance(good, TextFailure)
        assert good.score == -2

    run(test, FakeTranslator())


def test_the_language_of_a_pair_must_be_known() -> None:
    async def test(door: Translating) -> None:
        with pytest.raises(InvalidInputError, match="source_language_code: is empty; name one of en, fr"):
            await door.score(ScoreOrder("de"), [("a", "b")], CALL)

    run(test, FakeTranslator(directions=(EN_DE, Direction("fr", "de"))))

"""Directions that no model has, through a pivot language."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from dragoman.model.config import Direction
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.server.call_context import CallContext
from dragoman.server.catalogue.catalogue import Catalogue
from dragoman.server.config import LimitsConfig, ModelConfig
from dragoman.server.scheduling.worker import TextFailure
from dragoman.server.translating.detection import LanguageDetector
from dragoman.server.translating.orders import AUTO, ScoreOrder, Translated, TranslationOrder, Wanted
from dragoman.server.translating.pivoting import join, kept_terms, pivot_directions
from dragoman.server.translating.translating import Translating
from dragoman.translation.results import Hypothesis, Translation, TranslationWarning
from dragoman.translation.terms.glossary import Entry, Glossary
from tests.server.fakes import DE_EN, EN_DE, PATIENCE, FakeTranslator
from tests.server.running import trust

CALL = CallContext("me", "1")
EN_PT = Direction("en", "pt")


def run(test: Callable[[Translating], Awaitable[None]], *translators: FakeTranslator, pivot: str | None = "en") -> None:
    async def main() -> None:
        by_name = {translator.name: translator for translator in translators}
        catalogue = Catalogue(load=lambda model: by_name[model.bundle], try_out=trust)
        await catalogue.apply([ModelConfig(bundle=name) for name in by_name])
        limits = LimitsConfig(max_texts=2)
        await asyncio.wait_for(test(Translating(catalogue, limits, LanguageDetector(), pivot=pivot)), PATIENCE)
        await catalogue.close()

    asyncio.run(main())


def models() -> tuple[FakeTranslator, FakeTranslator]:
    return FakeTranslator("de-en", (DE_EN,)), FakeTranslator("en-pt", (EN_PT,))


def translation_of(outcome: object) -> Translation:
    assert isinstance(outcome, Translated), outcome
    return outcome.translation


def test_the_pivot_joins_what_no_model_has() -> None:
    assert pivot_directions({DE_EN, EN_PT}, "en") == {Direction("de", "pt")}
    assert pivot_directions({DE_EN, EN_PT, EN_DE, Direction("pt", "en")}, "en") == {
        Direction("de", "pt"),
        Direction("pt", "de"),
    }
    assert pivot_directions({DE_EN, EN_PT, Direction("de", "pt")}, "en") == set()
    assert pivot_directions({DE_EN, EN_PT}, "fr") == set()


def test_two_models_translate_one_after_the_other() -> None:
    async def test(door: Translating) -> None:
        with door.open(TranslationOrder("pt", "de")) as session:
            assert session.model == ("de-en+en-pt", "0123456789abcdef")
            both, failed = await session.translate(["a b | c d", "a refused"], CALL)
            assert await session.translate([], CALL) == []
        assert translation_of(both).text == "a b | c d"  # each of the two turns the words round
        assert (both.model, both.source_language) == ("de-en+en-pt", "de")  # type: ignore[union-attr]
        assert failed == TextFailure("the engine refuses this text")
        with pytest.raises(NotFoundError):
            door.open(TranslationOrder("pt", "de", model="en-pt")).__enter__()
        with pytest.raises(NotFoundError):
            await door.score(ScoreOrder("pt", "de"), [("a", "b")], CALL)

    first, second = models()
    run(test, first, second)
    assert (first.engine.num_finished, second.engine.num_finished) == (2, 2)


def test_without_a_pivot_there_is_no_such_direction() -> None:
    async def test(door: Translating) -> None:
        with pytest.raises(NotFoundError):
            door.open(TranslationOrder("pt", "de")).__enter__()
        assert door.pivoted_directions() == set()

    run(test, *models(), pivot=None)


def test_hypotheses_of_both_legs_are_ranked_together() -> None:
    async def test(door: Translating) -> None:
        with door.open(TranslationOrder("pt", "de", options=SearchOptions(n_best=3))) as session:
            (outcome,) = await session.translate(["a b"], CALL)
        # The first leg's ranks end in so many "!", each of which costs 1; the second leg turns them to the front.
        found = [(hypothesis.text, hypothesis.score) for hypothesis in translation_of(outcome).hypotheses]
        assert found == [("a b", 0.0), ("a b !", -1.0), ("! a b", -1.0)]

    run(test, *models())


def test_a_prefix_is_for_the_second_leg() -> None:
    async def test(door: Translating) -> None:
        options = SearchOptions(target_prefix="x", max_target_length=3)
        order = TranslationOrder("pt", "de", options=options)
        with door.open(order) as session:
            (ready,) = await session.prepare_each(["a b"])
            assert not isinstance(ready, TextFailure)
            first = ready.parts[0].options
        assert (first.target_prefix, first.max_target_length) == ("", None)

    run(test, *models())


def test_texts_of_several_languages_go_each_their_own_way() -> None:
    async def test(door: Translating) -> None:
        german, english, portuguese = (
            "Heute Morgen ist das Wetter wunderschön.",
            "The weather is lovely this morning.",
            "O tempo está muito bonito hoje de manhã, não está?",
        )
        with door.open(TranslationOrder("pt", AUTO)) as session:
            assert session.model == ("", "")
            one, two = await session.translate([german, english], CALL)
            (three,) = await session.translate([portuguese], CALL)
            streamed = [
                await session.translate_when_room(ready, CALL)
                for ready in await session.prepare_each([german, english])
                if not isinstance(ready, TextFailure)
            ]
        assert isinstance(one, Translated)
        assert isinstance(two, Translated)
        assert isinstance(three, Translated)
        assert (one.translation.text, one.model, one.source_language) == (german, "de-en+en-pt", "de")
        assert (two.translation.text, two.model) == (" ".join(english.split()[::-1]), "en-pt")
        assert three.is_unchanged
        assert streamed == [one, two]

    run(test, *models())


def test_html_keeps_its_tags_through_both_legs() -> None:
    async def test(door: Translating) -> None:
        with door.open(TranslationOrder("pt", "de", text_format="html")) as session:
            (outcome,) = await session.translate(["<p>a b</p><p>c</p>"], CALL)
        assert translation_of(outcome).text == "<p>a b</p><p>c</p>"

    run(test, *models())


def test_a_live_translation_shows_the_second_leg() -> None:
    async def test(door: Translating) -> None:
        with door.open(TranslationOrder("pt", "de")) as session:
            shown = [live async for live in session.follow("a b c", CALL)]
        assert all(live.outcome is None for live in shown[:-1])
        last = shown[-1].outcome
        assert translation_of(last).text == "a b c"
        assert last.model == "de-en+en-pt"  # type: ignore[union-attr]
        assert (shown[-1].stable_text, shown[-1].unstable_text) == ("a b c", "")

    run(test, *models())


def test_pieces_are_refused() -> None:
    async def test(door: Translating) -> None:
        with pytest.raises(InvalidInputError, match=r"^return_options: this direction goes through en"):
            door.open(TranslationOrder("pt", "de", wanted=Wanted(alignment=True))).__enter__()

    run(test, *models())


def test_models_stay_open_for_a_session_alone() -> None:
    async def main() -> None:
        first, second = models()
        by_name = {first.name: first, second.name: second}
        catalogue = Catalogue(load=lambda model: by_name[model.bundle], try_out=trust)
        await catalogue.apply([ModelConfig(bundle=name) for name in by_name])
        door = Translating(catalogue, LimitsConfig(), LanguageDetector(), pivot="en")
        with door.open(TranslationOrder("pt", "de")) as session:
            await catalogue.apply([])
            (outcome,) = await session.translate(["a b"], CALL)
            assert translation_of(outcome).text == "a b"
        await asyncio.wait_for(catalogue.wait_until_idle(), PATIENCE)
        await catalogue.close()
        assert first.engine.is_closed
        assert second.engine.is_closed

    asyncio.run(main())


def test_the_first_leg_leaves_terms_as_they_are() -> None:
    glossary = Glossary(
        (
            Entry({"de": ("Rechnung", "Rechnungen"), "pt": ("fatura",)}, is_exact=True),
            Entry({"de": ("Haus",), "fr": ("maison",)}),
            Entry({"en": ("house",), "pt": ("casa",)}),
        )
    )
    (kept,) = kept_terms(glossary, "de", "en", "pt").entries
    assert kept.forms == {"de": ("Rechnung", "Rechnungen"), "en": ("Rechnung", "Rechnungen")}
    assert kept.is_kept
    assert kept.is_exact


def test_joined_outcomes_have_the_doubts_of_both() -> None:
    def outcome(source: str, *hypotheses: Hypothesis, model: str = "m") -> Translated:
        return Translated(Translation(source, hypotheses), "de", model, "r")

    lost, differs = (
        TranslationWarning("span_lost", (0, 1), (0, 2)),
        TranslationWarning("figure_differs", (1, 2), (0, 1)),
    )
    first = outcome("ab", Hypothesis("cd", -1.0, warnings=(lost,), quality=0.5, finish_reason="length"), model="x")
    joined = join(first, [outcome("cd", Hypothesis("efg", -2.0, warnings=(differs,), quality=0.5))], 1)
    (best,) = translation_of(joined).hypotheses
    assert (best.text, best.score, best.quality, best.finish_reason) == ("efg", -3.0, 0.25, "length")
    assert best.warnings == (
        TranslationWarning("span_lost", (0, 1), (0, 3)),
        TranslationWarning("figure_differs", (0, 2), (0, 1)),
    )
    assert (joined.model, joined.revision) == ("x+m", "r")  # type: ignore[union-attr]

    two = outcome("ab", Hypothesis("c", -1.0), Hypothesis("d", -2.0))
    failure = TextFailure("too long")
    assert translation_of(join(two, [failure, outcome("d", Hypothesis("e", 0.0))], 2)).text == "e"
    assert join(two, [failure, failure], 2) is failure

"""Which model translates a call."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from dragoman.model.config import Direction
from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.server.catalogue.served import AllDirections, ServedModel, find_model
from dragoman.server.config import ModelConfig
from dragoman.server.scheduling.worker import Worker
from dragoman.server.watching import BundleState
from dragoman.translation.languages import find_direction
from tests.server.fakes import DE_EN, EN_DE, FakeTranslator

FR_DE = Direction("fr", "de")


@pytest.fixture
def models() -> Iterator[list[ServedModel]]:
    translators = [
        FakeTranslator("small", (EN_DE, DE_EN)),
        FakeTranslator("large", (EN_DE,)),
        FakeTranslator("french", (FR_DE,)),
    ]
    with ExitStack() as stack:
        models = []
        for translator in translators:
            model = ServedModel(ModelConfig(bundle=translator.name), BundleState("", ()), 0.0, "")
            model.worker = stack.enter_context(Worker(translator))
            models.append(model)
        yield models


@pytest.mark.parametrize(
    ("model", "source", "target", "found"),
    [
        ("small", "en", "de", ("small", EN_DE)),
        ("large", None, "de", ("large", EN_DE)),
        (None, "de", "en", ("small", DE_EN)),
        (None, None, "en", ("small", DE_EN)),
        (None, "fr", "de", ("french", FR_DE)),
    ],
)
def test_finds(
    models: list[ServedModel], model: str | None, source: str | None, target: str, found: tuple[str, Direction]
) -> None:
    entry, direction = find_model(models, model, source, target)
    assert (entry.name, direction) == found


def test_an_unknown_model_is_told_what_there_is(models: list[ServedModel]) -> None:
    with pytest.raises(NotFoundError, match=r'^model: there is no "huge"; there is small, large, french$'):
        find_model(models, "huge", "en", "de")


def test_unknown_languages_are_told_what_there_is(models: list[ServedModel]) -> None:
    with pytest.raises(NotFoundError, match=r'from any language to "xx"; there is de→en, en→de, fr→de$'):
        find_model(models, None, None, "xx")
    with pytest.raises(NotFoundError, match="large does not translate"):
        find_model(models, "large", "de", "en")


def test_the_first_of_several_models_for_the_languages_serves(models: list[ServedModel]) -> None:
    assert find_model(models, None, "en", "de")[0].name == "small"
    assert find_model(models[::-1], None, "en", "de")[0].name == "large"


def test_models_for_several_source_languages_must_be_told_apart(models: list[ServedModel]) -> None:
    with pytest.raises(InvalidInputError, match=r"^model: several models fit, name one of them: small, large, french$"):
        find_model(models, None, None, "de")


def test_without_models_nothing_is_found() -> None:
    none: list[ServedModel] = []
    with pytest.raises(NotFoundError, match='no model translates from "en" to "de"'):
        find_model(none, None, "en", "de")


def test_the_directions_of_all_models_are_put_together_once() -> None:
    one, other = FakeTranslator("one", (EN_DE,)), FakeTranslator("other", (DE_EN,))
    both = AllDirections()
    found = both.of([one, other])  # type: ignore[list-item]
    assert found == {EN_DE, DE_EN}
    assert both.of([one, other]) is found  # type: ignore[list-item]
    assert both.of([one]) == {EN_DE}  # type: ignore[list-item]
    assert both.of([]) == frozenset()


def test_a_remembered_direction_is_that_of_its_own_model() -> None:
    info = FakeTranslator().info
    brazilian = replace(info, directions=(Direction("en", "pt-BR"),))
    portuguese = replace(info, directions=(Direction("en", "pt"),))
    for _ in range(2):
        assert find_direction(brazilian, "en-US", "pt-br") == Direction("en", "pt-BR")
        assert find_direction(portuguese, "en-US", "pt-br") == Direction("en", "pt")
        with pytest.raises(NotFoundError):
            find_direction(brazilian, "en", "de")

"""Who translates for a command, and what a job's output depends on."""

from dataclasses import replace

import pytest

from dragoman.model.decoding.search_options import SEARCH_OPTION_NAMES, SearchOptions
from dragoman.model.errors import NotFoundError
from dragoman.translation.batch.source import Task, local_source
from tests.server.fakes import EN_DE, FakeTranslator

TASK = Task(to="de", source_language="en", options=SearchOptions())

OTHERS = SearchOptions(
    beam_size=5,
    n_best=2,
    length_penalty=0.5,
    length_normalization="average",
    coverage_penalty=0.1,
    min_target_length=2,
    max_target_length=9,
    no_repeat_ngram_size=3,
    target_prefix="Das",
    suppressed_pieces=("a", "b"),
    sampling_temperature=0.5,
    sampling_top_k=4,
    sampling_top_p=0.5,
    seed=1,
    max_retries=1,
    fusion_weight=0.5,
)


def test_every_option_of_a_task_is_a_parameter_of_its_job() -> None:
    changed = replace(TASK, options=OTHERS, split_sentences=False, join_lines=False, protect=False, with_alignment=True)
    plain, other = TASK.parameters, changed.parameters
    assert set(plain) == {*SEARCH_OPTION_NAMES, "split_sentences", "join_lines", "protect"}
    assert all(plain[name] != other[name] for name in plain)
    assert replace(TASK, localize_figures=True).parameters == plain | {"localize_figures": True}
    assert all(isinstance(value, str | int | float | bool | None) for value in other.values())


def test_attention_is_computed_where_it_or_the_alignment_is_wanted() -> None:
    assert not replace(TASK, with_pieces=True).search.return_attention
    assert replace(TASK, with_alignment=True).search.return_attention
    assert replace(TASK, with_attention=True).search.return_attention


def test_a_local_translator() -> None:
    translator = FakeTranslator("one", (EN_DE,))
    source = local_source(translator, TASK, {"precision": "int8"})  # type: ignore[arg-type]
    assert [translation.text for translation in source.translate_stream(["a b", "c d"])] == ["b a", "d c"]
    known = {"model": "one", "revision": "0123456789abcdef", "direction": "en→de", "precision": "int8"}
    assert source.find_parameters() == TASK.parameters | known
    with pytest.raises(NotFoundError):
        local_source(translator, replace(TASK, to="xx"), {})  # type: ignore[arg-type]

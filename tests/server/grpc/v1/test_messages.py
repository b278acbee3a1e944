"""Options, translations and what comes with them, to the wire and back."""

from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from dragoman.model.decoding.search_options import SEARCH_OPTION_NAMES, SearchOptions
from dragoman.model.errors import InvalidInputError
from dragoman.server.client.queries import write_options
from dragoman.server.client.results import read_translation
from dragoman.server.contract.answers import write_translation
from dragoman.server.contract.requests import Orders, read_order, read_search_options
from dragoman.server.translating.orders import ScoreOrder, Wanted
from dragoman.translation.results import Hypothesis, Translation
from dragoman.v1 import translation_pb2 as pb

NOTHING = Wanted()
ALL = Wanted(pieces=True, token_log_probs=True, attention=True, alignment=True, sentences=True)

OTHERS = SearchOptions(
    beam_size=7,
    n_best=3,
    length_penalty=0.25,
    length_normalization="average",
    coverage_penalty=0.5,
    min_target_length=2,
    max_target_length=9,
    no_repeat_ngram_size=3,
    target_prefix="Das Häuschen",
    suppressed_pieces=("▁der", "x"),
    sampling_temperature=0.75,
    sampling_top_k=11,
    sampling_top_p=0.5,
    seed=2**40,
    max_retries=0,
    fusion_weight=0.25,
    return_attention=False,
)


def write_search_options(options: SearchOptions | dict[str, Any]) -> pb.SearchOptions:
    given = options if isinstance(options, dict) else asdict(options)
    message = write_options(pb.SearchOptions, {name: given[name] for name in given if name != "return_attention"})
    assert isinstance(message, pb.SearchOptions)
    return message


def test_every_option_differs_from_its_default_here() -> None:
    defaults = asdict(SearchOptions())
    assert [name for name, value in asdict(OTHERS).items() if value == defaults[name]] == ["return_attention"]


def test_options_arrive_as_they_were_sent() -> None:
    assert read_search_options(write_search_options(OTHERS)) == OTHERS
    assert read_search_options(write_search_options(SearchOptions())) == SearchOptions()
    for name in SEARCH_OPTION_NAMES[:-1]:
        if name == "n_best":  # wants as many beams
            continue
        alone: dict[str, Any] = {name: getattr(OTHERS, name)}
        assert read_search_options(write_search_options(alone)) == replace(SearchOptions(), **alone)


def test_what_an_older_client_does_not_send_has_its_default() -> None:
    assert read_search_options(pb.SearchOptions()) == SearchOptions()
    assert read_search_options(pb.SearchOptions(beam_size=2)) == SearchOptions(beam_size=2)


def test_attention_is_computed_where_it_or_the_alignment_is_wanted() -> None:
    for wanted, needed in (("pieces", False), ("token_log_probs", False), ("attention", True), ("alignment", True)):
        assert ScoreOrder("de", wanted=Wanted(**{wanted: True})).search.return_attention is needed


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (pb.SearchOptions(coverage_penalty=11), "coverage_penalty is 11.0, but must lie between 0 and 10"),
        (pb.SearchOptions(min_target_length=0), "min_target_length is 0"),
        (pb.SearchOptions(sampling_temperature=0), "sampling_temperature is 0.0"),
        (pb.SearchOptions(seed=-1), "seed is -1"),
        (pb.SearchOptions(target_prefix="x" * 4097), "target_prefix has 4097 characters, but at most 4096 are allowed"),
        (pb.SearchOptions(suppressed_pieces=["x"] * 1025), "suppressed_pieces has 1025 pieces, but at most 1024"),
        (pb.SearchOptions(suppressed_pieces=["a", ""]), "suppressed_pieces holds an empty piece"),
        (pb.SearchOptions(length_normalization=7), "length_normalization is 7, which has no meaning"),  # type: ignore[arg-type]
    ],
)
def test_wrong_values_are_named(message: pb.SearchOptions, complaint: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        read_search_options(message)
    assert str(caught.value).startswith(f"search_options: {complaint}")


def test_what_the_wire_cannot_carry() -> None:
    for search in ({"length_normalization": "median"}, {"beam_size": 2**40}, {"target_prefix": "\ud800"}):
        with pytest.raises(ValueError, match=r"."):
            write_search_options(search)


def make_translation() -> Translation:
    attention = np.array([[0.5, 0.25, 0.25], [0, 0.75, 0.25]], np.float32)
    best = Hypothesis("Haus", -0.1, ("▁Haus",), (-0.25, -0.5), attention, ((0, 0), (1, 0)))
    best = replace(best, sentences=(((0, 9), (0, 4)),))
    return Translation("big house", (best, Hypothesis("Häuser", -0.75)), ("<2de>", "▁big", "▁house", "</s>"))


def test_a_translation_arrives_with_all_that_is_wanted() -> None:
    translation = make_translation()
    message = pb.Translation.FromString(write_translation(translation, ALL).SerializeToString())
    found = read_translation("big house", message)
    assert found == translation
    assert found.source_pieces == translation.source_pieces
    best, other = found.hypotheses
    assert (best.pieces, best.token_log_probs, best.alignment) == (("▁Haus",), (-0.25, -0.5), ((0, 0), (1, 0)))
    assert (best.sentences, other.sentences) == ((((0, 9), (0, 4)),), ())
    np.testing.assert_array_equal(best.attention, translation.hypotheses[0].attention)
    assert (other.pieces, other.token_log_probs, other.attention, other.alignment) == ((), (), None, ())


def test_what_is_not_wanted_takes_no_room() -> None:
    translation = make_translation()
    (text_and_score, _) = write_translation(translation, NOTHING).hypotheses
    assert {field.name for field, _ in text_and_score.ListFields()} == {"text", "score"}
    assert not write_translation(translation, Wanted(alignment=True)).source_pieces
    for name in ("pieces", "token_log_probs", "attention", "alignment", "sentences"):
        message = write_translation(translation, Wanted(**{name: True})).hypotheses[0]
        assert {field.name for field, _ in message.ListFields()} == {"text", "score", name}


def test_attention_of_nothing_keeps_its_shape() -> None:
    for shape in ((0, 4), (0, 0)):
        hypothesis = Hypothesis("x", 0.0, attention=np.zeros(shape, np.float32))
        message = write_translation(Translation("x", (hypothesis,)), ALL)
        (found,) = read_translation("x", message).hypotheses
        assert found.attention is not None
        assert found.attention.shape == shape


def test_remembered_orders_are_those_of_their_options() -> None:
    orders = Orders()
    for beam_size in (1, 2, 1, 2):
        request = pb.TranslateRequest(
            texts=["a", "b"],
            target_language_code="de",
            search_options=pb.SearchOptions(beam_size=beam_size),
            terms=[pb.Term(source="x", targets=["y"])],
        )
        expected = read_order(request)
        order, texts = orders.read(request)
        assert (order, texts, list(request.texts)) == (expected, ["a", "b"], [])
    with pytest.raises(InvalidInputError, match="search_options: beam_size"):
        orders.read(pb.TranslateRequest(search_options=pb.SearchOptions(beam_size=-1)))

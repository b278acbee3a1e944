"""Terms that must appear in a translation. That the search equals the oracle, mixed with all other options, is tested
beside this."""

import dataclasses

import numpy as np
import pytest

from dragoman.model.decoding.request import Request, TokenHypothesis
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import InvalidInputError
from tests.model.decoding.engines.test_engine import FORBIDDEN, JOINED, VOCAB_SIZE, make_engine
from tests.model.decoding.engines.test_engine_options import SOURCE, decode
from tests.pieces import EOS_ID

TERMS = (((20, 21, 22),), ((27,), (28, 29)))


def occurs(form: tuple[int, ...], hypothesis: TokenHypothesis) -> bool:
    found = hypothesis.token_ids
    return any(found[start : start + len(form)] == form for start in range(len(found)))


def test_a_form_of_every_term_is_in_every_hypothesis() -> None:
    hypotheses = decode(SearchOptions(n_best=4), terms=TERMS)
    assert len(hypotheses) == 4
    for hypothesis in hypotheses:
        assert all(any(occurs(form, hypothesis) for form in forms) for forms in TERMS)


def test_a_term_given_twice_occurs_twice() -> None:
    for hypothesis in decode(SearchOptions(n_best=4), terms=(((20,),), ((20,),))):
        assert hypothesis.token_ids.count(20) >= 2


def test_a_term_in_the_prefix_is_met_there() -> None:
    plain = decode(SearchOptions(), prefix_ids=(20, 21))
    assert decode(SearchOptions(), prefix_ids=(20, 21), terms=(((20, 21),),))[0].token_ids[:2] == (20, 21)
    assert plain[0].token_ids.count(21) >= 1


def test_no_piece_that_continues_a_word_follows_a_term() -> None:
    allowed = np.array([EOS_ID, 26, *JOINED], np.int32)
    for hypothesis in decode(SearchOptions(n_best=4), terms=(((20,),),), allowed_ids=allowed):
        place = hypothesis.token_ids.index(20) + 1
        assert hypothesis.token_ids[place : place + 1] in {(), (20,), (26,)}


def test_terms_may_be_suppressed_repeated_or_missing_from_the_shortlist() -> None:
    options = SearchOptions(no_repeat_ngram_size=1)
    allowed = np.array([EOS_ID, 23, 24], np.int32)
    (best,) = decode(options, terms=(((20, 20),),), suppressed_ids=(20,), allowed_ids=allowed)
    assert occurs((20, 20), best)


def test_what_has_no_room_or_no_probability_is_left_unmet_and_there_is_a_translation_all_the_same() -> None:
    long = tuple(range(6, 16))
    hypotheses = decode(SearchOptions(n_best=4), max_target_length=6, terms=((long,), ((20, 21),)))
    assert all(occurs((20, 21), hypothesis) for hypothesis in hypotheses)
    assert len(decode(SearchOptions(n_best=2), max_target_length=6, terms=(((FORBIDDEN[0],),),))) == 2


def test_a_term_is_met_at_the_last_moment_if_not_before() -> None:
    for length in range(3, 8):
        options = SearchOptions(n_best=1, beam_size=1)
        assert occurs((20, 21, 22), decode(options, max_target_length=length, terms=TERMS[:1])[0])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"terms": ((),)}, "a term needs a form, and a form a piece"),
        ({"terms": (((),),)}, "a term needs a form, and a form a piece"),
        ({"terms": (((VOCAB_SIZE,),),)}, "a term holds the piece 40, which no term can hold"),
        ({"terms": (((6, EOS_ID),),)}, "a term holds the piece 3, which no term can hold"),
        ({"terms": (((6,),),) * 64}, "a sentence has 64 terms; 63 are possible"),
        ({"terms": ((tuple([6] * 5000),),)}, "the forms of a sentence's terms have 5000 pieces; 4096 are possible"),
        (
            {"terms": (((6,),),), "options": SearchOptions(sampling_temperature=1.0)},
            "terms need beam search: they do not go together with sampling_temperature",
        ),
    ],
)
def test_refuses_terms_that_make_no_sense(fields: dict[str, object], message: str) -> None:
    engine = make_engine(1)
    with pytest.raises(InvalidInputError, match=message):
        engine.admit([dataclasses.replace(Request(0, SOURCE, SearchOptions(), 20), **fields)])  # type: ignore[arg-type]
    assert engine.num_active == 0

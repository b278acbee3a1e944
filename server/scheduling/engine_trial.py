"""Whether an engine that has failed is still of use."""

import itertools
from contextlib import suppress

from dragoman.model.decoding.request import Finished
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import NotFoundError
from dragoman.server.scheduling.interfaces import ServedTranslator
from dragoman.translation.prepared_text import PreparedText

_TRIAL_ID = -1
"""Of the trial's request; callers' ids count from 0."""


def still_translates(translator: ServedTranslator) -> bool:
    """Whether its empty engine finishes a request: one that lost its device or its order fails only when it works.
    Raises what the engine raises. On the engine's thread."""
    engine = translator.engine
    trial = _make_trial(translator)
    if trial is None:
        return False
    engine.admit(trial.requests(itertools.count(_TRIAL_ID)))
    events = [*engine.step()]
    while engine.num_active:  # an engine of several threads returns what the first of them has found
        events += engine.step()
    return [type(event) for event in events] == [Finished]


def _make_trial(translator: ServedTranslator) -> PreparedText | None:
    """In the first direction that can be translated: its shortlist may lack some."""
    options = SearchOptions(beam_size=1, max_target_length=1)
    for direction in translator.directions:
        with suppress(NotFoundError):
            return translator.prepare("1", direction, options)
    return None

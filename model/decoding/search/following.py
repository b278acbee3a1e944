"""The progress of a running search: its best hypothesis so far, and how much of that is final."""

from collections.abc import Sequence

import numpy as np

from dragoman.model.decoding.decoder import Ints
from dragoman.model.decoding.request import Partial, Request
from dragoman.model.decoding.search.rules import length_penalty
from dragoman.model.decoding.search.state import Search


def describe_progress(request: Request, search: Search, slot: int) -> Partial:
    """The progress of a slot with a live hypothesis.

    Scores are compared without the coverage penalty, which is unknown before the end.
    """
    options = request.options

    def score(log_prob: float, length: int) -> float:
        return log_prob / length_penalty(length, options.length_penalty, options.length_normalization)

    live, log_probs = search.live_pieces(slot), search.live_log_probs(slot)
    best = int(log_probs.argmax())
    token_ids, best_score = tuple(live[best].tolist()), score(float(log_probs[best]), live.shape[1])
    scored = [(score(ending.log_prob, len(ending.beams)), ending) for ending in search.endings(slot)]
    if scored and not options.coverage_penalty:
        scored = [max(scored, key=lambda found: found[0])]  # no other one can still become the best
    endings = [search.trace(slot, ending).token_ids for _, ending in scored]
    for (ending_score, _), ending_ids in zip(scored, endings, strict=True):
        if ending_score > best_score:
            token_ids, best_score = ending_ids, ending_score
    return Partial(request.id, token_ids, num_common_pieces(live, endings))


def num_common_pieces(live: Ints, others: Sequence[Sequence[int]]) -> int:
    """The length of the longest prefix that all hypotheses share.

    live: [hypotheses, pieces], at least one; others: of any length, without the end of sentence.
    """
    differs = (live != live[0]).any(axis=0)
    length = int(differs.argmax()) if differs.any() else live.shape[1]
    for other in others:
        compared = min(length, len(other))
        same = live[0, :compared] == np.array(other[:compared], np.int32)
        length = compared if same.all() else int(same.argmin())
    return length

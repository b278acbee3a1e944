"""The filter that asks language models."""

import math
from collections.abc import Sequence

from dragoman.model.errors import InvalidInputError
from dragoman.training.cleaning.filters import SIDES, Filter
from dragoman.training.cleaning.pairs import Pair
from dragoman.translation.languages import means_language
from dragoman.translation.scoring.fluency import LanguageScorer


class Unlikely(Filter):
    """Rejects a side that its language's model finds too unlikely: lists of keywords, remains of menus, bad machine
    translation. Perplexity is by word, the end of the side being one, so that short and long sides compare."""

    name = "fluency"

    def __init__(self, models: Sequence[str], languages: Sequence[str], max_perplexity: float) -> None:
        """models: bundles, for one side or both. languages: of source and target.

        Raises InvalidInputError for a model of another language, and what loading a bundle raises.
        """
        self._max_perplexity = max_perplexity
        self._scorers: dict[int, LanguageScorer] = {}
        for model in models:
            scorer = LanguageScorer.load(model)
            sides = [place for place, language in enumerate(languages) if means_language(scorer.language, language)]
            if not sides:
                raise InvalidInputError(f"{scorer.name} is a model of {scorer.language}, which neither side is")
            self._scorers |= dict.fromkeys(sides, scorer)

    @property
    def meaning(self) -> str:
        sides = " or a ".join(SIDES[place] for place in sorted(self._scorers))
        return f"a {sides} of a perplexity above {self._max_perplexity:g} by word"

    def find_faults(self, pairs: Sequence[Pair]) -> list[str | None]:
        faults: list[str | None] = [None] * len(pairs)
        for side, scorer in sorted(self._scorers.items()):
            texts = [(pair.source, pair.target)[side] for pair in pairs]
            for place, (text, score) in enumerate(zip(texts, scorer.score(texts), strict=True)):
                perplexity = math.exp(min(-score.log_prob / (len(text.split()) + 1), 700))
                if faults[place] is None and perplexity > self._max_perplexity:
                    faults[place] = f"{SIDES[side]} has a perplexity of {perplexity:,.0f} by word"
        return faults

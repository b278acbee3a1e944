"""Reranking with a noisy channel (Yee et al. 2019): of a text's hypotheses, the one that a reverse model leads back to
the text and that a language model finds likely."""

from collections.abc import Sequence

from dragoman.model.config import Direction
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import InvalidInputError
from dragoman.training.evaluation.consensus import FoundTranslation
from dragoman.translation.scoring.fluency import LanguageScorer
from dragoman.translation.scoring.scorer import Scorer

_MEAN = SearchOptions(length_penalty=1.0, length_normalization="average")
"""The mean log probability of a piece."""


class NoisyChannel:
    """score + channel_weight · log P(x | y) / |x| + language_model_weight · log P(y) / |y|, where x is a text and y a
    hypothesis with its score. Lengths are in the pieces of the model whose probability it is."""

    def __init__(
        self,
        *,
        channel: tuple[Scorer, Direction] | None = None,
        language_model: LanguageScorer | None = None,
        channel_weight: float = 1.0,
        language_model_weight: float = 1.0,
    ) -> None:
        """channel: a model that translates hypotheses back, and its direction."""
        self._channel = channel
        self._language_model = language_model
        self._channel_weight = channel_weight
        self._language_model_weight = language_model_weight

    def choose(self, found: Sequence[FoundTranslation]) -> str:
        """The best of all hypotheses of a text; the first of equals. found: by each system."""
        best: dict[str, float] = {}
        for translation in found:
            for hypothesis in translation.hypotheses:
                best[hypothesis.text] = max(best.get(hypothesis.text, hypothesis.score), hypothesis.score)
        texts = list(best)
        totals = list(best.values())
        for weight, scores in (
            (self._channel_weight, self._lead_back(texts, found[0].source)),
            (self._language_model_weight, self._find_likely(texts)),
        ):
            totals = [total + weight * score for total, score in zip(totals, scores, strict=True)]
        return texts[max(range(len(texts)), key=totals.__getitem__)]

    def _lead_back(self, texts: Sequence[str], source: str) -> list[float]:
        """log P(x | y) / |x| of each hypothesis; 0 for all if one cannot be scored, being blank or too long."""
        if self._channel is None:
            return [0.0] * len(texts)
        scorer, direction = self._channel
        outcomes = scorer.stream(((text, source) for text in texts), direction, _MEAN)
        scores = [0.0 if isinstance(one, InvalidInputError) else one.score for one in outcomes]
        return scores if all(scores) else [0.0] * len(texts)

    def _find_likely(self, texts: Sequence[str]) -> list[float]:
        if self._language_model is None:
            return [0.0] * len(texts)
        return [score.per_piece for score in self._language_model.score(texts)]

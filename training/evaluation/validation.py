"""BLEU and loss on the dev sets during training; BLEU is measured as the model will be served."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean

from dragoman.model.bundle import BundleConfig
from dragoman.model.codec import Codec, joined_ids
from dragoman.model.decoding.engines.making import default_threads, make_engine
from dragoman.model.decoding.loading import default_slots, make_decoder
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import InvalidInputError
from dragoman.model.known_words import NO_KNOWN_WORDS, KnownWords
from dragoman.model.network.network import Network
from dragoman.model.network.storage import pack_weights
from dragoman.model.weights import parse_weights
from dragoman.training.config import ValidationConfig
from dragoman.training.corpus.pairs import ParallelText
from dragoman.training.evaluation.dev_loss import DevLoss
from dragoman.training.evaluation.metrics import bleu_score
from dragoman.training.evaluation.ranking import BLEU, DECISIVE, LOSS, TOO_MUCH
from dragoman.translation.translator import Translator

COST_BEYOND = 10.0
"""Of a BLEU point that a dev set loses beyond its limit: more than other sets may gain by it."""


class Validator:
    """Scores a network on the first sentences of each dev set, in every direction."""

    def __init__(
        self,
        options: ValidationConfig,
        info: BundleConfig,
        vocabulary: Codec,
        dev: Sequence[ParallelText],
        *,
        weights: Mapping[str, float] | None = None,
        low_precision: bool = False,
        known_words: KnownWords = NO_KNOWN_WORDS,
    ) -> None:
        """dev: sentences that the model cannot take, being blank or too long, are left out of the score. weights: of
        the dev sets by name; None if all weigh the same. low_precision: of the loss, see `DevLoss`.
        known_words: of the bundle.

        Raises InvalidInputError if no sentence of a text is left.
        """
        self.tokenize = options.tokenize
        self.precision = options.precision
        self.search = SearchOptions(beam_size=options.beam_size, length_penalty=options.length_penalty)
        self.info = info
        self.vocabulary = vocabulary
        self.known_words = known_words
        self.weights = dict.fromkeys((text.set_name for text in dev), 1.0) if weights is None else weights
        limit = info.architecture.source_limit
        self.dev = [
            ParallelText(
                text.direction,
                *first_usable(text, vocabulary, max_source_length=limit, max_sentences=options.max_sentences),
                text.set_name,
            )
            for text in dev
        ]
        self.hypotheses: dict[str, list[str]] = {}
        """The last call's translations of the dev sentences, by the texts' labels."""
        for text in self.dev:
            if not text.source:
                key = ".".join(filter(None, ("data.dev", text.set_name)))
                raise InvalidInputError(
                    f"{key} has no sentence for {text.direction}: all are blank or have more than {limit - 2} pieces"
                )
        self.dev_loss = DevLoss(self.dev, vocabulary, info.architecture, low_precision=low_precision)

    def __call__(self, network: Network) -> dict[str, float]:
        """The values of a validation by name: BLEU (cased) of each text and, under DECISIVE, their weighted mean; and
        the loss of each text, in nats per target piece.

        BLEU is that of the network's bundle, decoded as it will be served: with the weights rounded as stored, the same
        kernels and the same precision. network: in evaluation mode.

        Raises InvalidInputError for weights that are NaN or infinite, and for a precision that the device lacks.
        """
        self.hypotheses = self._translate(network)
        bleu = {
            text.label: bleu_score(self.hypotheses[text.label], text.target, tokenize=self.tokenize)
            for text in self.dev
        }
        return {
            **{f"{BLEU}{label}": score for label, score in bleu.items()},
            DECISIVE: weighted_mean(((text.set_name, bleu[text.label]) for text in self.dev), self.weights),
            **{f"{LOSS}{label}": loss for label, loss in self.dev_loss(network).items()},
        }

    def _translate(self, network: Network) -> dict[str, list[str]]:
        content = pack_weights(network, self.info.storage)
        device = str(next(network.parameters()).device)
        num_threads = default_threads()
        max_slots = default_slots(device, num_threads)
        decoder = make_decoder(
            lambda: parse_weights(content, self.info, Path("the network under validation")),
            self.info,
            precision=self.precision,
            device=device,
            forbidden_ids=self.vocabulary.forbidden_ids(),
            max_slots=max_slots,
        )
        engine = make_engine(
            decoder, num_threads=num_threads, max_slots=max_slots, joined_ids=joined_ids(self.vocabulary.target)
        )
        translator = Translator(self.info, self.vocabulary, engine, known_words=self.known_words)
        try:
            return {
                text.label: [
                    translation.text for translation in translator.stream(text.source, text.direction, self.search)
                ]
                for text in self.dev
            }
        finally:
            translator.close()


def weighted_mean(scores: Iterable[tuple[str, float]], weights: Mapping[str, float]) -> float:
    """The weighted mean of the sets' scores, of which each is the mean of its texts'.

    scores: of the texts, each with the name of its set. weights: of the sets by name; at least one is above 0.
    """
    by_set: dict[str, list[float]] = {}
    for name, score in scores:
        by_set.setdefault(name, []).append(score)
    total = sum(weights[name] for name in by_set)
    return sum(weights[name] * fmean(own) for name, own in by_set.items()) / total


def with_limits(
    values: Mapping[str, float], first: Mapping[str, float], limits: Mapping[str, float]
) -> dict[str, float]:
    """The values of a validation, where the one that decides is lowered for each set that lost more than it may, and
    `TOO_MUCH` says by how many points.

    first: the values at the beginning. limits: the BLEU points that sets may lose, by name.
    """
    if DECISIVE not in values:
        return dict(values)
    lost: dict[str, list[float]] = {}
    for name, score in values.items():
        if name.startswith(BLEU) and name in first:
            lost.setdefault(name.removeprefix(BLEU).rpartition(" ")[0], []).append(first[name] - score)
    beyond = sum(max(0.0, fmean(lost[name]) - limit) for name, limit in limits.items() if name in lost)
    return {**values, DECISIVE: values[DECISIVE] - COST_BEYOND * beyond, **({TOO_MUCH: beyond} if beyond else {})}


def first_usable(
    text: ParallelText, vocabulary: Codec, *, max_source_length: int, max_sentences: int
) -> tuple[list[str], list[str]]:
    """The dev sentences for validation, and their references: the first ones that fit the model."""
    max_pieces = max_source_length - vocabulary.frame(text.direction).num_source
    sources: list[str] = []
    targets: list[str] = []
    for source, target in zip(text.source, text.target, strict=True):
        if len(sources) == max_sentences:
            break
        if 0 < len(vocabulary.source.encode(source)) <= max_pieces and target.strip():
            sources.append(source)
            targets.append(target)
    return sources, targets

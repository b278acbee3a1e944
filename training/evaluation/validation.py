"""BLEU on the dev set during training, measured as the model will be served."""

from collections.abc import Sequence
from pathlib import Path

from dragoman.model.bundle import BundleConfig
from dragoman.model.codec import Codec
from dragoman.model.decoding.engines.engine import Engine
from dragoman.model.decoding.loading import make_decoder
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import InvalidInputError
from dragoman.model.network.storage import pack_weights
from dragoman.model.network.transformer import Transformer
from dragoman.model.weights import parse_weights
from dragoman.training.config import ValidationConfig
from dragoman.training.corpus.pairs import ParallelText
from dragoman.training.evaluation.metrics import bleu_score
from dragoman.translation.translator import Translator


class Validator:
    """Scores a network on the first sentences of the dev set, in every direction."""

    def __init__(
        self, options: ValidationConfig, info: BundleConfig, vocabulary: Codec, dev: Sequence[ParallelText]
    ) -> None:
        """dev: sentences that the model cannot take, being blank or too long, are left out of the score.

        Raises InvalidInputError if that leaves none of a direction.
        """
        self.tokenize = options.tokenize
        self.precision = options.precision
        self.search = SearchOptions(beam_size=options.beam_size, length_penalty=options.length_penalty)
        self.info = info
        self.vocabulary = vocabulary
        limit = info.architecture.max_source_length
        self.dev = [
            ParallelText(
                text.direction,
                *first_usable(text, vocabulary, max_source_length=limit, max_sentences=options.max_sentences),
            )
            for text in dev
        ]
        self.hypotheses: dict[str, list[str]] = {}
        """The last call's translations of the dev sentences, by direction."""
        for text in self.dev:
            if not text.source:
                raise InvalidInputError(
                    f"data.dev has no sentence for {text.direction}: all are blank or have more than {limit - 2} pieces"
                )

    def __call__(self, network: Transformer) -> dict[str, float]:
        """BLEU (cased) by direction of the network's bundle, decoded as it will be served: with the weights rounded as
        stored, the same kernels and the same precision.

        Raises InvalidInputError for weights that are NaN or infinite, and for a precision that the device lacks.
        """
        content = pack_weights(network, self.info.storage)
        decoder = make_decoder(
            lambda: parse_weights(content, self.info, Path("the network under validation")),
            self.info,
            precision=self.precision,
            device=str(next(network.parameters()).device),
            forbidden_ids=self.vocabulary.forbidden_ids(),
        )
        translator = Translator(self.info, self.vocabulary, Engine(decoder))
        self.hypotheses = {
            str(text.direction): [
                translation.text for translation in translator.stream(text.source, text.direction, self.search)
            ]
            for text in self.dev
        }
        return {
            direction: bleu_score(hypotheses, text.target, tokenize=self.tokenize)
            for (direction, hypotheses), text in zip(self.hypotheses.items(), self.dev, strict=True)
        }


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

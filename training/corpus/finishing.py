"""From the pieces of pairs to what the network learns: changed as configured, segmented anew, with the pieces of their
direction."""

from collections.abc import Mapping
from itertools import count
from random import Random

from dragoman.model.codec import Codec, Side
from dragoman.model.config import Direction
from dragoman.model.errors import InvalidInputError
from dragoman.training.corpus.augmentation import Augmenter
from dragoman.training.corpus.pairs import EncodedSide
from dragoman.training.corpus.segmentation_sampling import SegmentationSampler
from dragoman.training.text_config import (
    TERM_MARKS,
    AugmentationConfig,
    DataConfig,
    SubwordRegularizationConfig,
    stand_in,
)


class Finisher:
    """Gives pairs of pieces their last form; what is drawn depends on the pairs and a generator alone."""

    def __init__(
        self,
        vocabulary: Codec,
        data: DataConfig,
        regularization: SubwordRegularizationConfig,
        augmentation: AugmentationConfig | None = None,
        lexicons: Mapping[Direction, Mapping[str, str]] | None = None,
    ) -> None:
        """lexicons: of each direction, for `augmentation.terms`.

        Raises InvalidInputError if a vocabulary cannot sample segmentations or lacks the pieces that the augmentation
        needs.
        """
        self.directions = data.parsed_directions
        self._vocabulary = vocabulary
        self._shape = vocabulary.shape
        self._max_length = data.max_length
        self._source_sampler = _make_sampler(vocabulary.source, regularization.source_alpha)
        self._target_sampler = _make_sampler(vocabulary.target, regularization.target_alpha)
        self._augmenters = _make_augmenters(vocabulary, augmentation, data, lexicons or {})

    def finish(
        self, direction: Direction, source: EncodedSide, target: EncodedSide, random: Random
    ) -> tuple[EncodedSide, EncodedSide]:
        """source, target: usable pairs without their frame. Sources get the language tag and the end of sentence,
        targets the end of sentence."""
        if augmenter := self._augmenters.get(direction):
            source, target = self._augment(augmenter, source, target, random)
        if self._source_sampler is not None:
            source = self._source_sampler.sample(source, random, max_length=self._max_length)
        if self._target_sampler is not None:
            target = self._target_sampler.sample(target, random, max_length=self._max_length)
        frame = self._vocabulary.frame(direction)
        return source.framed(frame.before, frame.after), target.framed(frame.target, [self._shape.eos_id])

    def _augment(
        self, augmenter: Augmenter, source: EncodedSide, target: EncodedSide, random: Random
    ) -> tuple[EncodedSide, EncodedSide]:
        """The pairs as text, changed and encoded again. A pair stays if it would be blank or too long, or if it has a
        character that the vocabulary does not know."""
        models, sides = (self._vocabulary.source, self._vocabulary.target), (source.sequences(), target.sequences())
        texts = [model.decode_all(side) for model, side in zip(models, sides, strict=True)]
        pairs = list(zip(*texts, strict=True))
        changed = augmenter.augment(pairs, random)
        places = [
            place
            for place, (old, new) in enumerate(zip(pairs, changed, strict=True))
            if old != new and not any(self._shape.unk_id in side[place] for side in sides)
        ]
        encoded = [model.encode_all([changed[place][n] for place in places]) for n, model in enumerate(models)]
        for place, *new in zip(places, *encoded, strict=True):
            if all(0 < len(pieces) <= self._max_length for pieces in new):
                for side, pieces in zip(sides, new, strict=True):
                    side[place] = pieces
        return EncodedSide.pack(sides[0]), EncodedSide.pack(sides[1])


def _make_augmenters(
    vocabulary: Codec,
    config: AugmentationConfig | None,
    data: DataConfig,
    lexicons: Mapping[Direction, Mapping[str, str]],
) -> dict[Direction, Augmenter]:
    if config is None or not config.is_on:
        return {}
    models = (vocabulary.source, vocabulary.target)
    number = next(n for n in count() if any(model.piece_id(stand_in(n + 1)) is None for model in models))
    if config.stand_ins and not number:
        raise InvalidInputError("augmentation.stand_ins: the vocabulary has no stand-ins: say vocabulary.stand_ins")
    if config.terms and any(vocabulary.source.piece_id(mark) is None for mark in TERM_MARKS):
        marks = ", ".join(f'"{mark}"' for mark in TERM_MARKS)
        raise InvalidInputError(
            f"augmentation.terms: the vocabulary lacks the marks: say vocabulary.user_defined = [{marks}]"
        )
    return {
        direction: Augmenter(config, num_stand_ins=number, lexicon=lexicons.get(direction))
        for direction in data.parsed_directions
    }


def _make_sampler(model: Side, alpha: float) -> SegmentationSampler | None:
    return SegmentationSampler(model, alpha) if alpha else None

"""An engine's limits, known without the network: the front checks requests, wherever they are decoded."""

from dataclasses import dataclass

from dragoman.model.bundle import BundleConfig
from dragoman.model.config import VocabularyShape
from dragoman.model.decoding.decoder import Decoder, Ints
from dragoman.model.decoding.request import Request
from dragoman.model.decoding.search.automaton import MAX_TERMS
from dragoman.model.errors import InvalidInputError

MAX_TERM_PIECES = 4096
"""Most pieces of all forms of a sentence's terms."""


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """The limits of one request.

    max_source_length:    most source pieces, language tag and end of sentence included.
    max_target_length:    most target pieces, the end of sentence included.
    vocabulary:           its sizes and special ids.
    max_cached_positions: see `Engine`; None for any number.
    """

    max_source_length: int
    max_target_length: int
    vocabulary: VocabularyShape
    max_cached_positions: int | None = None

    @classmethod
    def of_decoder(cls, decoder: Decoder, max_cached_positions: int | None = None) -> "EngineLimits":
        return cls(decoder.max_source_length, decoder.max_target_length, decoder.vocabulary, max_cached_positions)

    @classmethod
    def of_bundle(cls, info: BundleConfig, max_cached_positions: int | None = None) -> "EngineLimits":
        """The limits of the bundle's decoder."""
        architecture = info.architecture
        return cls(
            architecture.source_limit,
            architecture.max_target_length,
            info.vocabulary,
            max_cached_positions,
        )

    def check(self, request: Request) -> None:
        """Raises InvalidInputError for a request that no engine with these limits can admit."""
        if not 1 <= len(request.source_ids) <= self.max_source_length:
            raise InvalidInputError(
                f"a source of {len(request.source_ids)} pieces; 1 to {self.max_source_length} are possible"
            )
        if not 1 <= request.max_target_length <= self.max_target_length:
            raise InvalidInputError(
                f"max_target_length is {request.max_target_length}; 1 to {self.max_target_length} are possible"
            )
        if request.options.sampling_temperature is None and 2 * request.options.beam_size > self.vocabulary.target_size:
            raise InvalidInputError(f"a vocabulary this small cannot fill a beam of {request.options.beam_size}")
        self._check_pieces(request)
        if self.max_cached_positions is not None and num_cached_positions(request) > self.max_cached_positions:
            raise InvalidInputError(
                f"the request needs {num_cached_positions(request)} cached positions, but the engine has "
                f"{self.max_cached_positions}: ask for fewer beams or a smaller max_target_length"
            )

    def is_forced(self, request: Request) -> bool:
        """Whether the whole translation is given: its prefix ends with the end of sentence."""
        return request.prefix_ids[-1:] == (self.vocabulary.eos_id,)

    def _check_pieces(self, request: Request) -> None:
        """Raises InvalidInputError for target pieces that make no sense."""
        vocab_size = self.vocabulary.target_size
        # At the end of sentence a translation is complete.
        num_forced = len(request.prefix_ids) - self.is_forced(request)
        if num_forced >= request.max_target_length:
            raise InvalidInputError(
                f"target_prefix has {len(request.prefix_ids)} pieces, but max_target_length is "
                f"{request.max_target_length}: it must be greater"
            )
        if self.vocabulary.eos_id in request.prefix_ids[:-1]:
            raise InvalidInputError("target_prefix goes on after the end of sentence")
        for name in ("prefix_ids", "suppressed_ids"):
            for piece in getattr(request, name):
                if not 0 <= piece < vocab_size:
                    raise InvalidInputError(f"{name} holds {piece}, but the vocabulary has {vocab_size} pieces")
        self._check_terms(request)
        if request.allowed_ids is not None and not _is_shortlist(request.allowed_ids, self.vocabulary):
            raise InvalidInputError("allowed_ids must be ascending pieces of the vocabulary with the end of sentence")

    def _check_terms(self, request: Request) -> None:
        """Raises InvalidInputError for terms that make no sense."""
        if not request.terms:
            return
        if request.options.sampling_temperature is not None:
            raise InvalidInputError("terms need beam search: they do not go together with sampling_temperature")
        if len(request.terms) > MAX_TERMS:
            raise InvalidInputError(f"a sentence has {len(request.terms)} terms; {MAX_TERMS} are possible")
        if request.num_term_ids > MAX_TERM_PIECES:
            raise InvalidInputError(
                f"the forms of a sentence's terms have {request.num_term_ids} pieces; {MAX_TERM_PIECES} are possible"
            )
        for forms in request.terms:
            if not forms or not all(forms):
                raise InvalidInputError("a term needs a form, and a form a piece")
            for piece in (piece for form in forms for piece in form):
                if not 0 <= piece < self.vocabulary.target_size or piece == self.vocabulary.eos_id:
                    raise InvalidInputError(f"a term holds the piece {piece}, which no term can hold")


def num_cached_positions(request: Request) -> int:
    """The most positions whose keys and values a request needs: its source's, and those of all its hypotheses."""
    return len(request.source_ids) + request.options.max_hypotheses * request.max_target_length


def _is_shortlist(ids: Ints, vocabulary: VocabularyShape) -> bool:
    end = int(ids.searchsorted(vocabulary.eos_id))
    return (
        end < len(ids)
        and bool(ids[end] == vocabulary.eos_id)
        and bool((ids[1:] > ids[:-1]).all())
        and bool(0 <= ids[0] <= ids[-1] < vocabulary.target_size)
    )

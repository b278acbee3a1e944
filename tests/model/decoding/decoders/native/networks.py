"""Small networks for the kernels' tests, and a slow twin of the engine that feeds a decoder as chance has it."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from dragoman.model.config import ArchitectureConfig, VocabularyShape
from dragoman.model.config_files import validate_tree
from dragoman.model.decoding.decoder import Admission, Decoder, Extensions, Floats, PieceLists, Rows
from dragoman.model.decoding.decoders.native.decoder import NativeDecoder, Precision
from dragoman.model.network.quantization import quantize_network
from dragoman.model.network.transformer import Transformer
from dragoman.model.parameters import describe_parameters
from dragoman.model.weights import StoredTensor
from tests.pieces import BOS_ID, EOS_ID

VOCABULARY = VocabularyShape(source_size=75, target_size=75, joint=True)  # a panel of 64, and 11 of a vector of 16
FORBIDDEN = (0, 1, 2, 4, 70)
MAX_LENGTH = 50
PRECISIONS: tuple[Precision, ...] = ("float32", "int8")

ODD_SIZES: dict[str, object] = {
    "d_model": 24,
    "d_ff": 40,
    "num_heads": 2,
    "d_key": 6,
    "d_value": 10,
    "num_encoder_layers": 2,
    "num_decoder_layers": 2,
    "max_source_length": MAX_LENGTH,
    "max_target_length": MAX_LENGTH,
}


def make_network(*, seed: int = 0, vocabulary: VocabularyShape = VOCABULARY, **changes: object) -> Transformer:
    """Random weights in float32, sharp enough for hypotheses to differ; biases and norms are random too."""
    torch.manual_seed(seed)
    network = Transformer(validate_tree(ArchitectureConfig, ODD_SIZES | changes), vocabulary).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return network


def tensors_of(network: Transformer) -> dict[str, StoredTensor]:
    """The parameters as `model.weights.read_weights` gives them."""
    parameters = dict(network.named_parameters(remove_duplicate=False))
    return {
        parameter.name: StoredTensor(parameters[parameter.name].detach().numpy())
        for parameter in describe_parameters(network.config, network.vocabulary)
    }


def make_decoder(network: Transformer, precision: Precision = "float32", *, max_slots: int = 6) -> NativeDecoder:
    return NativeDecoder(
        network.config,
        network.vocabulary,
        tensors_of(network),
        precision=precision,
        forbidden_ids=FORBIDDEN,
        max_slots=max_slots,
    )


def make_twin(network: Transformer, precision: Precision) -> Transformer:
    """What the decoder's numbers are compared with: the network in float64, or in 8 bits with torch."""
    twin = copy.deepcopy(network)
    return twin.double() if precision == "float32" else quantize_network(twin)


@dataclass(slots=True)
class Sentence:
    """A sentence in a slot, with every hypothesis written out."""

    slot: int
    source_ids: Sequence[int]
    beam_size: int
    allowed_ids: NDArray[np.int32] | None = None
    keep_attention: bool = False
    can_end: bool = True
    num_extensions: int = 6
    hypotheses: list[list[int]] = field(default_factory=lambda: [[BOS_ID]])
    log_probs: list[float] = field(default_factory=lambda: [0.0])

    @property
    def position(self) -> int:
        return len(self.hypotheses[0]) - 1


class Play:
    """Sentences that come, branch and go at random, and the rows that tell a decoder of them."""

    def __init__(self, *, max_slots: int = 6, seed: int = 0) -> None:
        self.sentences: dict[int, Sentence] = {}  # by slot
        self._ancestry = np.zeros((max_slots, 8, MAX_LENGTH), np.uint8)
        self._chance = np.random.default_rng(seed)

    def admit(self, *decoders: Decoder, sentences: Sequence[Sentence]) -> None:
        for decoder in decoders:
            decoder.admit(
                [
                    Admission(one.slot, one.source_ids, one.beam_size, MAX_LENGTH, one.allowed_ids, one.keep_attention)
                    for one in sentences
                ]
            )
        self.sentences |= {sentence.slot: sentence for sentence in sentences}
        for sentence in sentences:
            self._ancestry[sentence.slot] = 255  # a decoder that reads before it is told reads nonsense

    def release(self, *decoders: Decoder, slots: Sequence[int]) -> None:
        for decoder in decoders:
            decoder.release(slots)
        for slot in slots:
            del self.sentences[slot]

    def in_order(self) -> list[Sentence]:
        return [self.sentences[slot] for slot in sorted(self.sentences)]

    def rows(self) -> Rows:
        sentences = self.in_order()
        hypotheses = [hypothesis for sentence in sentences for hypothesis in sentence.hypotheses]
        return Rows(
            slots=np.array([sentence.slot for sentence in sentences], np.int32),
            offsets=np.cumsum([0, *(len(sentence.hypotheses) for sentence in sentences)]).astype(np.int32),
            positions=np.array([sentence.position for sentence in sentences], np.int32),
            token_ids=np.array([hypothesis[-1] for hypothesis in hypotheses], np.int32),
            log_probs=np.array([log_prob for sentence in sentences for log_prob in sentence.log_probs]),
            ancestry=self._ancestry,
            excluded=self._excluded(),
            num_extensions=np.array([sentence.num_extensions for sentence in sentences], np.int32),
        )

    def _excluded(self) -> PieceLists:
        owners = [sentence for sentence in self.in_order() for _ in sentence.hypotheses]
        pairs = [(row, EOS_ID) for row, sentence in enumerate(owners) if not sentence.can_end]
        rows, token_ids = np.array(pairs, np.int32).reshape(-1, 2).T
        return PieceLists.from_pairs(rows, token_ids, len(owners))

    def branch(self) -> None:
        """Every sentence goes on with a random number of hypotheses: random parents, random pieces."""
        for sentence in self.sentences.values():
            self._branch(sentence)

    def _branch(self, sentence: Sentence) -> None:
        position, table = sentence.position, self._ancestry[sentence.slot]
        parents = self._chance.integers(len(sentence.hypotheses), size=self._chance.integers(1, sentence.beam_size + 1))
        pieces = self._chance.integers(5, 70, size=len(parents)).tolist()
        lineages = table[parents, :position].copy()
        table[: len(parents), :position] = lineages
        table[: len(parents), position] = parents
        sentence.hypotheses = [
            [*sentence.hypotheses[parent], piece] for parent, piece in zip(parents.tolist(), pieces, strict=True)
        ]
        sentence.log_probs = self._chance.uniform(-9, 0, size=len(parents)).tolist()


def all_of(rows: Rows) -> NDArray[np.int32]:
    return np.arange(len(rows.slots), dtype=np.int32)


@torch.inference_mode()
def log_probs_of(network: Transformer, sentence: Sentence) -> Floats:
    """[beams, vocabulary] from the whole network, without any memory."""
    source = torch.tensor([list(sentence.source_ids)]).expand(len(sentence.hypotheses), -1)
    mask = torch.ones_like(source, dtype=torch.bool)
    logits = network(source, mask, torch.tensor(sentence.hypotheses))[:, -1]
    if sentence.allowed_ids is not None:
        is_allowed = torch.zeros(logits.shape[1], dtype=torch.bool)
        is_allowed[sentence.allowed_ids.tolist()] = True
        logits = logits.masked_fill(~is_allowed, -torch.inf)
    log_probs: Floats = logits.log_softmax(dim=1).double().numpy()
    log_probs[:, FORBIDDEN] = -np.inf
    return log_probs


def extensions_of(log_probs: Floats, sentence: Sentence) -> list[tuple[float, int, int]]:
    """(log probability, parent, piece) of the extensions that the sentence wants, best first, from the log
    probabilities [beams, vocabulary] of the next piece."""
    found = [
        (-(sentence.log_probs[beam] + log_prob), beam, piece)
        for beam, row in enumerate(log_probs.tolist())
        for piece, log_prob in enumerate(row)
        if log_prob > -np.inf and (piece != EOS_ID or sentence.can_end)
    ]
    return [(-negated, beam, piece) for negated, beam, piece in sorted(found)[: sentence.num_extensions]]


def listed(extensions: Extensions, index: int) -> list[tuple[float, int, int]]:
    """The extensions of one slot as `extensions_of` has them; checks that nothing follows where the list ends."""
    log_probs = extensions.log_probs[index].tolist()
    count = sum(log_prob > -np.inf for log_prob in log_probs)
    assert all(log_prob == -np.inf for log_prob in log_probs[count:])
    parents, pieces = extensions.parents[index].tolist(), extensions.token_ids[index].tolist()
    return list(zip(log_probs, parents, pieces, strict=True))[:count]


def assert_close(found: Floats, due: Floats, precision: Precision) -> None:
    """Rows of log probabilities. In 8 bits nearly all agree as closely as in float32. Only where a number lies between
    two integers to the last bit may it be rounded to either, and then its row is off by as much as 8 bits are."""
    assert_array_equal(np.isneginf(found), np.isneginf(due))
    errors = np.abs(np.where(np.isfinite(due), found, 0) - np.where(np.isfinite(due), due, 0)).max(axis=1)
    bound = 2e-6 * np.abs(due[np.isfinite(due)]).max()
    if precision == "float32":
        assert errors.max() < bound
    else:
        assert np.mean(errors < bound) > 0.75
        assert errors.max() < 0.3

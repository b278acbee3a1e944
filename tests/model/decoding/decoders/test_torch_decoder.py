"""The torch decoder against the network's whole forward pass, in every precision, and its memory."""

import dataclasses
import random
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dragoman.model.decoding.decoder import Admission, PieceLists, Rows
from dragoman.model.decoding.decoders.torch_decoder import TorchDecoder
from dragoman.model.decoding.engines.engine import Engine
from dragoman.model.decoding.request import Request
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.network.network import Network
from dragoman.model.network.quantization import quantize_network
from dragoman.model.network.transformer import Transformer
from tests.model.decoding.engines.engines import finished_by_step
from tests.model.decoding.engines.test_engine import FORBIDDEN, NETWORK, VOCAB_SIZE, tiny_network
from tests.pieces import BOS_ID, EOS_ID

MAX_SLOTS = 4


class Sentences:
    """A decoder beside the sentences and hypotheses that it should remember: lists of pieces by slot."""

    def __init__(self, network: Network, chance: random.Random) -> None:
        self.network, self.chance = network, chance
        self.decoder = TorchDecoder(network, forbidden_ids=FORBIDDEN, max_slots=MAX_SLOTS)
        self.sources: dict[int, list[int]] = {}
        self.allowed: dict[int, list[int] | None] = {}
        self.hypotheses: dict[int, list[list[int]]] = {}
        self.log_probs: dict[int, list[float]] = {}
        self.ancestry = np.full((MAX_SLOTS, 4, 24), 3, np.uint8)  # what nobody wrote must not matter

    def admit(self, slots: Sequence[int]) -> None:
        admissions = []
        for slot in slots:
            source = [self.chance.randint(6, VOCAB_SIZE - 1) for _ in range(self.chance.randint(1, 20))]
            allowed = sorted({EOS_ID, *(self.chance.randint(6, VOCAB_SIZE - 1) for _ in range(9))})
            self.allowed[slot] = allowed if self.chance.random() < 0.3 else None
            array = None if self.allowed[slot] is None else np.array(allowed, np.int32)
            keeps = self.chance.random() < 0.5 and self.network.config.has_attention
            admissions.append(Admission(slot, source, 4, 24, array, keep_attention=keeps))
            self.sources[slot], self.hypotheses[slot], self.log_probs[slot] = source, [[]], [0.0]
        self.decoder.admit(admissions)

    def rows(self) -> Rows:
        slots = sorted(self.sources)
        hypotheses = [hypothesis for slot in slots for hypothesis in self.hypotheses[slot]]
        return Rows(
            slots=np.array(slots, np.int32),
            offsets=np.cumsum([0, *(len(self.hypotheses[slot]) for slot in slots)]).astype(np.int32),
            positions=np.array([len(self.hypotheses[slot][0]) for slot in slots], np.int32),
            token_ids=np.array([(hypothesis or [BOS_ID])[-1] for hypothesis in hypotheses], np.int32),
            log_probs=np.array([log_prob for slot in slots for log_prob in self.log_probs[slot]]),
            ancestry=self.ancestry,
            num_extensions=np.array([self.chance.randint(1, 8) for _ in slots], np.int32),
            excluded=self.some_pieces(len(hypotheses)),
            wanted=self.some_pieces(len(hypotheses)),
        )

    def some_pieces(self, num_rows: int) -> PieceLists:
        """Of some rows some pieces, of others all or none."""
        counts = [self.chance.choice([0, 0, 1, 3, VOCAB_SIZE]) for _ in range(num_rows)]
        pairs = [
            (row, piece) for row, count in enumerate(counts) for piece in self.chance.sample(range(VOCAB_SIZE), count)
        ]
        rows, token_ids = np.array(pairs, np.int32).reshape(-1, 2).T
        return PieceLists.from_pairs(rows, token_ids, num_rows)

    def step(self) -> None:
        """Feeds the rows, checks the answers, and lets the hypotheses branch at random."""
        rows = self.rows()
        self.decoder.advance(rows)
        which = np.array(
            sorted(self.chance.sample(range(len(rows.slots)), self.chance.randint(1, len(rows.slots)))), np.int32
        )
        self.check(rows, which)
        for slot, position in zip(rows.slots.tolist(), rows.positions.tolist(), strict=True):
            parents = [self.chance.randrange(len(self.hypotheses[slot])) for _ in range(self.chance.randint(1, 4))]
            ancestry = self.ancestry[slot].copy()
            for beam, parent in enumerate(parents):
                self.ancestry[slot, beam, :position] = ancestry[parent, :position]
                self.ancestry[slot, beam, position] = parent
            self.hypotheses[slot] = [
                [*self.hypotheses[slot][parent], self.chance.randint(6, VOCAB_SIZE - 1)] for parent in parents
            ]
            self.log_probs[slot] = [-self.chance.random() for _ in parents]

    def due(self, slot: int, beam: int) -> list[float]:
        source = torch.tensor([self.sources[slot]])
        target = torch.tensor([[BOS_ID, *self.hypotheses[slot][beam]]])
        with torch.inference_mode():
            logits: Tensor = self.network(source, torch.ones_like(source, dtype=torch.bool), target)[0, -1]
        logits = logits.clone()  # no longer a tensor of inference
        allowed = self.allowed[slot]
        if allowed is not None:
            logits[[piece for piece in range(VOCAB_SIZE) if piece not in allowed]] = -torch.inf
        log_probs = logits.log_softmax(dim=0)
        log_probs[list(FORBIDDEN)] = -torch.inf
        return log_probs.tolist()

    def check(self, rows: Rows, which: np.ndarray) -> None:
        assert rows.wanted is not None
        found = self.decoder.log_probs(rows, which)
        extensions = self.decoder.extend(rows, which)
        assert extensions.log_probs.shape[1] == rows.num_extensions[which].max()
        row = 0
        for index, place in enumerate(which.tolist()):
            slot = int(rows.slots[place])
            every = []
            for beam in range(len(self.hypotheses[slot])):
                due = self.due(slot, beam)
                assert found[row].tolist() == pytest.approx(due)
                row += 1
                wanted, total = pieces_of(rows.wanted, rows.offsets[place] + beam), self.log_probs[slot][beam]
                values = extensions.wanted[slice(*rows.wanted.offsets[rows.offsets[place] + beam :][:2].tolist())]
                assert values.tolist() == pytest.approx([total + due[piece] for piece in wanted])
                end = due[EOS_ID]
                for piece in pieces_of(rows.excluded, rows.offsets[place] + beam):
                    due[piece] = -float("inf")
                if max(due) == -float("inf"):  # what is stuck may end
                    due[EOS_ID] = end
                every += [(self.log_probs[slot][beam] + value, beam, piece) for piece, value in enumerate(due)]
            best = sorted(every, key=lambda extension: -extension[0])[: int(rows.num_extensions[place])]
            best = [extension for extension in best if extension[0] > -float("inf")]
            count = len(best)
            assert extensions.log_probs[index, :count].tolist() == pytest.approx([total for total, _, _ in best])
            assert (extensions.log_probs[index, count:] == -np.inf).all()
            assert extensions.parents[index, :count].tolist() == [beam for _, beam, _ in best]
            assert extensions.token_ids[index, :count].tolist() == [piece for _, _, piece in best]


def pieces_of(lists: PieceLists | None, row: int) -> list[int]:
    assert lists is not None
    found: list[int] = lists.token_ids[lists.offsets[row] : lists.offsets[row + 1]].tolist()
    return found


@given(seed=st.integers(0, 2**32), actions=st.lists(st.sampled_from(["admit", "step", "step", "release"]), max_size=20))
@settings(deadline=None, max_examples=15)
def test_remembers_every_hypothesis_while_sentences_come_and_go(seed: int, actions: list[str]) -> None:
    chance = random.Random(seed)
    sentences = Sentences(NETWORK, chance)
    for action in actions:
        free = [slot for slot in range(MAX_SLOTS) if slot not in sentences.sources]
        if action == "admit" and free:
            sentences.admit(chance.sample(free, chance.randint(1, len(free))))
        elif action == "step" and sentences.sources:
            sentences.step()
        elif action == "release" and sentences.sources:
            slots = chance.sample(sorted(sentences.sources), chance.randint(1, len(sentences.sources)))
            sentences.decoder.release(slots)
            for slot in slots:
                del sentences.sources[slot]
    sentences.decoder.release(list(sentences.sources))
    assert sentences.decoder.num_cached_positions == 0


def decode(network: Transformer, num_sentences: int = 6) -> list[tuple[tuple[int, ...], float]]:
    engine = Engine(TorchDecoder(network, forbidden_ids=FORBIDDEN, max_slots=4))
    waiting = [Request(i, tuple(range(6, 10 + 2 * i)), SearchOptions(beam_size=3), 15) for i in range(num_sentences)]
    found: dict[int, tuple[tuple[int, ...], float]] = {}
    while waiting or engine.num_active:
        engine.admit([waiting.pop() for _ in range(min(engine.free_slots, len(waiting)))])
        for finished in finished_by_step(engine):
            best = finished.hypotheses[0]
            found[finished.id] = (best.token_ids, best.score)
    return [found[i] for i in range(num_sentences)]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.bfloat16, 0.3), (torch.float16, 0.03)])
def test_every_float_type_scores_alike(dtype: torch.dtype, tolerance: float) -> None:
    due = [score for _, score in decode(NETWORK)]
    found = [score for _, score in decode(tiny_network().to(dtype))]
    assert found == pytest.approx(due, abs=tolerance)


def test_a_network_of_integers_decodes_in_float32() -> None:
    network = quantize_network(tiny_network(d_key=8, d_value=8).float())
    due = [score for _, score in decode(tiny_network(d_key=8, d_value=8))]
    assert [score for _, score in decode(network)] == pytest.approx(due, abs=0.5)


def test_equal_pieces_come_in_order_even_where_they_do_not_all_fit() -> None:
    """With an output projection of zeros all pieces are equally likely."""
    network = tiny_network(tied_embeddings="none")
    with torch.no_grad():
        network.output_projection.weight.zero_()
    decoder = TorchDecoder(network, forbidden_ids=FORBIDDEN, max_slots=1)
    decoder.admit([Admission(0, [6, 7], 4, 24)])
    sentences = Sentences(network, random.Random(0))
    sentences.sources[0], sentences.hypotheses[0], sentences.log_probs[0] = [6, 7], [[]], [0.0]
    for can_end, due in [(False, [6, 7, 8, 9]), (True, [EOS_ID, 6, 7, 8])]:
        excluded = np.array([] if can_end else [EOS_ID], np.int32)
        lists = PieceLists(np.array([0, len(excluded)], np.int32), excluded)
        rows = dataclasses.replace(sentences.rows(), num_extensions=np.array([4], np.int32), excluded=lists)
        decoder.advance(rows)
        assert decoder.extend(rows, np.array([0], np.int32)).token_ids.tolist() == [due]


class Failure(Exception):
    pass


def test_a_step_that_fails_can_be_taken_again(monkeypatch: pytest.MonkeyPatch) -> None:
    network = tiny_network()
    engine = Engine(TorchDecoder(network, forbidden_ids=FORBIDDEN, max_slots=2))
    engine.admit([Request(0, (6, 7, 8), SearchOptions(return_attention=True), 12)])
    engine.step()

    def fail(*_: object) -> None:
        raise Failure

    with monkeypatch.context() as patch:
        patch.setattr(network.decoder_layers[-1], "step", fail)
        for _ in range(2):
            with pytest.raises(Failure):
                engine.step()
    while engine.num_active:
        finished = finished_by_step(engine)
    due = Engine(TorchDecoder(network, forbidden_ids=FORBIDDEN, max_slots=2))
    due.admit([Request(0, (6, 7, 8), SearchOptions(return_attention=True), 12)])
    while due.num_active:
        expected = finished_by_step(due)
    assert finished == expected
    assert np.array_equal(finished[0].hypotheses[0].attention, expected[0].hypotheses[0].attention)  # type: ignore[arg-type]
    assert isinstance(engine.decoder, TorchDecoder)
    assert engine.decoder.num_cached_positions == 0


def test_an_admission_that_fails_takes_nothing() -> None:
    network = tiny_network()
    decoder = TorchDecoder(network, max_slots=2)

    def fail(*_: object) -> None:
        raise Failure

    hook = network.encoder_norm.register_forward_pre_hook(fail)
    with pytest.raises(Failure):
        decoder.admit([Admission(0, [6, 7], 4, 24)])
    hook.remove()
    assert decoder.num_cached_positions == 0
    decoder.admit([Admission(0, [6, 7], 4, 24)])
    assert decoder.num_cached_positions == 2

"""The slot cache against rows kept as plain lists, while sentences come, go, change beams and places."""

import random

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.config import ArchitectureConfig
from model.decoding.cache import GROWTH, SlotCache

NUM_LAYERS, NUM_HEADS, D_KEY, D_VALUE, MAX_SLOTS = 2, 2, 3, 1, 4
CONFIG = ArchitectureConfig(
    d_model=4,
    num_heads=NUM_HEADS,
    d_key=D_KEY,
    d_value=D_VALUE,
    num_encoder_layers=1,
    num_decoder_layers=NUM_LAYERS,
)


class Sentence:
    """What the cache should hold of one: the source's keys and values, and of each beam those of every step."""

    def __init__(self, length: int) -> None:
        self.source = [
            (torch.randn(NUM_HEADS, length, D_KEY), torch.randn(NUM_HEADS, length, D_VALUE)) for _ in range(NUM_LAYERS)
        ]
        self.length = length
        self.beams: list[list[list[tuple[Tensor, Tensor]]]] = []  # beam, step, layer


class Model:
    """A cache beside the sentences that it should hold."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.cache = SlotCache(CONFIG, MAX_SLOTS, like=torch.zeros(()))
        self.sentences: list[Sentence] = []

    def admit(self, lengths: list[int]) -> None:
        new = [Sentence(length) for length in lengths]
        longest = max(lengths)
        mask = torch.arange(longest) < torch.tensor(lengths).unsqueeze(1)
        projections = []
        for layer in range(NUM_LAYERS):
            keys, values = (
                torch.randn(len(new), NUM_HEADS, longest, D_KEY),
                torch.randn(len(new), NUM_HEADS, longest, 1),
            )
            for row, sentence in enumerate(new):
                keys[row, :, : sentence.length], values[row, :, : sentence.length] = sentence.source[layer]
            projections.append((keys, values))
        self.cache.admit(projections, mask)
        for sentence in new:
            sentence.beams = [[] for _ in range(self.cache.width)]
        self.sentences += new

    def step(self) -> None:
        num_rows = len(self.sentences) * self.cache.width
        rows = [beam for sentence in self.sentences for beam in sentence.beams]
        new = [
            (torch.randn(num_rows, NUM_HEADS, 1, D_KEY), torch.randn(num_rows, NUM_HEADS, 1, D_VALUE))
            for _ in range(NUM_LAYERS)
        ]
        for number, row in enumerate(rows):
            row.append([(keys[number], values[number]) for keys, values in new])
        self.cache.begin_step()
        for layer, (keys, values) in enumerate(new):
            self.check_target(rows, layer, *self.cache.append(layer, keys, values))
            self.check_source(layer, *self.cache.source(layer))
        parents = [[self.chance.randrange(self.cache.width) for _ in range(self.cache.width)] for _ in self.sentences]
        self.cache.end_step(torch.tensor(parents))
        for sentence, beams in zip(self.sentences, parents, strict=True):
            sentence.beams = [list(sentence.beams[parent]) for parent in beams]

    def check_target(
        self, rows: list[list[list[tuple[Tensor, Tensor]]]], layer: int, keys: Tensor, values: Tensor, mask: Tensor
    ) -> None:
        assert mask.shape == (len(rows), 1, 1, keys.shape[2])
        for number, row in enumerate(rows):
            assert mask[number].flatten().tolist() == [place < len(row) for place in range(keys.shape[2])]
            assert torch.equal(keys[number, :, : len(row)], torch.cat([step[layer][0] for step in row], dim=1))
            assert torch.equal(values[number, :, : len(row)], torch.cat([step[layer][1] for step in row], dim=1))

    def check_source(self, layer: int, keys: Tensor, values: Tensor, mask: Tensor) -> None:
        assert len(keys) == len(values) == len(mask) == len(self.sentences)
        for slot, sentence in enumerate(self.sentences):
            assert mask[slot].sum() == sentence.length
            assert mask[slot, 0, 0, : sentence.length].all()
            assert torch.equal(keys[slot, :, : sentence.length], sentence.source[layer][0])
            assert torch.equal(values[slot, :, : sentence.length], sentence.source[layer][1])

    def keep(self, slots: list[int]) -> None:
        self.cache.keep(torch.tensor(slots, dtype=torch.int64))
        self.sentences = [self.sentences[slot] for slot in slots]

    def resize(self, width: int) -> None:
        self.cache.resize(width)
        for sentence in self.sentences:
            num_steps = len(sentence.beams[0])
            empty = [(torch.zeros(NUM_HEADS, 1, D_KEY), torch.zeros(NUM_HEADS, 1, D_VALUE))] * NUM_LAYERS
            new_beams = [[empty] * num_steps for _ in range(width)]
            sentence.beams = (sentence.beams + new_beams)[:width]


@given(seed=st.integers(0, 2**32), actions=st.lists(st.sampled_from(["admit", "step", "keep", "resize"]), max_size=25))
@settings(deadline=None, max_examples=40)
def test_holds_what_it_was_given(seed: int, actions: list[str]) -> None:
    chance = random.Random(seed)
    torch.manual_seed(seed)
    model = Model(chance)
    for action in actions:
        num_free = MAX_SLOTS - len(model.sentences)
        if action == "admit" and num_free:
            model.admit([chance.choice([1, 3, GROWTH, GROWTH + 1]) for _ in range(chance.randint(1, num_free))])
        elif action == "step" and model.sentences:
            model.step()
        elif action == "keep":
            model.keep(chance.sample(range(len(model.sentences)), chance.randint(0, len(model.sentences))))
        elif action == "resize":
            model.resize(chance.randint(1, 4))
        assert model.cache.num_slots == len(model.sentences)


def test_grows_beyond_its_first_allotment() -> None:
    torch.manual_seed(0)
    model = Model(random.Random(0))
    model.resize(2)
    model.admit([2])
    for _ in range(GROWTH + 2):
        model.step()
    model.admit([GROWTH + 5])
    model.step()

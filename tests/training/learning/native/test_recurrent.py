"""The C++ way over all positions of recurrent networks against its twin in torch: outputs, gradients, dropout."""

import gc
import itertools
from collections.abc import Iterator
from ctypes import byref
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dragoman.model.config import RecurrentConfig, VocabularyShape
from dragoman.model.config_files import validate_tree
from dragoman.model.network.operations import Dropout
from dragoman.model.network.recurrent import RecurrentNetwork, Unrolling
from dragoman.training.learning.native.library import Source, load_library
from dragoman.training.learning.native.operations import check_memory, draw_seed
from dragoman.training.learning.native.recurrent import NativeUnrolling, fastest_unrolling
from dragoman.training.learning.native.steps import Look, Unit

CPU, LOW = torch.device("cpu"), torch.bfloat16
VOCABULARY = VocabularyShape(source_size=50, target_size=50, joint=True)
KINDS = list(itertools.product(["lstm", "gru"], ["none", "additive", "multiplicative"]))
LENGTHS, NUM_TARGETS = (9, 4, 1, 7), 6

pytestmark = pytest.mark.skipif(load_library() is None, reason="there is no C++ compiler")


@pytest.fixture
def native() -> NativeUnrolling:
    return NativeUnrolling(load_library())


def make_network(
    cell: str, attention: str, *, width: int = 96, layers: int = 1, dropout: float = 0
) -> RecurrentNetwork:
    torch.manual_seed(1)
    keys = {"kind": "recurrent", "cell": cell, "attention": attention, "d_model": width, "dropout": dropout}
    keys |= {"num_encoder_layers": layers, "num_decoder_layers": layers}
    network = RecurrentNetwork(validate_tree(RecurrentConfig, keys), VOCABULARY)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def mask() -> Tensor:
    return torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]


def learn(network: RecurrentNetwork, unrolling: Unrolling, *, low: bool = True) -> dict[str, Tensor]:
    """The outputs of a batch with padding, and the gradients of all parameters that have one."""
    network.unroll_by(unrolling)
    network.zero_grad()
    pieces = torch.Generator().manual_seed(2)
    source = torch.randint(4, 50, (len(LENGTHS), max(LENGTHS)), generator=pieces)
    target = torch.randint(4, 50, (len(LENGTHS), NUM_TARGETS), generator=pieces)
    with torch.autocast("cpu", LOW, enabled=low):
        outputs = network.decode(network.encode(source, mask()), mask(), target)
    (outputs.float() * random(*outputs.shape, seed=3)).sum().backward()
    gradients = {name: given.grad.clone() for name, given in network.named_parameters() if given.grad is not None}
    return {"outputs": outputs.detach().float()} | gradients


def errors(found: dict[str, Tensor], exact: dict[str, Tensor]) -> dict[str, float]:
    """Of each tensor, as a share of its norm."""
    assert found.keys() == exact.keys()
    return {name: ((found[name] - due).norm() / due.norm()).item() for name, due in exact.items()}


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize(("cell", "attention"), KINDS)
def test_outputs_and_gradients(cell: str, attention: str, layers: int, native: NativeUnrolling) -> None:
    """No farther from float32 than torch in bfloat16, whose roundings differ."""
    network = make_network(cell, attention, layers=layers)
    exact = learn(network, Unrolling(), low=False)
    plain = errors(learn(network, Unrolling()), exact)
    for name, error in errors(learn(network, native), exact).items():
        assert error < 1.5 * plain[name] + 0.004, name


def test_the_fast_way_is_taken(native: NativeUnrolling, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Tensor:
        raise AssertionError("the slow way")

    monkeypatch.setattr(Unrolling, "read", refuse)
    monkeypatch.setattr(Unrolling, "write", refuse)
    monkeypatch.setattr(Unrolling, "scale", refuse)
    learn(make_network("lstm", "multiplicative"), native)


@pytest.mark.parametrize(("width", "low"), [(24, True), (96, False)])
def test_what_the_library_does_not_take_is_left_to_torch(width: int, low: bool, native: NativeUnrolling) -> None:
    network = make_network("gru", "additive", width=width)
    found, due = learn(network, native, low=low), learn(network, Unrolling(), low=low)
    assert all(torch.equal(found[name], tensor) for name, tensor in due.items())


@pytest.mark.parametrize("low", [True, False])
def test_a_processor_has_the_library_for_low_precision(low: bool) -> None:
    assert isinstance(fastest_unrolling(CPU, low_precision=low), NativeUnrolling) == low


def test_an_accelerator_has_torch() -> None:
    assert type(fastest_unrolling(torch.device("cuda"), low_precision=True)) is Unrolling


@pytest.mark.parametrize("attention", ["none", "additive", "multiplicative"])
def test_padding_changes_nothing(attention: str, native: NativeUnrolling) -> None:
    network = make_network("lstm", attention, layers=2).eval()
    network.unroll_by(native)
    source = torch.randint(4, 50, (2, 9), generator=torch.Generator().manual_seed(2))
    real = torch.arange(9) < torch.tensor([[9], [4]])
    target = torch.tensor([[2, 7, 8, 9]]).expand(2, 4)
    with torch.no_grad(), torch.autocast("cpu", LOW):
        together = network.decode(network.encode(source, real), real, target)[1:]
        source[1, 4:] = 5
        changed = network.decode(network.encode(source, real), real, target)[1:]
        alone = network.decode(network.encode(source[1:, :4], real[1:, :4]), real[1:, :4], target[1:])
    assert torch.equal(together, changed)
    torch.testing.assert_close(together, alone, rtol=0.02, atol=0.02)


class Masked(nn.Module):
    """Dropout by masks that are known: one for each call in turn."""

    def __init__(self, masks: Iterator[Tensor]) -> None:
        super().__init__()
        self.masks = masks
        self.probability = 0.25

    def forward(self, states: Tensor) -> Tensor:
        return states * next(self.masks)


def write(network: RecurrentNetwork, unrolling: Unrolling) -> dict[str, Tensor]:
    """Outputs and gradients of the decoder alone."""
    network.zero_grad()
    rows, width = len(LENGTHS), network.config.d_model
    given = {"embedded": random(rows, NUM_TARGETS, width, seed=1)}
    for layer, state_width in enumerate(network.memory.state_widths):
        given[f"state {layer}"] = random(rows, state_width, seed=10 + layer)
    if network.config.attention != "none":
        given |= {
            "keys": (0.1 * random(rows, 9, width, seed=5)).to(LOW),
            "values": random(rows, 9, width, seed=6).to(LOW),
        }
    for tensor in given.values():
        tensor.requires_grad_()
    states = [tensor for name, tensor in given.items() if name.startswith("state")]
    memory = [(given["keys"], given["values"])] if "keys" in given else []
    with torch.autocast("cpu", LOW):
        outputs = unrolling.write(network, given["embedded"], states, memory, mask()).float()
    (outputs * random(*outputs.shape, seed=3)).sum().backward()
    named = given | dict(network.decoder_layers.named_parameters())
    gradients = {name: tensor.grad.float() for name, tensor in named.items() if tensor.grad is not None}
    return {"outputs": outputs.detach()} | gradients


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("attention", ["none", "additive", "multiplicative"])
def test_dropout_is_the_same_forwards_and_backwards(attention: str, layers: int, native: NativeUnrolling) -> None:
    """Torch computes with the masks that the library draws from the same seeds."""
    network = make_network("lstm", attention, layers=layers, dropout=0.25).train()
    rows, width = len(LENGTHS), network.config.d_model
    torch.manual_seed(4)
    found = write(network, native)
    torch.manual_seed(4)
    masks = []
    for seed in [draw_seed(0.25) for _ in range(layers)]:
        kept = torch.empty(NUM_TARGETS, rows, width, dtype=LOW)
        ones = torch.ones_like(kept)
        load_library().dragoman_drop(kept.numel(), 0, ones.data_ptr(), 0.25, seed, 0, kept.data_ptr())
        assert (kept != 0).float().mean().item() == pytest.approx(0.75, abs=0.04)
        assert kept.max().item() == pytest.approx(1 / 0.75, rel=0.01)
        masks.append(kept.float().clamp(max=1) / 0.75)
    network.dropout = Masked(masks[layer][place] for place in range(NUM_TARGETS) for layer in range(layers))  # type: ignore[assignment]
    for name, error in errors(found, write(network, Unrolling())).items():
        assert error < 0.03, name


def test_embedded_pieces_are_scaled_and_dropped(native: NativeUnrolling) -> None:
    embedded = random(300, 4, 32, seed=1).requires_grad_()
    torch.manual_seed(1)
    with torch.autocast("cpu", LOW):
        scaled = native.scale(embedded, 3.0, Dropout(0.3).train())
        undropped = native.scale(embedded, 3.0, Dropout(0.3).eval())
    torch.testing.assert_close(undropped, (embedded * 3).to(LOW))

    kept = scaled != 0
    assert kept.float().mean().item() == pytest.approx(0.7, abs=0.01)
    torch.testing.assert_close(scaled, (embedded * kept * 3 / 0.7).to(LOW), rtol=0.01, atol=0)
    weights = random(*scaled.shape, seed=2).to(LOW)
    (of_embedded,) = torch.autograd.grad(scaled, [embedded], weights)
    torch.testing.assert_close(of_embedded, weights.float() * kept * 3 / 0.7)


def test_dropout_depends_on_torch_s_seed(native: NativeUnrolling) -> None:
    network = make_network("gru", "multiplicative", dropout=0.25).train()

    def draw(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return write(network, native)["outputs"]

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))


@pytest.mark.parametrize(
    ("cell", "attention", "num_threads"), [("gru", "none", 2), ("lstm", "additive", 3), ("gru", "multiplicative", 2)]
)
def test_the_number_of_threads_changes_nothing(
    cell: str, attention: str, num_threads: int, native: NativeUnrolling
) -> None:
    network = make_network(cell, attention, dropout=0.2).train()
    before = torch.get_num_threads()
    results = []
    try:
        for number in (1, num_threads):
            torch.set_num_threads(number)
            torch.manual_seed(1)
            results.append(learn(network, native))
    finally:
        torch.set_num_threads(before)
    alone, together = results
    assert all(torch.equal(tensor, together[name]) for name, tensor in alone.items())


def test_a_batch_s_memory_is_free_afterwards(native: NativeUnrolling) -> None:
    """Without a search for cycles."""
    kinds = (Unit, Look)
    gc.collect()
    gc.disable()
    try:
        learn(make_network("lstm", "additive"), native)
        assert not [kept for kept in gc.get_objects() if type(kept) in kinds]
    finally:
        gc.enable()


@pytest.mark.parametrize(("function", "num_arguments"), [("look", 6), ("look_backward", 10)])
def test_too_little_memory_is_an_error(function: str, num_arguments: int) -> None:
    source = Source(num_sentences=1, num_keys=1, width=1 << 50)
    with pytest.raises(MemoryError, match="an operation needs more memory than there is"):
        check_memory(getattr(load_library(), f"dragoman_{function}")(byref(source), *[None] * num_arguments))

"""Recurrent units over all positions of sentences, and back for the gradients, through the C++ library.

The twin of `model.network.recurrent`, in bfloat16 with float32 sums.
"""

from typing import Any

import torch
from torch import Tensor

from dragoman.model.network.operations import Dropout
from dragoman.model.network.recurrent import AdditiveAttention, Cell, LSTMCell, RecurrentNetwork, Unrolling
from dragoman.training.learning.native.library import load_library
from dragoman.training.learning.native.operations import draw_seed, probability_of
from dragoman.training.learning.native.steps import (
    LOW,
    Look,
    Packing,
    Track,
    Unit,
    bias_gradient,
    by_position,
    new_track,
    project,
    weight_gradient,
)


def fastest_unrolling(device: torch.device, *, low_precision: bool) -> Unrolling:
    """The C++ library's, as `fastest_operations` chooses; otherwise torch's."""
    library = load_library() if device.type == "cpu" and low_precision else None
    return Unrolling() if library is None else NativeUnrolling(library)


class NativeUnrolling(Unrolling):
    """Under autocast to bfloat16, of widths that fill whole registers; otherwise torch's."""

    def __init__(self, library: Any) -> None:
        self._library = library
        self._lanes: int = library.dragoman_lanes()

    def scale(self, embedded: Tensor, factor: float, dropout: Dropout) -> Tensor:
        """See `Unrolling`. In bfloat16."""
        if not self._takes(embedded.shape[-1]) or embedded.dtype != torch.float32:
            return super().scale(embedded, factor, dropout)
        scaled: Tensor = _Scale.apply(self._library, embedded, factor, probability_of(dropout))  # type: ignore[no-untyped-call]
        return scaled

    def read(self, cell: Cell, inputs: Tensor, mask: Tensor, *, backwards: bool) -> Tensor:
        """See `Unrolling`. In bfloat16; 0 at padding, which costs nothing."""
        if not self._takes(cell.width):
            return super().read(cell, inputs, mask, backwards=backwards)
        weights = (cell.input.weight, cell.input.bias, cell.state.weight)
        how = (_kind(cell), Packing(mask), backwards)
        found: Tensor = _Read.apply(self._library, *how, inputs, *weights)  # type: ignore[no-untyped-call]
        return found

    def write(
        self,
        network: RecurrentNetwork,
        embedded: Tensor,
        states: list[Tensor],
        memory: list[tuple[Tensor, Tensor]],
        source_mask: Tensor,
    ) -> Tensor:
        """See `Unrolling`. In bfloat16."""
        if not self._takes(network.config.d_model):
            return super().write(network, embedded, states, memory, source_mask)
        given = {"embedded": embedded}
        for layer, (unit, state) in enumerate(zip(network.units, states, strict=False)):
            given |= {f"first.{layer}": state, f"state.{layer}": unit.state.weight}
            given |= {f"input.{layer}": unit.input.weight, f"bias.{layer}": unit.input.bias}
        if network.attention is not None:
            given |= {"keys": memory[0][0], "values": memory[0][1], "fed": network.fed.weight}
            given |= {"readout": network.readout.weight, "readout_bias": network.readout.bias}
        if isinstance(network.attention, AdditiveAttention):
            given |= {"query": network.attention.query.weight, "score": network.attention.score}
        elif network.attention is not None:
            given["output"] = states[-1]
        cells, probability = [_kind(unit) for unit in network.units], probability_of(network.dropout)
        writing = _Writing(self._library, cells, tuple(given), source_mask.sum(dim=1), probability)
        written: Tensor = _Write.apply(writing, *given.values())  # type: ignore[no-untyped-call]
        return written

    def _takes(self, width: int) -> bool:
        is_low = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == LOW
        return is_low and width % self._lanes == 0


def _kind(cell: Cell) -> str:
    return "lstm" if isinstance(cell, LSTMCell) else "gru"


class _Scale(torch.autograd.Function):
    """See `Unrolling.scale`."""

    @staticmethod
    def forward(ctx: Any, library: Any, embedded: Tensor, factor: float, probability: float) -> Tensor:
        embedded = embedded.contiguous()
        scaled = torch.empty_like(embedded, dtype=LOW)
        ctx.library, ctx.factors = library, (factor, probability, draw_seed(probability))
        library.dragoman_scale_and_drop(embedded.numel(), embedded.data_ptr(), *ctx.factors, scaled.data_ptr())
        return scaled

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        gradient = gradients[0].contiguous()
        found = torch.empty_like(gradient, dtype=torch.float32)
        places = (gradient.data_ptr(), *ctx.factors, found.data_ptr())
        ctx.library.dragoman_scale_and_drop_backward(gradient.numel(), *places)
        return None, found, None, None


class _Read(torch.autograd.Function):
    """See `Cell.read`."""

    @staticmethod
    def forward(
        ctx: Any, library: Any, kind: str, packing: Packing, backwards: bool, inputs: Tensor, *weights: Tensor
    ) -> Tensor:
        states, (weight, bias, state_weight) = packing.pack(inputs), (tensor.to(LOW) for tensor in weights)
        projected = project(states, weight, bias)
        unit = Unit(library, kind, projected, state_weight, packing=packing, backwards=backwards)
        ctx.unit, ctx.states, ctx.weight, ctx.packing = unit, states, weight, packing
        places = range(inputs.shape[1])
        ctx.order = places[::-1] if backwards else places
        for place in ctx.order:
            unit.forward(place)
        return packing.unpack(unit.after())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        unit, packing = ctx.unit, ctx.packing
        gradient = Track(packing.pack(gradients[0]), packing.counts)
        unit.begin_backward()
        for place in reversed(ctx.order):
            unit.backward(place, gradient.at[place])
        of_projected = unit.of_projected.whole
        of_weights = (weight_gradient(of_projected, ctx.states), bias_gradient(of_projected))
        of_inputs = packing.unpack(of_projected @ ctx.weight)
        return None, None, None, None, of_inputs, *of_weights, unit.gradient_of_weight()


_NOT_LOW = ("embedded", "first", "score", "output")
"""What `_Writing` takes in another precision or order."""


class _Write(torch.autograd.Function):
    """See `RecurrentNetwork.write`."""

    @staticmethod
    def forward(ctx: Any, writing: "_Writing", *given: Tensor) -> Tensor:
        ctx.writing = writing
        return writing.forward(dict(zip(writing.names, given, strict=True)))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        found = ctx.writing.backward(Track(by_position(gradients[0])))
        return None, *(found.get(name) for name in ctx.writing.names)


class _Writing:
    """A decoder at all positions."""

    def __init__(
        self, library: Any, cells: list[str], names: tuple[str, ...], lengths: Tensor, probability: float
    ) -> None:
        """cells: the kind of each layer; names: of the tensors that `forward` takes; lengths: of the sources, [N];
        probability: of dropout."""
        self._library, self._cells, self.names, self._lengths = library, cells, names, lengths
        self._probability = probability
        self._is_additive, self._is_multiplicative = "score" in names, "output" in names
        self._seeds = [draw_seed(probability) for _ in cells]  # of what each layer gives to the next, or as output

    def forward(self, given: dict[str, Tensor]) -> Tensor:
        """The outputs [N, T, d_model]."""
        low = {name: tensor.to(LOW) for name, tensor in given.items() if name.split(".")[0] not in _NOT_LOW}
        self._low, self._embedded = low, by_position(given["embedded"])
        length, rows, width = self._embedded.shape
        self._length = length
        self._dropped = [new_track(length, rows, width) for _ in self._cells[1:]]
        self._units = list[Unit]()
        for layer, kind in enumerate(self._cells):
            state = low[f"state.{layer}"]
            projected = torch.empty(length, rows, len(state), dtype=LOW)
            if layer == 0:
                projected = project(self._embedded, low["input.0"], low["bias.0"])
            self._units.append(Unit(self._library, kind, projected, state, given[f"first.{layer}"]))
        top = self._units[-1]
        self._outputs = new_track(length + 1, rows, width)  # the last ones before each position, and after the last
        if "fed" in low:
            keys, values = (low[name].contiguous() for name in ("keys", "values"))
            score = given["score"].contiguous() if self._is_additive else None
            self._look = Look(self._library, keys, values, self._lengths, length, score)
            self._read_hidden, self._read_context = (part.contiguous() for part in low["readout"].chunk(2, dim=1))
            self._mixed = new_track(length, rows, width)
        if self._is_additive:
            self._queries = new_track(length, rows, width)
        if self._is_multiplicative:
            self._outputs.of[0].copy_(given["output"])
        for place in range(length):
            if self._is_additive:
                torch.mm(top.hidden.of[place], low["query"].T, out=self._queries.of[place])
                self._look.forward(place, self._queries.at[place])
                self._feed(place, self._look.contexts.of[place])
            elif self._is_multiplicative:
                self._feed(place, self._outputs.of[place])
            self._step(place)
            if self._is_multiplicative:
                self._look.forward(place, top.hidden.at[place + 1])
                self._read_out(top.hidden.of[place + 1], self._look.contexts.of[place], self._mixed.of[place])
                self._drop(-1, place, self._mixed.at[place], self._outputs.at[place + 1])
        if self._is_additive:
            self._read_out(
                *(track.flatten(0, 1) for track in (top.after(), self._look.contexts.whole, self._mixed.whole))
            )
        if not self._is_multiplicative:
            undropped = self._mixed.at if self._is_additive else top.hidden.at[1:]
            for place in range(length):
                self._drop(-1, place, undropped[place], self._outputs.at[place + 1])
        return by_position(self._outputs.whole[1:])

    def _feed(self, place: int, found: Tensor) -> None:
        projected = self._units[0].projected.of[place]
        torch.addmm(projected, found, self._low["fed"].T, out=projected)

    def _step(self, place: int) -> None:
        for layer, unit in enumerate(self._units):
            if layer:
                below = self._units[layer - 1].hidden.at[place + 1]
                self._drop(layer - 1, place, below, self._dropped[layer - 1].at[place])
                weight, bias = (self._low[f"{name}.{layer}"] for name in ("input", "bias"))
                torch.addmm(bias, self._dropped[layer - 1].of[place], weight.T, out=unit.projected.of[place])
            unit.forward(place)

    def _read_out(self, hidden: Tensor, context: Tensor, mixed: Tensor) -> None:
        torch.addmm(self._low["readout_bias"], hidden, self._read_hidden.T, out=mixed)
        torch.addmm(mixed, context, self._read_context.T, out=mixed)

    def _dropout(self, layer: int, place: int) -> tuple[float, int, int]:
        return self._probability, self._seeds[layer], place * self._outputs.of[0].numel()

    def _is_tangent(self, layer: int) -> bool:
        """Whether what a layer gives to others is the readout's tanh."""
        return layer == -1 and "readout" in self._low

    def _drop(self, layer: int, place: int, states: int, dropped: int) -> None:
        size = self._outputs.of[0].numel()
        self._library.dragoman_drop(size, self._is_tangent(layer), states, *self._dropout(layer, place), dropped)

    def _drop_backward(
        self, layer: int, place: int, states: int, gradient: int, more: int | None, of_states: int
    ) -> None:
        size, is_tangent = self._outputs.of[0].numel(), self._is_tangent(layer)
        dropout = self._dropout(layer, place)
        self._library.dragoman_drop_backward(size, is_tangent, states, *dropout, gradient, more, of_states)

    def backward(self, gradient: Track) -> dict[str, Tensor]:
        """From the gradient of the outputs [T, N, d_model] to those of what `forward` took, by name."""
        low, top, length = self._low, self._units[-1], self._length
        rows, width = self._embedded.shape[1:]
        for unit in self._units:
            unit.begin_backward()
        of_first_input = self._units[0].of_projected
        of_outputs, of_hidden = new_track(length, rows, width), new_track(length, rows, width)
        of_fed, of_query = new_track(1, rows, width), new_track(1, rows, width)
        if "fed" in low:
            self._look.begin_backward()
        if not self._is_multiplicative:
            of_undropped = of_outputs if self._is_additive else of_hidden
            undropped = self._mixed if self._is_additive else top.hidden
            for place in range(length):
                self._drop_backward(-1, place, undropped.at[place], gradient.at[place], None, of_undropped.at[place])
        if self._is_additive:
            of_contexts = self._look.of_contexts.whole
            torch.mm(of_outputs.whole.flatten(0, 1), self._read_hidden, out=of_hidden.whole.flatten(0, 1))
            torch.mm(of_outputs.whole.flatten(0, 1), self._read_context, out=of_contexts.flatten(0, 1))
            of_query.whole.zero_()
        for place in reversed(range(length)):
            if self._is_multiplicative:
                more = None if place + 1 == length else of_fed.at[0]
                ways = (self._mixed.at[place], gradient.at[place], more, of_outputs.at[place])
                self._drop_backward(-1, place, *ways)
                torch.mm(of_outputs.of[place], self._read_hidden, out=of_hidden.of[place])
                torch.mm(of_outputs.of[place], self._read_context, out=self._look.of_contexts.of[place])
                self._look.backward(place, top.hidden.at[place + 1])
                asked: int | None = self._look.of_queries.at[place]
            else:
                asked = of_query.at[0] if self._is_additive else None
            self._step_backward(place, of_hidden.at[place], asked)
            if self._is_additive:
                of_context = self._look.of_contexts.of[place]
                torch.addmm(of_context, of_first_input.of[place], low["fed"], out=of_context)
                self._look.backward(place, self._queries.at[place])
                torch.mm(self._look.of_queries.of[place], low["query"], out=of_query.of[0])
            elif self._is_multiplicative:
                torch.mm(of_first_input.of[place], low["fed"], out=of_fed.of[0])
        found = self._gradients_of_units(of_query.of[0] if self._is_additive else None)
        if "fed" not in low:
            return found
        contexts, hidden = self._look.contexts.whole, top.after()
        of_readout = [weight_gradient(of_outputs.whole, part) for part in (hidden, contexts)]
        found |= {"readout": torch.cat(of_readout, dim=1), "readout_bias": bias_gradient(of_outputs.whole)}
        fed = contexts if self._is_additive else self._outputs.whole[:-1]
        found |= {"fed": weight_gradient(of_first_input.whole, fed)}
        if self._is_additive:
            found |= {"query": weight_gradient(self._look.of_queries.whole, top.before())}
        elif self._is_multiplicative:
            found |= {"output": of_fed.of[0]}
        return found | self._look.gradients(self._queries.whole if self._is_additive else hidden)

    def _step_backward(self, place: int, of_hidden: int, more: int | None) -> None:
        self._units[-1].backward(place, of_hidden, more)
        for layer in reversed(range(len(self._units) - 1)):
            above, dropped = self._units[layer + 1].of_projected.of[place], self._dropped[layer]
            of_dropped = torch.mm(above, self._low[f"input.{layer + 1}"])
            at = of_dropped.data_ptr()
            self._drop_backward(layer, place, dropped.at[place], at, None, at)
            self._units[layer].backward(place, at)

    def _gradients_of_units(self, of_top: Tensor | None) -> dict[str, Tensor]:
        """of_top: of the top layer's first hidden state, beside what its unit knows."""
        found = {"embedded": (self._units[0].of_projected.whole @ self._low["input.0"]).transpose(0, 1)}
        for layer, unit in enumerate(self._units):
            inputs, of_inputs = self._dropped[layer - 1].whole if layer else self._embedded, unit.of_projected.whole
            found |= {f"input.{layer}": weight_gradient(of_inputs, inputs), f"bias.{layer}": bias_gradient(of_inputs)}
            found |= {f"state.{layer}": unit.gradient_of_weight()}
            found |= {f"first.{layer}": unit.gradient_of_first(of_top if unit is self._units[-1] else None)}
        return found

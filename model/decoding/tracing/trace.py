"""The trace of a network of any kind."""

from collections.abc import Mapping, Sequence

from dragoman.model.config import Architecture, ArchitectureConfig, LanguageModelConfig, RecurrentConfig
from dragoman.model.decoding.tracing.parts import Trace
from dragoman.model.decoding.tracing.recurrent import trace_recurrent
from dragoman.model.decoding.tracing.transformer import trace_language_model, trace_transformer
from dragoman.model.weights import StoredTensor


def trace(
    architecture: Architecture,
    weights: Mapping[str, StoredTensor],
    source: Sequence[int],
    target: Sequence[int],
) -> Trace:
    """The trace of a pair, in float32 from weights of any storage.

    weights: every parameter by name, as `read_weights` gives them. source: piece ids with the frame. target: the
    decoder's input, which begins with the start id. Neither is empty or longer than its limit; a language model has no
    source.
    """
    match architecture:
        case ArchitectureConfig():
            return trace_transformer(architecture, weights, source, target)
        case RecurrentConfig():
            return trace_recurrent(architecture, weights, source, target)
        case LanguageModelConfig():
            return trace_language_model(architecture, weights, target)
        case _:
            raise TypeError(f"there is no trace of {type(architecture).__name__}")

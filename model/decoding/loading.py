"""From bundles to a decoder. Torch is imported only by the decoder that needs it."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, get_args

from dragoman.model.bundle import (
    BundleConfig,
    bundle_revision,
    file_revision,
    find_bundle,
    read_config,
    read_vocabulary,
)
from dragoman.model.codec import Codec
from dragoman.model.config import ArchitectureConfig, LanguageModelConfig
from dragoman.model.decoding.decoder import Decoder
from dragoman.model.decoding.decoders.native import decoder as native
from dragoman.model.errors import DragomanError, InvalidInputError
from dragoman.model.known_words import NO_KNOWN_WORDS, WORDS_FILE, KnownWords, read_known_words
from dragoman.model.shortlist import SHORTLIST_FILE, Shortlist, read_shortlist
from dragoman.model.weights import StoredTensor, read_weights

Precision = Literal["auto", "float32", "bfloat16", "float16", "int8"]
"""Precision of the network; "auto" is int8 on a processor and bfloat16 elsewhere. On the first en-de int8 is within
0.15 BLEU of float32, above it in one direction and below it in the other. bfloat16 has the range of float32, so nothing
overflows. Networks without kernels have float32 on a processor."""

DEFAULT_SLOTS = 64
"""Default slots of a decoder, and sentences that a thread decodes at once: with more, its matrix products hardly become
faster."""

DEVICE_SLOTS = 256
"""Default slots on a device other than a processor, if nothing says how much memory it has."""

MIN_DEVICE_SLOTS, MAX_DEVICE_SLOTS = 64, 1024

SLOT_BYTES = 64 << 20
"""Memory of a device for each slot. Four hypotheses of 256 pieces of a base network take 33 MB in bfloat16: their keys
and values twice, since a step gathers them, and logits for 32,000 pieces. The rest is for weights and encoding."""


def default_slots(device: str, num_threads: int, device_bytes: int | None = None) -> int:
    """The default number of sentences decoded at once. device_bytes: the device's memory, if it is known."""
    if device == "cpu":
        return DEFAULT_SLOTS * num_threads
    if device_bytes is None:
        return DEVICE_SLOTS
    return max(MIN_DEVICE_SLOTS, min(MAX_DEVICE_SLOTS, device_bytes // SLOT_BYTES // 64 * 64))


def device_memory(device: str) -> int | None:
    """Bytes of a device's memory, None of one that does not say. Imports torch, and connects with the device."""
    import torch

    try:
        return int(torch.get_device_module(device).get_device_properties(device).total_memory)
    except (RuntimeError, AttributeError, AssertionError, ValueError):
        return None


def device_of_replica(device: str, number: int) -> str:
    """The device of a replica, counted from 0: with "cuda", the replicas share all CUDA devices in turn; "cuda:1" names
    one. Imports torch for any device but "cpu". Torch itself refuses a device that it does not know."""
    if device == "cpu" or ":" in device:
        return device
    import torch

    try:
        count = torch.get_device_module(device).device_count()
    except (RuntimeError, AttributeError):
        return device
    return f"{device}:{number % count}" if count else device


@dataclass(frozen=True)
class OpenedModel:
    """A model without its weights: one bundle, or an ensemble as if it were one.

    folders:     of the bundles, absolute.
    known_words: those of the first bundle.
    language_model: what has a say in the search, see `model.decoding.decoders.fusion`.
    """

    folders: tuple[Path, ...]
    infos: tuple[BundleConfig, ...]
    info: BundleConfig
    vocabulary: Codec
    shortlist: Shortlist | None = None
    known_words: KnownWords = NO_KNOWN_WORDS
    language_model: "OpenedModel | None" = None

    @cached_property
    def weights_revision(self) -> str:
        """See `bundle_revision`. Computed when it is asked for: that takes as long as reading the weights."""
        return _combine_revisions(self._weights_revisions)

    @cached_property
    def revision(self) -> str:
        """The weights' revision, combined with those of the shortlist and the known words if there are any."""
        own = [] if self.language_model is None else [self.language_model.weights_revision]
        more = [SHORTLIST_FILE] * (self.shortlist is not None) + [WORDS_FILE] * (self.known_words != NO_KNOWN_WORDS)
        others = [file_revision(self.folders[0] / name) for name in more]
        return _combine_revisions([*self._weights_revisions, *own, *others])

    @cached_property
    def _weights_revisions(self) -> list[str]:
        return [bundle_revision(folder) for folder in self.folders]

    def load_decoder(
        self, *, precision: Precision = "auto", device: str = "cpu", max_slots: int = DEFAULT_SLOTS
    ) -> Decoder:
        """Reads the weights. Raises what `load_decoder` raises."""
        forbidden_ids = self.vocabulary.forbidden_ids()
        decoders = [
            load_decoder(
                folder, info, precision=precision, device=device, forbidden_ids=forbidden_ids, max_slots=max_slots
            )
            for folder, info in zip(self.folders, self.infos, strict=True)
        ]
        decoder = decoders[0]
        if len(decoders) > 1:
            from dragoman.model.decoding.decoders.ensemble import EnsembleDecoder

            decoder = EnsembleDecoder(decoders)
        if self.language_model is None:
            return decoder
        from dragoman.model.decoding.decoders.fusion import FusionDecoder

        own = self.language_model
        return FusionDecoder(
            decoder, load_decoder(own.folders[0], own.info, precision="float32", device=device, max_slots=max_slots)
        )


def open_language_model(name_or_path: str | Path) -> OpenedModel:
    """Opens the bundle of a language model. Raises what `open_model` raises, and InvalidInputError for a bundle that
    translates."""
    model = _open([name_or_path], use_shortlist=False)
    if not is_language_model(model.info):
        raise InvalidInputError(f"{name_or_path} translates: a language model is needed here")
    return model


def open_alike(names_or_paths: Sequence[str | Path]) -> OpenedModel:
    """Opens bundles of one kind, translation models or language models, as one. Raises what `open_model` raises, but
    for language models."""
    return _open(names_or_paths, use_shortlist=False)


def is_language_model(info: BundleConfig) -> bool:
    """Whether a bundle continues texts, and translates none."""
    return isinstance(info.architecture, LanguageModelConfig)


def refuse_language_model(name: str | Path, info: BundleConfig) -> None:
    """Raises InvalidInputError for a language model where a translation model is needed. name: of the bundle, as the
    user gave it."""
    if is_language_model(info):
        raise InvalidInputError(f"{name} is a language model: it continues texts and translates none")


def open_model(
    names_or_paths: Sequence[str | Path], *, use_shortlist: bool = False, language_model: str | Path | None = None
) -> OpenedModel:
    """Opens bundles by their folders or shipped names; several become an ensemble.

    use_shortlist: whether to load the bundle's lexical shortlist; of an ensemble, the first bundle's. language_model:
    the bundle of a language model that has a say in the search where `fusion_weight` asks for it.

    Raises NotFoundError for an unknown bundle, and InvalidInputError for a damaged one, naming the file, and for
    bundles with different vocabularies or without a common direction, and for a language model.
    """
    model = _open(names_or_paths, use_shortlist=use_shortlist)
    for name, info in zip(names_or_paths, model.infos, strict=True):
        refuse_language_model(name, info)
    if language_model is None:
        return model
    other = open_language_model(language_model)
    if not _have_like_pieces(model, other):
        raise InvalidInputError(
            f"{language_model} has other pieces than {model.info.name} writes: train the language model with "
            "vocabulary.source_file, the translation model's"
        )
    return replace(model, language_model=other)


def _have_like_pieces(model: OpenedModel, other: OpenedModel) -> bool:
    """Whether a model writes the pieces that a language model reads."""
    target, read = model.vocabulary.target, other.vocabulary.target
    shape, own = model.info.vocabulary, other.info.vocabulary
    return (shape.start_id, shape.eos_id, target.size) == (own.start_id, own.eos_id, read.size) and (
        target.pieces(range(target.size)) == read.pieces(range(read.size))
    )


def _open(names_or_paths: Sequence[str | Path], *, use_shortlist: bool) -> OpenedModel:
    if not names_or_paths:
        raise InvalidInputError("no bundle is given")
    folders = [find_bundle(str(name)).absolute() for name in names_or_paths]
    infos = [read_config(folder) for folder in folders]
    vocabularies = [read_vocabulary(folder, info) for folder, info in zip(folders, infos, strict=True)]
    for folder, other in zip(folders, vocabularies, strict=True):
        if other.files() != vocabularies[0].files():
            raise InvalidInputError(f"{folders[0]} and {folder} have different vocabularies: they do not go together")
    info = infos[0] if len(infos) == 1 else _ensemble_info(folders, infos)
    shortlist = read_shortlist(folders[0], infos[0]) if use_shortlist else None
    known_words = read_known_words(folders[0])
    return OpenedModel(tuple(folders), tuple(infos), info, vocabularies[0], shortlist, known_words)


def _combine_revisions(revisions: Sequence[str]) -> str:
    return revisions[0] if len(revisions) == 1 else hashlib.sha256("".join(revisions).encode()).hexdigest()[:16]


def _ensemble_info(folders: Sequence[Path], infos: Sequence[BundleConfig]) -> BundleConfig:
    """The first bundle's configuration, with the directions and limits common to all, and without scores."""
    if len(set(map(is_language_model, infos))) > 1:
        raise InvalidInputError(f"{' and '.join(map(str, folders))}: one is a language model and one translates")
    directions = tuple(
        direction for direction in infos[0].directions if all(direction in info.directions for info in infos)
    )
    if not directions:
        raise InvalidInputError(f"{' and '.join(map(str, folders))} have no direction in common")
    limits: dict[str, Any] = {
        name: min(getattr(info.architecture, name, 2) for info in infos)
        for name in ("max_source_length", "max_target_length")
        if hasattr(infos[0].architecture, name)
    }
    if len({info.architecture.has_attention for info in infos}) > 1:
        raise InvalidInputError(f"{' and '.join(map(str, folders))}: one has attention and one has not")
    return replace(
        infos[0],
        name="+".join(info.name for info in infos),
        directions=directions,
        architecture=replace(infos[0].architecture, **limits),
        num_parameters=sum(info.num_parameters for info in infos),
        scores=(),
    )


def load_decoder(
    folder: Path,
    info: BundleConfig,
    *,
    precision: Precision = "auto",
    device: str = "cpu",
    forbidden_ids: Sequence[int] = (),
    max_slots: int = DEFAULT_SLOTS,
) -> Decoder:
    """The decoder of a bundle.

    device: "cpu", or torch's name of another, such as "cuda". forbidden_ids: pieces that no translation may contain.

    Raises InvalidInputError for a damaged bundle, naming the file, for an unavailable precision or device, and for
    max_slots below 1; DragomanError if torch is needed but not installed.
    """
    return make_decoder(
        partial(read_weights, folder, info),
        info,
        precision=precision,
        device=device,
        forbidden_ids=forbidden_ids,
        max_slots=max_slots,
    )


def make_decoder(
    read: Callable[[], Mapping[str, StoredTensor]],
    info: BundleConfig,
    *,
    precision: Precision = "auto",
    device: str = "cpu",
    forbidden_ids: Sequence[int] = (),
    max_slots: int = DEFAULT_SLOTS,
) -> Decoder:
    """See `load_decoder`. read: reads the weights; called once it is certain that they can be used."""
    if precision not in get_args(Precision):
        raise InvalidInputError(f'there is no precision "{precision}": choose among {", ".join(get_args(Precision))}')
    if max_slots < 1:
        raise InvalidInputError(f"max_slots is {max_slots}, but must be at least 1")
    if precision == "auto":
        has_kernels = isinstance(info.architecture, ArchitectureConfig)
        precision = "bfloat16" if device != "cpu" else "int8" if has_kernels else "float32"
    architecture = info.architecture
    if (
        isinstance(architecture, ArchitectureConfig)
        and device == "cpu"
        and precision in ("float32", "int8")
        and native.is_available()
    ):
        return native.NativeDecoder(
            architecture,
            info.vocabulary,
            read(),
            precision=precision,
            forbidden_ids=forbidden_ids,
            max_slots=max_slots,
        )
    return _torch_decoder(read, info, precision, device, forbidden_ids, max_slots)


def _torch_decoder(
    read: Callable[[], Mapping[str, StoredTensor]],
    info: BundleConfig,
    precision: Literal["float32", "bfloat16", "float16", "int8"],
    device: str,
    forbidden_ids: Sequence[int],
    max_slots: int,
) -> Decoder:
    try:
        from dragoman.model.decoding.decoders.torch_decoder import TorchDecoder
        from dragoman.model.network.quantization import quantize_network
        from dragoman.model.network.storage import make_network, place_network
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        if not isinstance(info.architecture, ArchitectureConfig):
            wanted = f"{info.name} is a {info.architecture.NAME} network, which needs torch:"
        elif device == "cpu" and precision in ("float32", "int8"):
            wanted = "translating needs a C++ compiler or torch: install g++ or clang++, or"
        else:
            wanted = f"computing in {precision} on the device {device} needs torch:"
        raise DragomanError(f"{wanted} pip install 'dragoman[train]'") from error

    if precision == "int8" and device != "cpu":
        raise InvalidInputError(f'int8 cannot be computed on the device "{device}"')
    network = make_network(read(), info)
    if precision == "int8":
        quantize_network(network)
    else:
        place_network(network, device, precision)
    return TorchDecoder(network, forbidden_ids=forbidden_ids, max_slots=max_slots)

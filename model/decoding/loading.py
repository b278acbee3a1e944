"""From bundles to a decoder. Torch is imported only by the decoder that needs it."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, get_args

from dragoman.model.bundle import (
    BundleConfig,
    bundle_revision,
    file_revision,
    find_bundle,
    read_config,
    read_vocabulary,
)
from dragoman.model.codec import Codec
from dragoman.model.decoding.decoder import Decoder
from dragoman.model.decoding.decoders.native import decoder as native
from dragoman.model.errors import DragomanError, InvalidInputError
from dragoman.model.shortlist import SHORTLIST_FILE, Shortlist, read_shortlist
from dragoman.model.weights import StoredTensor, read_weights

Precision = Literal["auto", "float32", "bfloat16", "float16", "int8"]
"""What the network computes in; "auto" is int8 on a processor and bfloat16 elsewhere: on the first en-de int8 is
within 0.15 BLEU of float32, above it in one direction and below it in the other; bfloat16 has the range of float32, so
that nothing overflows."""

DEFAULT_SLOTS = 64
"""Sentences that a decoder has room for if nothing is said, and that a thread decodes at once: with more of them its
matrix products hardly go faster."""

DEVICE_SLOTS = 256
"""Sentences that are decoded at once on a device that is no processor, however many processors stand beside it."""


def default_slots(device: str, num_threads: int) -> int:
    """Sentences decoded at once if nothing is said."""
    return DEFAULT_SLOTS * num_threads if device == "cpu" else DEVICE_SLOTS


def device_of_replica(device: str, number: int) -> str:
    """The device of a replica, from 0: of "cuda" the replicas take turns at all that there are; "cuda:1" is that one.
    Imports torch for any but a processor. A device that torch does not know is left for it to refuse."""
    if device == "cpu" or ":" in device:
        return device
    import torch

    try:
        count = torch.get_device_module(device).device_count()
    except (RuntimeError, AttributeError):
        return device
    return f"{device}:{number % count}" if count else device


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """What is known of a model without its weights: of one bundle, or of an ensemble as if it were one.

    folders:          the bundles', absolute.
    weights_revision: see `bundle_revision`.
    revision:         the same, but it tells the shortlist from others, too, if there is one.
    """

    folders: tuple[Path, ...]
    infos: tuple[BundleConfig, ...]
    info: BundleConfig
    vocabulary: Codec
    weights_revision: str
    revision: str
    shortlist: Shortlist | None = None

    def load_decoder(
        self, *, precision: Precision = "auto", device: str = "cpu", max_slots: int = DEFAULT_SLOTS
    ) -> Decoder:
        """Reads the weights. Raises InvalidInputError for what `load_decoder` refuses."""
        forbidden_ids = self.vocabulary.forbidden_ids()
        decoders = [
            load_decoder(
                folder, info, precision=precision, device=device, forbidden_ids=forbidden_ids, max_slots=max_slots
            )
            for folder, info in zip(self.folders, self.infos, strict=True)
        ]
        if len(decoders) == 1:
            return decoders[0]
        from dragoman.model.decoding.decoders.ensemble import EnsembleDecoder

        return EnsembleDecoder(decoders)


def open_model(names_or_paths: Sequence[str | Path], *, use_shortlist: bool = False) -> OpenedModel:
    """Opens bundles, given by their folders or shipped names; several become an ensemble.

    use_shortlist: whether to load the bundle's lexical shortlist, of an ensemble the first one's.

    Raises NotFoundError if there is no such bundle, and InvalidInputError for a damaged one, naming the file, and for
    bundles that have not the same vocabulary or no direction in common.
    """
    if not names_or_paths:
        raise InvalidInputError("no bundle is given")
    folders = [find_bundle(str(name)).absolute() for name in names_or_paths]
    infos = [read_config(folder) for folder in folders]
    vocabularies = [read_vocabulary(folder, info) for folder, info in zip(folders, infos, strict=True)]
    for folder, other in zip(folders, vocabularies, strict=True):
        if other.files() != vocabularies[0].files():
            raise InvalidInputError(f"{folders[0]} and {folder} have different vocabularies: they do not go together")
    info = infos[0] if len(infos) == 1 else _ensemble_info(folders, infos)
    revisions = [bundle_revision(folder) for folder in folders]
    weights_revision = _combine_revisions(revisions)
    shortlist = None
    if use_shortlist:
        shortlist = read_shortlist(folders[0], infos[0])
        revisions.append(file_revision(folders[0] / SHORTLIST_FILE))
    revision = _combine_revisions(revisions)
    return OpenedModel(tuple(folders), tuple(infos), info, vocabularies[0], weights_revision, revision, shortlist)


def _combine_revisions(revisions: Sequence[str]) -> str:
    return revisions[0] if len(revisions) == 1 else hashlib.sha256("".join(revisions).encode()).hexdigest()[:16]


def _ensemble_info(folders: Sequence[Path], infos: Sequence[BundleConfig]) -> BundleConfig:
    """The first one's, with what all of them can do. Their scores are not the ensemble's."""
    directions = tuple(
        direction for direction in infos[0].directions if all(direction in info.directions for info in infos)
    )
    if not directions:
        raise InvalidInputError(f"{' and '.join(map(str, folders))} have no direction in common")
    limits = {
        name: min(getattr(info.architecture, name) for info in infos)
        for name in ("max_source_length", "max_target_length")
    }
    return infos[0].model_copy(
        update={
            "name": "+".join(info.name for info in infos),
            "directions": directions,
            "architecture": infos[0].architecture.model_copy(update=limits),
            "num_parameters": sum(info.num_parameters for info in infos),
            "scores": (),
        }
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

    device: "cpu", or torch's name of another, such as "cuda". forbidden_ids: pieces that no translation may hold.

    Raises InvalidInputError, naming the file, for a damaged bundle, for a precision or a device that cannot be had, and
    without a slot; DragomanError if torch would have to compute and is not installed.
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
    """See `load_decoder`. read: gives the weights, once it is certain that they can be used."""
    if precision not in get_args(Precision):
        raise InvalidInputError(f'there is no precision "{precision}": choose among {", ".join(get_args(Precision))}')
    if max_slots < 1:
        raise InvalidInputError(f"max_slots is {max_slots}, but must be at least 1")
    if precision == "auto":
        precision = "int8" if device == "cpu" else "bfloat16"
    if device == "cpu" and precision in ("float32", "int8") and native.is_available():
        return native.NativeDecoder(
            info.architecture,
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
        if device == "cpu" and precision in ("float32", "int8"):
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

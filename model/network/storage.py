"""The weights of a bundle: one safetensors file, in 32, 16 or 8 bits."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from dragoman.model.bundle import BundleConfig, Storage
from dragoman.model.errors import InvalidInputError
from dragoman.model.network.kinds import new_network
from dragoman.model.network.network import Network
from dragoman.model.parameters import describe_parameters
from dragoman.model.weights import StoredTensor, pack_stored, read_weights


def pack_weights(network: Network, storage: Storage) -> bytes:
    """The network's parameters, tied ones once, as the content of a safetensors file.

    float16 and float32: as they are. int8: each matrix as integers -127 to 127 and, under its name with ".scale", a
    float32 scale for each row (a row of a projection is one output, a row of an embedding one piece); vectors and
    learnt positions, which are few, in float32.
    """
    state = dict(network.named_parameters(remove_duplicate=False))
    parameters = describe_parameters(network.config, network.vocabulary)
    tensors = {
        one.name: StoredTensor(state[one.name].detach().float().cpu().numpy())
        for one in parameters
        if one.stored_as == one.name
    }
    return pack_stored(tensors, parameters, storage)


def load_network(folder: Path, info: BundleConfig) -> Network:
    """The bundle's network in float32, in evaluation mode.

    Raises InvalidInputError naming the file, and the tensor that is missing or has the wrong shape.
    """
    return make_network(read_weights(folder, info), info)


def make_network(tensors: Mapping[str, StoredTensor], info: BundleConfig) -> Network:
    """The network of a bundle's weights in float32, in evaluation mode."""
    network = new_network(info.architecture, info.vocabulary)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            values = np.require(tensors[name].as_floats(), requirements="W")  # torch warns of others
            parameter.copy_(torch.from_numpy(values))
    return network.eval()


def place_network(network: Network, device: str, precision: Literal["float32", "bfloat16", "float16"]) -> None:
    """Moves a network to a device and converts it to a precision.

    device: torch's name for it, such as "cuda". Raises InvalidInputError if it cannot be used.
    """
    try:
        network.to(device, getattr(torch, precision))
    except (RuntimeError, AssertionError) as error:  # torch raises either, with many lines
        raise InvalidInputError(f'the device "{device}" cannot be used: {str(error).splitlines()[0]}') from error

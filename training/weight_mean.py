"""The mean of the weights of several bundles."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from model.bundle import BundleConfig, Storage, bundle_revision, write_bundle
from model.config import ArchitectureConfig
from model.decoding.loading import open_model
from model.errors import InvalidInputError
from model.storage import load_network, pack_weights
from model.transformer import num_parameters
from training.card import model_card

_NO_SHAPE = {"dropout", "attention_dropout", "feed_forward_dropout", "max_source_length", "max_target_length"}
"""Of the architecture: what no weight's shape or meaning hangs on."""


def average_bundles(names_or_paths: Sequence[str], output: Path, storage: Storage) -> BundleConfig:
    """Writes a bundle with the mean of others' weights: a model soup (Wortsman et al. 2022) of models that were
    fine-tuned from the same one. Of models that were not, the mean is worth nothing.

    names_or_paths: two or more. output: the bundle's folder; one that is there is replaced.

    Returns the new bundle's configuration: the first one's name and description, the directions that all have.
    Raises NotFoundError if there is no such bundle, InvalidInputError for a damaged one and for bundles that differ in
    vocabulary or architecture or have no direction in common, DragomanError when the new one cannot be written.
    """
    if len(names_or_paths) < 2:
        raise InvalidInputError("a mean needs two bundles or more")
    model = open_model(names_or_paths)
    for folder, info in zip(model.folders, model.infos, strict=True):
        _check_alike(model.folders[0], model.infos[0].architecture, folder, info.architecture)
    mean = load_network(model.folders[0], model.infos[0])
    others = [
        dict(load_network(folder, info).named_parameters())
        for folder, info in zip(model.folders[1:], model.infos[1:], strict=True)
    ]
    with torch.no_grad():
        for name, parameter in mean.named_parameters():
            parameter.copy_(torch.stack([parameter, *(other[name] for other in others)]).mean(0))
    info = model.info.model_copy(
        update={
            "name": model.infos[0].name,
            "storage": storage,
            "num_parameters": num_parameters(mean),
            "provenance": _provenance(names_or_paths, model.folders, model.infos),
        }
    )
    write_bundle(output, info, model.vocabulary, pack_weights(mean, storage), model_card(info))
    return info


def _check_alike(first: Path, expected: ArchitectureConfig, other: Path, found: ArchitectureConfig) -> None:
    for key, value in expected.model_dump(exclude=_NO_SHAPE).items():
        if getattr(found, key) != value:
            raise InvalidInputError(
                f"{first} and {other} have no mean: architecture.{key} is {value} and {getattr(found, key)}"
            )


def _provenance(names: Sequence[str], folders: Sequence[Path], infos: Sequence[BundleConfig]) -> dict[str, Any]:
    """What the first one tells of itself, with each one's whole story. What they were trained on counts for all."""
    stories = [info.provenance for info in infos]
    joined = {
        key: " ".join(dict.fromkeys(str(story[key]) for story in stories if story.get(key)))
        for key in ("data", "licence")
    }
    return {
        "description": stories[0].get("description", ""),
        **joined,
        "sentence_pairs": max(story.get("sentence_pairs", 0) for story in stories),
        "date": time.strftime("%Y-%m-%d"),
        "mean_of": [
            {"bundle": name, "revision": bundle_revision(folder), "provenance": story}
            for name, folder, story in zip(names, folders, stories, strict=True)
        ],
    }

"""The model card: a bundle's data, licence, scores and configuration, for people."""

from collections.abc import Mapping
from typing import Any

from dragoman.model.bundle import BundleConfig, BundleScore
from dragoman.model.config import (
    Architecture,
    ArchitectureConfig,
    LanguageModelConfig,
    RecurrentConfig,
    TransformerLayers,
)


def model_card(info: BundleConfig) -> str:
    """A bundle's README.md, from its configuration alone."""
    facts: Mapping[str, Any] = info.provenance
    lines = [
        f"# {info.name}",
        "",
        str(facts.get("description") or f"A {_kind(info.architecture)} trained with Dragoman."),
        "",
        _languages_line(info),
        "",
        "## Data and licence",
        "",
        str(facts.get("data") or "Not stated."),
        *_pairs_lines(info),
        "",
        str(facts.get("licence") or "Licence: not stated."),
        "",
        "## Scores",
        "",
        *_score_lines(info),
        "",
        "## Configuration",
        "",
        "| | |",
        "|---|---|",
        f"| parameters | {info.num_parameters:,}, stored as {info.storage} |",
        *_shape_lines(info.architecture),
        f"| vocabulary | {_vocabulary(info)} |",
        *_training_lines(facts),
        f"| date | {facts.get('date', '')} |",
        "",
        *_last_lines(facts),
    ]
    return "\n".join(lines)


def _kind(shape: Architecture) -> str:
    return "language model" if isinstance(shape, LanguageModelConfig) else "translation model"


def _languages_line(info: BundleConfig) -> str:
    if isinstance(info.architecture, LanguageModelConfig):
        return f"Language: {info.directions[0].target}."
    return f"Directions: {', '.join(map(str, info.directions))}."


def _shape_lines(shape: Architecture) -> list[str]:
    facts: dict[str, str] = {}
    if isinstance(shape, ArchitectureConfig | RecurrentConfig):
        facts["layers"] = f"{shape.num_encoder_layers} encoder, {shape.num_decoder_layers} decoder"
    if isinstance(shape, LanguageModelConfig):
        facts["layers"] = str(shape.num_layers)
    if isinstance(shape, TransformerLayers):
        facts["layer norm"] = f"{shape.normalization}-norm"
        heads = f"{shape.num_heads} of d_key {shape.d_key}, d_value {shape.d_value}"
        facts["d_model, d_ff, heads"] = f"{shape.d_model}, {shape.d_ff}, {heads}"
    if isinstance(shape, RecurrentConfig):
        facts["d_model, cell, attention"] = f"{shape.d_model}, {shape.cell.upper()}, {shape.attention}"
    if isinstance(shape, ArchitectureConfig | RecurrentConfig):
        facts["embeddings tied"] = shape.tied_embeddings
        facts["longest source, target"] = f"{shape.max_source_length}, {shape.max_target_length} pieces"
    if isinstance(shape, LanguageModelConfig):
        facts["longest text"] = f"{shape.max_target_length} pieces"
    return [f"| {name} | {fact} |" for name, fact in facts.items()]


def _last_lines(facts: Mapping[str, Any]) -> list[str]:
    if "imported" in facts:
        return [line for note in facts["imported"]["notes"] for line in (note, "")]
    runs = "each run" if "mean_of" in facts else "the run"
    return [f"The whole configuration of {runs}, with checksums of its data, is in config.json under `provenance`.", ""]


def _number(value: Any) -> str:
    """Provenance may hold anything."""
    return f"{value:,}" if isinstance(value, int) else "0"


def _pairs_lines(info: BundleConfig) -> list[str]:
    facts: Mapping[str, Any] = info.provenance
    if "imported" in facts:  # what it learnt from, only its makers know
        return []
    if facts.get("sentence_pairs", 0) is None:
        return ["Pairs of a stream, which are not counted."]
    if isinstance(info.architecture, LanguageModelConfig):
        return [f"{_number(facts.get('sentence_pairs'))} texts after encoding."]
    return [f"{_number(facts.get('sentence_pairs'))} pairs after encoding, all directions together."]


def _training_lines(facts: Mapping[str, Any]) -> list[str]:
    if "imported" in facts:
        source = facts["imported"]
        checksums = [f"| SHA-256 of {name} | `{checksum}` |" for name, checksum in source["checksums"].items()]
        return [f"| converted from | {source['source']}, {source['format']} |", *checksums]
    if "mean_of" in facts:
        return [f"| mean of the weights of | {', '.join(part['bundle'] for part in facts['mean_of'])} |"]
    lines = [
        f"| trained for | {_number(facts.get('updates'))} updates, {_number(facts.get('target_tokens'))} target "
        f"pieces, {facts.get('hours', 0)} hours |",
    ]
    origin = facts.get("run", {}).get("initialization", {}).get("bundle")
    if origin:  # whose data and licence count, too
        lines.append(f"| began with | {origin} |")
    if share := facts.get("initial_share"):
        lines.append(f"| share of those weights | {share:.0%} |")
    averaged = ", ".join(map(str, facts.get("averaged_checkpoints", [])))
    return [*lines, f"| averaged checkpoints | {averaged or 'none'} |"]


def _score_lines(info: BundleConfig) -> list[str]:
    if isinstance(info.architecture, LanguageModelConfig):
        perplexity = info.provenance.get("dev_perplexity")
        known = [f"Perplexity of the dev set by piece: {perplexity:.2f}."] if isinstance(perplexity, float) else []
        return [*known, "`dragoman evaluate BUNDLE --reference FILE` measures that of other texts."]
    if not info.scores:
        return ["Not measured yet: `dragoman evaluate` measures, with `--record NAME` it writes here."]
    return [
        "| direction | test set | metric | score | beam, length penalty | sacreBLEU signature |",
        "|---|---|---|---|---|---|",
        *map(_score_line, info.scores),
    ]


def _score_line(score: BundleScore) -> str:
    signature = score.signature.replace("|", "\\|")  # a bar ends a table's cell, even within backticks
    search = f"{score.beam_size}, {score.length_penalty}"
    return f"| {score.direction} | {score.test_set} | {score.metric} | {score.score:.2f} | {search} | `{signature}` |"


def _vocabulary(info: BundleConfig) -> str:
    shape = info.vocabulary
    if shape.joint:
        return f"{shape.source_size:,} SentencePiece pieces, joint"
    return f"{shape.source_size:,} source and {shape.target_size:,} target SentencePiece pieces"

"""CTranslate2's model folders, of all versions and quantizations.

Learnt from CTranslate2's src/models/model.cc, src/models/transformer.cc and python/ctranslate2/specs. What another
toolkit's converter left out, the vocabulary tells: which pieces name languages, and whether a source ends.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dragoman.model.config import MAX_LAYERS, ArchitectureConfig
from dragoman.model.config_files import validate_tree
from dragoman.model.errors import InvalidInputError
from dragoman.model.foreign.ctranslate2_variables import NEWEST_VERSION, VariableReader, parse_variables
from dragoman.model.foreign.ctranslate2_vocabulary import make_codec, read_vocabulary
from dragoman.model.foreign.files import MAX_MODEL_BYTES, Files, Zip
from dragoman.model.foreign.model import (
    ForeignModel,
    ImportOptions,
    choose_directions,
    storage_of,
)
from dragoman.model.foreign.positions import describe_positions
from dragoman.model.foreign_vocabulary import SOURCE_LANGUAGE, TARGET_LANGUAGE, ForeignVocabulary
from dragoman.model.parameters import (
    OUTPUT_BIAS,
    OUTPUT_PROJECTION,
    SOURCE_EMBEDDING,
    TARGET_EMBEDDING,
    learnt_positions,
)
from dragoman.model.weights import StoredTensor

MODEL_FILE = "model.bin"

_ACTIVATIONS = ("relu", "gelu-tanh", "swish", "gelu", "gelu-sigmoid")

_TOKENS = ("unk_token", "bos_token", "eos_token", "decoder_start_token")

_PIECE_MODELS = {
    "source": ("source.spm", "source.model"),
    "target": ("target.spm", "target.model"),
    "both": ("sentencepiece.model", "vocabulary.model", "sentencepiece.bpe.model", "spm.model", "shared.spm"),
}

MAX_LENGTH = 512
"""Pieces of a sentence where positions have no end."""


def read_ctranslate2(files: Files, options: ImportOptions, beside: Files | None = None) -> ForeignModel:
    """The model of a folder. beside: where SentencePiece's models lie, if not there. Raises InvalidInputError naming
    what is wrong."""
    path = files.origin / MODEL_FILE
    variables, version = parse_variables(files.read(MODEL_FILE, MAX_MODEL_BYTES), path)
    config = files.read_object("config.json") if "config.json" in files else {}
    try:
        reader = VariableReader(variables)
        settings = _read_settings(config, reader, version)
        architecture, weights = _read_network(reader, settings)
    except InvalidInputError as error:
        raise InvalidInputError(f"{path}: {error}") from error
    rows = [weights.get(key, weights[SOURCE_EMBEDDING]).values.shape[0] for key in (SOURCE_EMBEDDING, TARGET_EMBEDDING)]
    vocabulary = read_vocabulary(files, beside or files, settings, rows, options)
    is_zero = architecture.decoder_start == "zero"
    codec, languages = make_codec(vocabulary, settings, options, files.origin / "config.json", is_zero_start=is_zero)
    if not codec.shape.joint:
        architecture, weights = _untie(architecture, weights)
    names_targets = TARGET_LANGUAGE in (*codec.config.before, *codec.config.target_prefix)
    return ForeignModel(
        format=f"CTranslate2, version {version}",
        architecture=architecture,
        codec=codec,
        weights=weights,
        directions=choose_directions(
            options,
            list(languages) if SOURCE_LANGUAGE in codec.config.before else [],
            list(languages) if names_targets else [],
        ),
        storage=storage_of(weights, is_half=any(values.dtype == np.float16 for values in variables.values())),
        details={"files": [MODEL_FILE, *vocabulary.files]},
    )


def _read_settings(config: Mapping[str, Any], reader: VariableReader, version: int) -> dict[str, Any]:
    """The special tokens and flags, of config.json or, before version 6, of attributes."""
    given = dict(config)
    flags = {
        name: bool(reader.scalar(f"with_source_{part}", default=0))
        for name, part in (("add_source_bos", "bos"), ("add_source_eos", "eos"))
    }
    texts = {name: reader.text(name, default) for name, default in zip(_TOKENS, ("<unk>", "<s>", "</s>"), strict=False)}
    begins = reader.scalar("with_target_bos", default=1)
    start = (
        None if reader.scalar("user_decoder_start_tokens", default=0) else texts["bos_token" if begins else "eos_token"]
    )
    if version < NEWEST_VERSION:
        given = {**given, **flags, **texts, "decoder_start_token": start}
    settings = {**flags, **texts, "decoder_start_token": texts["bos_token"], **given}
    for name in _TOKENS:
        if not isinstance(settings[name], str) and (name != "decoder_start_token" or settings[name] is not None):
            raise InvalidInputError(f"config.json: {name} must be a text")
    if settings.get("quantization_type"):
        raise InvalidInputError(f"config.json: quantization_type {settings['quantization_type']} is not supported")
    return settings


def _read_network(
    reader: VariableReader, settings: Mapping[str, Any]
) -> tuple[ArchitectureConfig, dict[str, StoredTensor]]:
    weights: dict[str, StoredTensor] = {}
    source_name = (
        "encoder/embeddings_0/weight" if "encoder/embeddings_0/weight" in reader else "encoder/embeddings/weight"
    )
    weights[SOURCE_EMBEDDING] = source = reader.matrix(source_name)
    target = reader.matrix("decoder/embeddings/weight")
    output = reader.matrix("decoder/projection/weight")
    tied = _ties(source, target, output)
    if tied in ("target", "none"):
        weights[TARGET_EMBEDDING] = target
    if tied in ("source", "none"):
        weights[OUTPUT_PROJECTION] = output
    has_bias = "decoder/projection/bias" in reader
    if has_bias:
        weights[OUTPUT_BIAS] = reader.vector("decoder/projection/bias", len(output.values))
    d_model = source.values.shape[1]
    facts = [_read_stack(reader, stack, d_model, weights) for stack in ("encoder", "decoder")]
    for key in facts[0]:
        if key not in ("layers", "length") and facts[0][key] != facts[1][key]:
            raise InvalidInputError(f"encoder and decoder differ in {key}: this variant is not supported")
    begins_with_zeros = bool(reader.scalar("decoder/start_from_zero_embedding", default=0))
    reader.check_left()
    common = {key: value for key, value in facts[0].items() if key not in ("layers", "length")}
    epsilon = settings.get("layer_norm_epsilon")
    architecture = validate_tree(
        ArchitectureConfig,
        {
            "d_model": d_model,
            **common,
            "num_encoder_layers": facts[0]["layers"],
            "num_decoder_layers": facts[1]["layers"],
            "norm_epsilon": 1e-5 if epsilon is None else epsilon,
            "tied_embeddings": tied,
            "output_bias": has_bias,
            "decoder_start": "zero" if begins_with_zeros else "piece",
            "max_source_length": facts[0]["length"],
            "max_target_length": facts[1]["length"],
        },
    )
    return architecture, weights


def _same(one: StoredTensor, other: StoredTensor) -> bool:
    if (one.scales is None) != (other.scales is None):
        return False
    is_same = one.values is other.values or np.array_equal(one.values, other.values)
    return is_same and (one.scales is None or other.scales is None or np.array_equal(one.scales, other.scales))


def _ties(source: StoredTensor, target: StoredTensor, output: StoredTensor) -> str:
    if _same(target, output):
        return "all" if _same(source, target) else "target"
    return "source" if _same(source, target) else "none"


def _untie(
    architecture: ArchitectureConfig, weights: dict[str, StoredTensor]
) -> tuple[ArchitectureConfig, dict[str, StoredTensor]]:
    """A network whose source and target share a matrix, but no vocabulary, with a matrix for each."""
    if architecture.tied_embeddings not in ("all", "source"):
        return architecture, weights
    weights = weights | {TARGET_EMBEDDING: weights[SOURCE_EMBEDDING]}
    return replace(architecture, tied_embeddings="target" if architecture.tied_embeddings == "all" else "none"), weights


def _read_stack(reader: VariableReader, stack: str, d_model: int, weights: dict[str, StoredTensor]) -> dict[str, Any]:
    """Adds the weights of the encoder or the decoder. Returns the part of the architecture that follows from it."""
    is_pre = bool(reader.scalar(f"{stack}/pre_norm", "pre_norm", default=1))
    activation = int(reader.scalar(f"{stack}/activation", "activation", default=0))
    if activation >= len(_ACTIVATIONS):
        raise InvalidInputError(f"{stack}/activation {activation} is not supported")
    for name in ("alibi", "multi_query_attention"):
        if reader.scalar(f"{stack}/{name}", default=0):
            raise InvalidInputError(f"{stack}/{name} is not supported")
    scale = reader.scalar(f"{stack}/scale_embeddings", f"{stack}/embeddings/multiply_by_sqrt_depth", default=1)
    if scale not in (0, 1) and not math.isclose(scale, math.sqrt(d_model), rel_tol=1e-5):
        raise InvalidInputError(f"{stack}/scale_embeddings {scale} is not supported")
    num_layers = _count_layers(reader, stack)
    d_ff, d_key = _add_layers(reader, stack, num_layers, d_model, weights)
    num_heads = int(reader.scalar(f"{stack}/num_heads", "num_heads", default=8))
    facts: dict[str, Any] = {
        "normalization": "pre" if is_pre else "post",
        "activation": _ACTIVATIONS[activation],
        "scale_embeddings": scale != 0,
        "num_heads": num_heads,
        "d_ff": d_ff,
        "d_key": d_key // max(1, num_heads),
        "d_value": d_key // max(1, num_heads),
        "final_norm": f"{stack}/layer_norm/gamma" in reader,
        "embedding_norm": f"{stack}/layernorm_embedding/gamma" in reader,
        "layers": num_layers,
    }
    if facts["final_norm"]:
        _add_norm(reader, f"{stack}/layer_norm", f"{stack}_norm", d_model, weights)
    if facts["embedding_norm"]:
        _add_norm(reader, f"{stack}/layernorm_embedding", f"{stack}_embedding_norm", d_model, weights)
    table = f"{stack}/position_encodings/encodings"
    if table not in reader:  # as OpenNMT counts them
        return facts | {
            "positions": "half-split",
            "position_exponent": "half-minus-one",
            "first_position": 1,
            "length": MAX_LENGTH,
        }
    stored = reader.array(table)
    described, learnt = describe_positions(stored, d_model, MAX_LENGTH)
    if learnt is not None:
        weights[learnt_positions(stack)] = StoredTensor(learnt)
    return facts | described


def _count_layers(reader: VariableReader, stack: str) -> int:
    count = 0
    while f"{stack}/layer_{count}/ffn/linear_0/weight" in reader and count < MAX_LAYERS:
        count += 1
    if not count:
        raise InvalidInputError(f"lacks the variable {stack}/layer_0/ffn/linear_0/weight")
    return count


_ATTENTIONS: Sequence[tuple[str, str, Sequence[Sequence[str]]]] = (
    ("self_attention", "self_attention", (("query", "key", "value"), ("output",))),
    ("attention", "cross_attention", (("query",), ("key", "value"), ("output",))),
)
"""CTranslate2's name, ours, and the projections whose outputs lie side by side in each of its matrices."""


def _add_layers(
    reader: VariableReader,
    stack: str,
    num_layers: int,
    d_model: int,
    weights: dict[str, StoredTensor],
) -> tuple[int, int]:
    """Adds the weights of all layers. Returns d_ff and the width of all heads together."""
    d_ff = width = 0
    for index in range(num_layers):
        theirs, ours = f"{stack}/layer_{index}", f"{stack}_layers.{index}"
        for name, our_name, groups in _ATTENTIONS[: 1 if stack == "encoder" else 2]:
            for number, parts in enumerate(groups):
                split = _split(reader, f"{theirs}/{name}/linear_{number}", len(parts))
                for part, (weight, bias) in zip(parts, split, strict=True):
                    weights[f"{ours}.{our_name}.{part}.weight"] = weight
                    weights[f"{ours}.{our_name}.{part}.bias"] = bias
            width = weights[f"{ours}.{our_name}.query.weight"].values.shape[0]
            head = reader.scalar(f"{theirs}/{name}/head_dim", default=0)
            if head and width % head:
                raise InvalidInputError(f"{theirs}/{name}/head_dim is {head:.0f}, but all heads have {width} rows")
            _add_norm(reader, f"{theirs}/{name}/layer_norm", f"{ours}.{our_name}_residual.norm", d_model, weights)
        for number, part in enumerate(("inner", "outer")):
            ((weight, bias),) = _split(reader, f"{theirs}/ffn/linear_{number}", 1)
            weights[f"{ours}.feed_forward.{part}.weight"] = weight
            weights[f"{ours}.feed_forward.{part}.bias"] = bias
        d_ff = weights[f"{ours}.feed_forward.inner.weight"].values.shape[0]
        _add_norm(reader, f"{theirs}/ffn/layer_norm", f"{ours}.feed_forward_residual.norm", d_model, weights)
    return d_ff, width


def _split(reader: VariableReader, name: str, num_parts: int) -> Iterator[tuple[StoredTensor, StoredTensor]]:
    """Projections whose outputs lie side by side."""
    weight = reader.matrix(f"{name}/weight")
    bias = reader.vector(f"{name}/bias", len(weight.values))
    if len(weight.values) % num_parts:
        raise InvalidInputError(f"{name}/weight has {len(weight.values)} rows: no multiple of {num_parts}")
    step = len(weight.values) // num_parts
    for start in range(0, len(weight.values), step):
        rows = slice(start, start + step)
        scales = None if weight.scales is None else weight.scales[rows]
        yield StoredTensor(weight.values[rows], scales), StoredTensor(bias.values[rows])


def _add_norm(reader: VariableReader, theirs: str, ours: str, d_model: int, weights: dict[str, StoredTensor]) -> None:
    if f"{theirs}/beta" not in reader and f"{theirs}/gamma" in reader:
        raise InvalidInputError(f"{theirs}: root mean square layer norms are not supported")
    weights[f"{ours}.weight"] = reader.vector(f"{theirs}/gamma", d_model)
    weights[f"{ours}.bias"] = reader.vector(f"{theirs}/beta", d_model)


def read_argos(archive: Path, options: ImportOptions) -> ForeignModel:
    """The model of a package of Argos Translate, .argosmodel. Raises InvalidInputError naming what is wrong."""
    whole = Zip(archive)
    name = whole.find("metadata.json", "*/metadata.json")
    if name is None:
        raise InvalidInputError(f"{archive}: has no metadata.json: no package of Argos Translate")
    top = name.removesuffix("metadata.json")
    package = Zip(archive, top)
    facts = package.read_object("metadata.json")
    codes = [facts.get(key) for key in ("from_code", "to_code")]
    if facts.get("type", "translate") != "translate" or not all(isinstance(code, str) for code in codes):
        raise InvalidInputError(f"{archive}: metadata.json names no translation from a language to another")
    model = read_ctranslate2(
        Zip(archive, f"{top}model/"),
        replace(
            options,
            sources=options.sources or (options.tag(str(codes[0])),),
            targets=options.targets or (options.tag(str(codes[1])),),
        ),
        package,
    )
    codec, prefix = model.codec, facts.get("target_prefix")
    if prefix:
        codec = ForeignVocabulary(
            codec.source, codec.target, replace(codec.config, target_prefix=tuple(str(prefix).split()))
        )
    return replace(
        model,
        format=f"Argos package {facts.get('package_version', '')}, {model.format}",
        codec=codec,
        licence=facts.get("license") if isinstance(facts.get("license"), str) else None,
        details={"files": []},
    )

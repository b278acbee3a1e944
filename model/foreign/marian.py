"""Marian's Transformers: from the names and options of its models to the network's parameters.

Learnt from marian-dev's src/models/transformer.h, src/rnn/cells.h and src/layers/generic.h. Two containers hold these
models: .npz and Bergamot's .bin; both give `MarianTensors`.

In pre-norm, Marian trains the decoder's self-attention with layer norm of its keys and values, but its search leaves it
out of the keys and values of earlier positions. Here they are as in training.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dragoman.model.config import MAX_LAYERS, ArchitectureConfig
from dragoman.model.config_files import validate_tree
from dragoman.model.errors import InvalidInputError
from dragoman.model.foreign.files import Files
from dragoman.model.foreign.model import fit_pieces, floats, integers, unused_ids
from dragoman.model.foreign_vocabulary import ForeignSide, ForeignVocabulary, make_foreign_vocabulary
from dragoman.model.parameters import OUTPUT_BIAS, OUTPUT_PROJECTION, SOURCE_EMBEDDING, TARGET_EMBEDDING
from dragoman.model.weights import StoredTensor

OPTIONS_TENSOR = "special:model.yml"

EOS_ID, UNK_ID = 0, 1
"""Ids of every vocabulary of Marian."""

MAX_LENGTH = 256
"""Pieces of a sentence. The sinusoids have no end, but no model of Marian learns from much longer sentences."""

EPSILON = 1e-6

_ACTIVATIONS = {"relu": "relu", "swish": "swish", "gelu": "gelu-sigmoid"}

_LAST_APPROXIMATION = (1, 12, 0)
"""The last version whose gelu is x σ(1.702 x); later ones compute x Φ(x)."""

_EXPECTED: Mapping[str, Sequence[str | list[str]]] = {
    "type": ("transformer",),
    "transformer-decoder-autoreg": ("self-attention", "rnn"),
    "transformer-ffn-depth": ("2",),
    "transformer-no-projection": ("false",),
    "transformer-pool": ("false",),
    "transformer-tied-layers": ([], ""),
    "lemma-dim-emb": ("0",),
    "ulr": ("false",),
    "output-approx-knn": ([], ""),
    "layer-normalization": ("false",),
    "input-types": ([], ""),
}
"""The values of options with which the network is the one that is read here; a missing option has the first."""

Options = Mapping[str, str | list[str]]


class MarianTensor(NamedTuple):
    """values: as Marian shapes them: [inputs, outputs], [pieces, d_model], [1, outputs]. scale: that of integers."""

    values: NDArray[Any]
    scale: float | None = None

    def stored(self, *, transpose: bool) -> StoredTensor:
        values = self.values.T if transpose else self.values
        return floats(values) if self.scale is None else integers(values, self.scale)


MarianTensors = dict[str, MarianTensor]


def parse_options(text: str) -> dict[str, str | list[str]]:
    """The options of a model: a YAML mapping of scalars and lists of scalars, all as text.

    Marian writes nothing else, and its vocabularies have keys that YAML libraries lose, such as on and null."""
    options: dict[str, str | list[str]] = {}
    key = None
    for line in text.strip("\0").splitlines():
        if not line.strip() or line.startswith(("#", "---")):
            continue
        if line.lstrip().startswith("- ") and key is not None:
            item = scalar(line.lstrip()[2:])
            found = options[key]
            options[key] = [item] if isinstance(found, str) else [*found, item]
            continue
        entry = split_entry(line)
        if entry is None:
            raise InvalidInputError(f'{OPTIONS_TENSOR}: cannot read the line "{line[:80]}"')
        key, value = entry
        if value.startswith("[") and value.endswith("]"):
            options[key] = [scalar(item) for item in value[1:-1].split(",") if item.strip()]
        else:
            options[key] = scalar(value)
    return options


_ENTRY = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s].*?)\s*:(?:\s+(.*))?$""")


def split_entry(line: str) -> tuple[str, str] | None:
    """The key, read, and the value, as it stands, of a line `key: value`; None for another line."""
    match = _ENTRY.match(line)
    return None if match is None else (scalar(match[1]), (match[2] or "").strip())


def scalar(text: str) -> str:
    """A scalar of YAML as its text."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        try:
            return str(json.loads(re.sub(r"\\x([0-9A-Fa-f]{2})", r"\\u00\1", text)))
        except ValueError:
            return text[1:-1]
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    return text


class _Reader:
    """Gives the tensors by name and remembers which are left."""

    def __init__(self, tensors: MarianTensors) -> None:
        self._tensors = tensors
        self.left = {name for name in tensors if name != OPTIONS_TENSOR and not name.endswith("_QuantMultA")}

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def _take(self, name: str) -> MarianTensor:
        if name not in self._tensors:
            raise InvalidInputError(f"the model lacks the tensor {name}")
        self.left.discard(name)
        tensor = self._tensors[name]
        if tensor.values.ndim > 2:
            raise InvalidInputError(f"the tensor {name} has the shape {list(tensor.values.shape)}: two numbers are due")
        return tensor

    def linear(self, name: str) -> StoredTensor:
        return self._take(name).stored(transpose=True)

    def rows(self, name: str) -> StoredTensor:
        return self._take(name).stored(transpose=False)

    def vector(self, name: str) -> StoredTensor:
        tensor = self._take(name)
        values = tensor.values.astype(np.float32).reshape(-1)
        return floats(values if tensor.scale is None else values * tensor.scale)


def read_architecture(options: Options, tensors: MarianTensors) -> ArchitectureConfig:
    """Raises InvalidInputError that names the option of a variant that is not supported."""
    for key, supported in _EXPECTED.items():
        value = options.get(key, supported[0])
        if value not in supported:
            raise InvalidInputError(f"{key}: {value}: this variant of Marian's models is not supported")
    mixer = options.get("transformer-decoder-autoreg", "self-attention")
    if mixer == "rnn" and options.get("dec-cell", "gru") != "ssru":
        raise InvalidInputError(f"dec-cell: {options.get('dec-cell', 'gru')}: of recurrent cells, ssru is supported")
    before, behind = (_letters(options, f"transformer-{key}process") for key in ("pre", "post"))
    if "n" in before and "n" not in behind and "a" in behind:
        normalization = "pre"
    elif "n" not in before and behind.replace("d", "") == "an":
        normalization = "post"
    else:
        raise InvalidInputError(
            f"transformer-preprocess: {before}, transformer-postprocess: {behind}: this order is not supported"
        )
    embedding, top = (_letters(options, f"transformer-postprocess-{key}") for key in ("emb", "top"))
    if normalization == "pre" and "n" not in top:  # such models have other keys and values, too
        raise InvalidInputError("transformer-postprocess-top: without n it is not supported in pre-norm")
    if set(top) - {"d", "n"}:
        raise InvalidInputError(f"transformer-postprocess-top: {top}: this variant is not supported")
    activation = str(options.get("transformer-ffn-activation", "swish"))
    if activation not in _ACTIVATIONS:
        raise InvalidInputError(f"transformer-ffn-activation: {activation}: supported are {', '.join(_ACTIVATIONS)}")
    is_exact = activation == "gelu" and _version(options) > _LAST_APPROXIMATION
    is_tied = options.get("tied-embeddings-all") == "true"
    if not is_tied and options.get("tied-embeddings-src") == "true":
        tied = "all" if options.get("tied-embeddings") == "true" else "source"
    else:
        tied = "all" if is_tied else "target" if options.get("tied-embeddings") == "true" else "none"
    if tied == "all" and "Wemb" not in tensors:
        tied = "target"
    return validate_tree(
        ArchitectureConfig,
        {
            "d_model": _number(options, "dim-emb", 512),
            "d_ff": _number(options, "transformer-dim-ffn", 2048),
            "num_heads": _number(options, "transformer-heads", 8),
            "num_encoder_layers": _number(options, "enc-depth", 6),
            "num_decoder_layers": _number(options, "dec-depth", 6),
            "normalization": normalization,
            "final_norm": "n" in top,
            "embedding_norm": "n" in embedding,
            "norm_epsilon": EPSILON,
            "activation": "gelu" if is_exact else _ACTIVATIONS[activation],
            "tied_embeddings": tied,
            "output_bias": options.get("output-omit-bias", "false") != "true",
            "positions": "half-split",
            "position_exponent": "half-minus-one",
            "decoder_start": "zero",
            "decoder_mixer": "ssru" if mixer == "rnn" else "attention",
            "max_source_length": MAX_LENGTH,
            "max_target_length": MAX_LENGTH,
        },
        origin=OPTIONS_TENSOR,
    )


def _version(options: Options) -> tuple[int, ...]:
    """Of the Marian that wrote the model; (1,) if it does not say."""
    found = re.match(r"v?(\d+)\.(\d+)\.(\d+)", str(options.get("version", "")))
    return tuple(map(int, found.groups())) if found else (1,)


def _letters(options: Options, key: str) -> str:
    value = options.get(key, {"transformer-postprocess": "dan", "transformer-postprocess-emb": "d"}.get(key, ""))
    if not isinstance(value, str):
        raise InvalidInputError(f"{OPTIONS_TENSOR}: {key} must be letters")
    return value


def _number(options: Options, key: str, default: int) -> int:
    value = options.get(key, str(default))
    if not isinstance(value, str) or not value.isdecimal() or len(value) > 9:
        raise InvalidInputError(f"{OPTIONS_TENSOR}: {key} must be a number")
    return int(value)


def read_weights(tensors: MarianTensors, architecture: ArchitectureConfig) -> dict[str, StoredTensor]:
    """The network's parameters. Raises InvalidInputError that names a tensor that is missing or left over."""
    a, reader = architecture, _Reader(tensors)
    weights = dict(_embeddings(a, reader))
    for stack, depth in (("encoder", a.num_encoder_layers), ("decoder", a.num_decoder_layers)):
        if a.embedding_norm:
            weights |= _norm(reader, f"{stack}_emb", f"{stack}_embedding_norm", "_pre")
        for index in range(min(depth, MAX_LAYERS)):
            weights |= _layer(reader, a, stack, f"{stack}_l{index + 1}", f"{stack}_layers.{index}")
        if a.final_norm:
            weights |= _norm(reader, f"{stack}_top", f"{stack}_norm", "")
    if reader.left:
        raise InvalidInputError(f"the model has tensors of an unknown variant: {', '.join(sorted(reader.left)[:5])}")
    return weights


def num_rows(weights: Mapping[str, StoredTensor]) -> tuple[int, int]:
    """The rows of the source's and of the target's embeddings."""
    source = weights[SOURCE_EMBEDDING].values.shape[0]
    return source, weights.get(TARGET_EMBEDDING, weights[SOURCE_EMBEDDING]).values.shape[0]


def _embeddings(a: ArchitectureConfig, reader: _Reader) -> Iterator[tuple[str, StoredTensor]]:
    if a.tied_embeddings in ("all", "source"):
        yield SOURCE_EMBEDDING, reader.rows("Wemb")
    else:
        yield SOURCE_EMBEDDING, reader.rows("encoder_Wemb")
        yield TARGET_EMBEDDING, reader.rows("decoder_Wemb")
    if a.tied_embeddings in ("source", "none"):
        transposed = "decoder_ff_logit_out_Wt" in reader
        name = f"decoder_ff_logit_out_W{'t' if transposed else ''}"
        yield OUTPUT_PROJECTION, reader.rows(name) if transposed else reader.linear(name)
    if a.output_bias:
        yield OUTPUT_BIAS, reader.vector("decoder_ff_logit_out_b")


def _layer(reader: _Reader, a: ArchitectureConfig, stack: str, theirs: str, ours: str) -> dict[str, StoredTensor]:
    suffix = "_pre" if a.normalization == "pre" else ""
    weights: dict[str, StoredTensor] = {}
    attentions = {"self": "self_attention"}
    if stack == "decoder":
        attentions["context"] = "cross_attention"
        if a.decoder_mixer == "ssru":
            del attentions["self"]
            weights |= {
                f"{ours}.ssru.input.weight": reader.linear(f"{theirs}_rnn_W"),
                f"{ours}.ssru.forget.weight": reader.linear(f"{theirs}_rnn_Wf"),
                f"{ours}.ssru.forget.bias": reader.vector(f"{theirs}_rnn_bf"),
                **_norm(reader, f"{theirs}_rnn{'' if suffix else '_ffn'}", f"{ours}.ssru_residual.norm", suffix),
            }
    for theirs_attention, ours_attention in attentions.items():
        for letter, part in (("q", "query"), ("k", "key"), ("v", "value"), ("o", "output")):
            name = f"{ours}.{ours_attention}.{part}"
            weights[f"{name}.weight"] = reader.linear(f"{theirs}_{theirs_attention}_W{letter}")
            weights[f"{name}.bias"] = reader.vector(f"{theirs}_{theirs_attention}_b{letter}")
        norm = f"{ours}.{ours_attention}_residual.norm"
        weights |= _norm(reader, f"{theirs}_{theirs_attention}_Wo", norm, suffix)
    for number, part in ((1, "inner"), (2, "outer")):
        weights[f"{ours}.feed_forward.{part}.weight"] = reader.linear(f"{theirs}_ffn_W{number}")
        weights[f"{ours}.feed_forward.{part}.bias"] = reader.vector(f"{theirs}_ffn_b{number}")
    return weights | _norm(reader, f"{theirs}_ffn_ffn", f"{ours}.feed_forward_residual.norm", suffix)


def _norm(reader: _Reader, theirs: str, ours: str, suffix: str) -> dict[str, StoredTensor]:
    return {
        f"{ours}.weight": reader.vector(f"{theirs}_ln_scale{suffix}"),
        f"{ours}.bias": reader.vector(f"{theirs}_ln_bias{suffix}"),
    }


def marian_vocabulary(source: ForeignSide, target: ForeignSide) -> ForeignVocabulary:
    """The codec of two sides with Marian's special ids: the end of sentence behind every source, and a start that no
    piece stands for."""
    end = source.own_pieces()[EOS_ID]
    return make_foreign_vocabulary(source, target, pad_id=EOS_ID, start_id=EOS_ID, eos_id=EOS_ID, after=[end])


def find_vocabularies(files: Files) -> tuple[str, str]:
    """The files of the source's and the target's vocabulary: those that a configuration of the decoder names, or else
    those that are named like vocabularies. Raises InvalidInputError if there are none."""
    for name in files.names():
        if name.endswith(".yml") and ("decoder" in name or "config" in name):
            named = parse_options(files.read_text(name)).get("vocabs", "")
            found = [PurePath(path).name for path in named] if isinstance(named, list) else []
            if len(found) == 2 and all(path in files for path in found):
                return found[0], found[1]
    endings = ("spm", "yml")
    source = files.find(*(f"{part}.{end}" for end in endings for part in ("srcvocab*", "vocab*src*", "*vocab*", "*")))
    target = files.find(*(f"{part}.{end}" for end in endings for part in ("trgvocab*", "vocab*trg*", "*vocab*", "*")))
    if source is None or target is None:
        raise InvalidInputError(f"{files.origin}: has no vocabulary, such as vocab.spm or vocab.yml")
    return source, target


def read_list(text: str, name: str) -> list[str]:
    """The pieces of a vocabulary in YAML, by id. name: of its file. Raises InvalidInputError for a damaged one."""
    ids: dict[int, str] = {}
    for line in text.splitlines():
        entry = split_entry(line)
        if entry is None or not entry[1].isdecimal():
            if line.strip() and not line.startswith(("#", "---")):
                raise InvalidInputError(f'{name}: cannot read the line "{line[:80]}"')
            continue
        ids[int(entry[1])] = entry[0]
    if not ids or sorted(ids) != list(range(len(ids))):
        raise InvalidInputError(f"{name}: its ids are not 0, 1, 2 and so on")
    return [ids[number] for number in range(len(ids))]


def read_codec(files: Files, source_rows: int, target_rows: int) -> tuple[ForeignVocabulary, list[str]]:
    """The codec of a folder, and the names of its files. rows: of the embeddings."""
    names = find_vocabularies(files)
    used = dict.fromkeys(names)
    sides: list[ForeignSide] = []
    for place, (name, rows) in enumerate(zip(names, (source_rows, target_rows), strict=True)):
        if place and name == names[0] and name.endswith(".spm"):
            sides.append(sides[0])
            continue
        if name.endswith(".spm"):
            side = ForeignSide(
                files.read(name), None, unk_id=UNK_ID, reserved=(EOS_ID, UNK_ID), origin=str(files.origin / name)
            )
            if side.size != rows:
                raise InvalidInputError(f"{files.origin / name}: has {side.size:,} pieces, but {rows:,} are due")
        else:
            model_name = files.first(("source.spm", "spm.model") if not place else ("target.spm", "spm.model"))
            if model_name is None and (found := files.first(("source.bpe", "target.bpe", "source.tcmodel"))):
                raise InvalidInputError(
                    f"{files.origin / found}: texts that were tokenized and split by subword-nmt are not supported; "
                    "SentencePiece is"
                )
            listed = read_list(files.read_text(name), str(files.origin / name))
            side = ForeignSide(
                None if model_name is None else files.read(model_name),
                fit_pieces(listed, rows, str(files.origin / name)),
                unk_id=UNK_ID,
                reserved=(EOS_ID, UNK_ID, *unused_ids(listed, rows)),
                origin=str(files.origin / name),
            )
            used |= {} if model_name is None else {model_name: None}
        sides.append(side)
    return marian_vocabulary(*sides), list(used)

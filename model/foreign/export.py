"""A bundle as a CTranslate2 model folder, for teams that already run it; needs the extra `ctranslate2`.

The weights are the same, and in float32 CTranslate2 4.8.5 finds the same hypotheses, except where its search differs:

- Its `length_penalty` normalizes scores like `length_normalization="average"` here, end of sentence included; it has no
  "gnmt". With 0 it stops early: once the best hypothesis of a step has ended, and `num_hypotheses` in all. 1e-9 gives
  the same sums of log probabilities and stops as our search does.
- CTranslate2 excludes pieces (`suppress_sequences`, `disable_unk`, the end of sentence before `min_decoding_length`)
  before the softmax, so that the other pieces share their probability; here the other pieces keep theirs. At the first
  position, where both exclude the end of sentence, this adds the same to the scores of all hypotheses of a sentence.
- Our search never chooses language tags and the bytes of control characters; CTranslate2 excludes them only if
  `suppress_sequences` lists them (see `Codec.forbidden_ids`).
- `max_decoding_length` counts the end of sentence, as here, but defaults to 256 whatever the source's length.
- CTranslate2 silently truncates a source beyond `max_input_length`; one beyond the model's positions is an error.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from dragoman.model.bundle import BundleConfig, read_config, read_vocabulary
from dragoman.model.codec import Codec
from dragoman.model.config import Activation, Architecture, ArchitectureConfig, Direction
from dragoman.model.errors import DragomanError, InvalidInputError
from dragoman.model.files import new_folder, write_atomically
from dragoman.model.foreign_vocabulary import ForeignSide
from dragoman.model.parameters import (
    OUTPUT_BIAS,
    OUTPUT_PROJECTION,
    SOURCE_EMBEDDING,
    TARGET_EMBEDDING,
    learnt_positions,
    position_encodings,
)
from dragoman.model.shortlist import read_shortlist, write_vmap
from dragoman.model.weights import StoredTensor, read_weights

if TYPE_CHECKING:
    from ctranslate2.specs import TransformerSpec

Quantization = Literal["float32", "float16", "bfloat16", "int16", "int8"]
"""How CTranslate2 stores the matrices. It can convert again when it loads them (`compute_type`)."""

_ACTIVATIONS: Mapping[Activation, str] = {
    "relu": "RELU",
    "swish": "SWISH",
    "gelu": "GELU",
    "gelu-tanh": "GELUTanh",
    "gelu-sigmoid": "GELUSigmoid",
}
"""CTranslate2's names."""

MODEL_FILE = "model.bin"
"""The file that identifies a CTranslate2 model folder."""

VMAP_FILE = "vmap.txt"
"""CTranslate2's file for a shortlist."""


def export_ctranslate2(
    bundle: Path,
    output: Path,
    *,
    quantization: Quantization = "float32",
    shortlist: Direction | None = None,
    overwrite: bool = False,
) -> None:
    """Writes the folder `output`: a CTranslate2 model, the bundle's SentencePiece models and a README with an example.

    shortlist: the one direction whose lexical shortlist goes into the folder, for `use_vmap=True`.

    Raises DragomanError if ctranslate2 is not installed or the folder cannot be written, InvalidInputError if the
    bundle is damaged or has a shape that CTranslate2 cannot express, or if `output` holds something; with `overwrite`
    an older CTranslate2 model is replaced. Raises NotFoundError for a direction without a shortlist.
    """
    if quantization not in get_args(Quantization):
        raise InvalidInputError(
            f"quantization is {quantization}, but must be one of {', '.join(get_args(Quantization))}"
        )
    _check_output(output, overwrite)
    info = read_config(bundle)
    _expressible(info.architecture)
    vocabulary = read_vocabulary(bundle, info)
    lists = read_shortlist(bundle, info) if shortlist is not None else None
    spec = _build_spec(info, _copied(read_weights(bundle, info)), vocabulary)
    spec.validate()
    spec.optimize(quantization=quantization)
    try:
        with new_folder(output) as folder:
            spec.save(str(folder))
            for name, content in _piece_models(vocabulary).items():
                write_atomically(folder / name, content)
            if lists is not None and shortlist is not None:
                write_vmap(folder / VMAP_FILE, lists, shortlist, vocabulary)
            write_atomically(folder / "README.md", _readme(info, vocabulary, quantization, shortlist))
    except OSError as error:
        raise DragomanError(f"{output}: the model cannot be written: {error.strerror or error}") from error


def _check_output(output: Path, overwrite: bool) -> None:
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return
    if not overwrite:
        raise InvalidInputError(f"{output}: exists already; choose another folder, or give --overwrite")
    if not (output / MODEL_FILE).is_file():
        raise InvalidInputError(f"{output}: exists and is no CTranslate2 model: it will not be replaced by one")


def _expressible(architecture: Architecture) -> ArchitectureConfig:
    if not isinstance(architecture, ArchitectureConfig):
        raise InvalidInputError("CTranslate2 cannot express this model: it is no Transformer with an encoder")
    if architecture.d_key != architecture.d_value:
        raise InvalidInputError(
            f"CTranslate2 cannot express this model: its heads have keys of d_key {architecture.d_key} and values of "
            f"d_value {architecture.d_value}, which must be equal there"
        )
    if architecture.decoder_mixer != "attention":
        raise InvalidInputError(
            "CTranslate2 cannot express this model: its decoder has an SSRU, which is not known there"
        )
    return architecture


Weights = dict[str, StoredTensor]


def _copied(weights: Weights) -> Weights:
    """Tensors that may be written to, as torch wants it, in which CTranslate2 computes other types."""
    copies = {id(one): StoredTensor(one.values.copy(), one.scales) for one in weights.values()}
    return {name: copies[id(one)] for name, one in weights.items()}


"""Weights by name; those that went into the specification are removed."""


def _build_spec(info: BundleConfig, weights: Weights, vocabulary: Codec) -> "TransformerSpec":
    try:
        from ctranslate2.specs import TransformerDecoderSpec, TransformerEncoderSpec, TransformerSpec, common_spec
    except ImportError as error:
        raise DragomanError(
            "exporting to CTranslate2 needs the package ctranslate2: pip install 'dragoman[ctranslate2]'"
        ) from error
    a = architecture = _expressible(info.architecture)
    common = {
        "num_heads": a.num_heads,
        "pre_norm": True,  # only then is a final norm declared
        "no_final_norm": not a.final_norm,
        "layernorm_embedding": a.embedding_norm,
        "activation": common_spec.Activation[_ACTIVATIONS[a.activation]],
        "head_dim": a.d_key,
    }
    spec = TransformerSpec(
        TransformerEncoderSpec(a.num_encoder_layers, **common),
        # The attention that it returns is averaged over the last layer's first alignment_heads: here, over all.
        TransformerDecoderSpec(a.num_decoder_layers, alignment_heads=a.num_heads, **common),
    )
    spec.encoder.pre_norm = spec.decoder.pre_norm = a.normalization == "pre"
    spec.decoder.start_from_zero_embedding = a.decoder_start == "zero"
    _set_stack(spec.encoder, "encoder", architecture, weights)
    spec.encoder.embeddings[0].weight = weights.pop(SOURCE_EMBEDDING).as_floats()
    _set_stack(spec.decoder, "decoder", architecture, weights)
    spec.decoder.embeddings.weight = weights.pop(TARGET_EMBEDDING).as_floats()
    spec.decoder.projection.weight = weights.pop(OUTPUT_PROJECTION).as_floats()
    if a.output_bias:
        spec.decoder.projection.bias = weights.pop(OUTPUT_BIAS).as_floats()
    if weights:
        raise InvalidInputError(f"CTranslate2 cannot express this model: it has no place for {', '.join(weights)}")
    _set_vocabulary(spec, info, vocabulary)
    spec.config.layer_norm_epsilon = architecture.norm_epsilon
    return spec


# CTranslate2's specification has no types. It declares the attributes set here, and its `validate` names each one
# that was forgotten.


def _set_vocabulary(spec: Any, info: BundleConfig, vocabulary: Codec) -> None:
    source_pieces, target_pieces = (
        model.own_pieces() if isinstance(model, ForeignSide) else list(model.pieces(range(model.size)))
        for model in (vocabulary.source, vocabulary.target)
    )
    spec.register_source_vocabulary(source_pieces)
    spec.register_target_vocabulary(target_pieces)
    shape = vocabulary.shape
    spec.config.unk_token = target_pieces[shape.unk_id]
    spec.config.bos_token = spec.config.decoder_start_token = target_pieces[shape.start_id]
    spec.config.eos_token = target_pieces[shape.eos_id]
    spec.config.add_source_eos = _ends_alone(info, vocabulary)


def _set_stack(spec: Any, stack: str, architecture: ArchitectureConfig, weights: Weights) -> None:
    """Sets all of the encoder or the decoder except the matrices of the vocabulary's size."""
    spec.scale_embeddings = architecture.scale_embeddings
    if architecture.positions == "learnt":
        spec.position_encodings.encodings = weights.pop(learnt_positions(stack)).as_floats()
    else:
        spec.position_encodings.encodings = position_encodings(architecture)
    if architecture.embedding_norm:
        _set_norm(spec.layernorm_embedding, f"{stack}_embedding_norm", weights)
    if architecture.final_norm:
        _set_norm(spec.layer_norm, f"{stack}_norm", weights)
    for index, layer in enumerate(spec.layer):
        name = f"{stack}_layers.{index}"
        projections = [f"{name}.self_attention.{part}" for part in ("query", "key", "value")]
        _set_linear(layer.self_attention.linear[0], projections, weights)
        _set_linear(layer.self_attention.linear[1], [f"{name}.self_attention.output"], weights)
        _set_norm(layer.self_attention.layer_norm, f"{name}.self_attention_residual.norm", weights)
        if stack == "decoder":
            _set_linear(layer.attention.linear[0], [f"{name}.cross_attention.query"], weights)
            projections = [f"{name}.cross_attention.{part}" for part in ("key", "value")]
            _set_linear(layer.attention.linear[1], projections, weights)
            _set_linear(layer.attention.linear[2], [f"{name}.cross_attention.output"], weights)
            _set_norm(layer.attention.layer_norm, f"{name}.cross_attention_residual.norm", weights)
        _set_linear(layer.ffn.linear_0, [f"{name}.feed_forward.inner"], weights)
        _set_linear(layer.ffn.linear_1, [f"{name}.feed_forward.outer"], weights)
        _set_norm(layer.ffn.layer_norm, f"{name}.feed_forward_residual.norm", weights)


def _set_linear(spec: Any, names: list[str], weights: Weights) -> None:
    """Several projections of the same input become one, their outputs side by side."""
    spec.weight = np.concatenate([weights.pop(f"{name}.weight").as_floats() for name in names])
    spec.bias = np.concatenate([weights.pop(f"{name}.bias").as_floats() for name in names])


def _set_norm(spec: Any, name: str, weights: Weights) -> None:
    spec.gamma, spec.beta = weights.pop(f"{name}.weight").as_floats(), weights.pop(f"{name}.bias").as_floats()


def _piece_models(vocabulary: Codec) -> dict[str, bytes]:
    """SentencePiece's models by their files' names, the source's first; none if spaces separate pieces."""
    return {name: content for name, content in vocabulary.files().items() if name.endswith(".model")}


def _ends_alone(info: BundleConfig, vocabulary: Codec) -> bool:
    """Whether the end of sentence, which CTranslate2 can add, is all that follows every source."""
    end = (vocabulary.shape.eos_id,)
    return all(vocabulary.frame(direction).after == end for direction in info.directions)


def _readme(info: BundleConfig, vocabulary: Codec, quantization: str, shortlist: Direction | None) -> str:
    directions = ", ".join(map(str, info.directions[:20])) + (" …" if len(info.directions) > 20 else "")
    frame, limits = vocabulary.frame(info.directions[0]), info.architecture
    ends_alone = _ends_alone(info, vocabulary)
    before, target = vocabulary.source.pieces(frame.before), vocabulary.target.pieces(frame.target)
    after = () if ends_alone else vocabulary.source.pieces(frame.after)
    start = vocabulary.target.pieces([vocabulary.shape.start_id])[0]
    models = list(_piece_models(vocabulary))
    encode, decode = ("text.split()", '" ".join(result.hypotheses[0])')
    if models:
        encode = "source_pieces.encode(text, out_type=str)"
        decode = "target_pieces.decode(result.hypotheses[0]" + ("[1:])" if target else ")")
    framed = ", ".join([*(f'"{piece}"' for piece in before), f"*{encode}", *(f'"{piece}"' for piece in after)])
    prefix = f" target_prefix=[{list(target)}] * len(texts)," if target else ""
    lines = [
        f"# {info.name} for CTranslate2",
        "",
        f'Made from the Dragoman bundle "{info.name}" ({directions}); weights in {quantization}.',
        "Needs `ctranslate2` and `sentencepiece`. In this folder:",
        "",
        "```python",
        "import ctranslate2",
        *(
            [
                "import sentencepiece",
                "",
                f'source_pieces = sentencepiece.SentencePieceProcessor(model_file="{models[0]}")',
                f'target_pieces = sentencepiece.SentencePieceProcessor(model_file="{models[-1]}")',
            ]
            if models
            else [""]
        ),
        'translator = ctranslate2.Translator(".")',
        "",
        'texts = ["Good morning."]',
        f"sources = [[{framed}] for text in texts]",
        f"results = translator.translate_batch(sources,{prefix} beam_size=4, "
        f"max_decoding_length={limits.max_target_length})",
        "for result in results:",
        f"    print({decode})",
        "```",
        "",
        *_frame_lines(info, vocabulary),
        *(
            ["- CTranslate2 adds the end of sentence, `</s>`, to a source itself: do not add another."]
            if ends_alone
            else []
        ),
        f"- A source has at most {limits.source_limit - frame.num_source} pieces beside tag and end; split longer "
        "texts into sentences.",
        f"- Decoding begins with `{start}`, which CTranslate2 adds, too.",
    ]
    return "\n".join(lines) + "\n" + _vmap_line(shortlist)


_END_LINE = "- CTranslate2 adds the end of sentence, `</s>`, to a source itself: do not add another."


def _frame_lines(info: BundleConfig, vocabulary: Codec) -> list[str]:
    """How a source and its translation begin in each direction, as far as the directions differ."""
    frames = [vocabulary.frame(direction) for direction in info.directions]
    source = list(dict.fromkeys(vocabulary.source.pieces(frame.before) for frame in frames))
    target = list(dict.fromkeys(vocabulary.target.pieces(frame.target) for frame in frames))
    lines = []
    if any(source) and any(target):
        lines.append("- A source has the tag of its own language; `target_prefix` has that of the other.")
    elif any(source):
        tags = ", ".join(f"`{' '.join(pieces)}`" for pieces in source)
        lines.append(f"- A source begins with the tag of the language to translate into: {tags}.")
    return lines


def _vmap_line(shortlist: Direction | None) -> str:
    if shortlist is None:
        return ""
    return f"- `use_vmap=True` is faster for {shortlist}, and for that alone: with the pieces of `{VMAP_FILE}`.\n"

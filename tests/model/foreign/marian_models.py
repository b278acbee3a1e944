"""Small Marian models of random weights, made alike on every machine; `golden/` holds what Marian says of them.

`python -m tests.model.foreign.marian_models FOLDER` writes them as .npz files, for making the golden file anew.
"""

import io
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece
from numpy.typing import NDArray

GOLDEN = Path(__file__).parent / "golden"

TEXTS = [
    "the sea is calm",
    "the ship sails at night",
    "calm is the night",
    "a ship is at sea",
    "sails sail the sea",
    "we light the lamps",
    "the harbour is near",
]

BASE = {
    "type": "transformer",
    "enc-depth": "2",
    "dec-depth": "2",
    "dim-emb": "16",
    "transformer-dim-ffn": "24",
    "transformer-heads": "2",
    "transformer-ffn-activation": "relu",
    "transformer-ffn-depth": "2",
    "transformer-preprocess": '""',
    "transformer-postprocess": "dan",
    "transformer-postprocess-emb": "d",
    "transformer-postprocess-top": '""',
    "transformer-decoder-autoreg": "self-attention",
    "transformer-train-position-embeddings": "false",
    "transformer-no-projection": "false",
    "transformer-tied-layers": "[]",
    "dec-cell": "gru",
    "tied-embeddings": "false",
    "tied-embeddings-src": "false",
    "tied-embeddings-all": "true",
    "output-omit-bias": "false",
    "layer-normalization": "false",
    "input-types": "[]",
    "lemma-dim-emb": "0",
    "ulr": "false",
    "max-length": "50",
    "version": "v1.12.42",
}
"""A model's options, as Marian writes them."""

VARIANTS: dict[str, dict[str, str]] = {
    "post-norm": {},
    "pre-norm": {
        "transformer-preprocess": "n",
        "transformer-postprocess": "da",
        "transformer-postprocess-top": "n",
    },
    "ssru": {"transformer-decoder-autoreg": "rnn", "dec-cell": "ssru"},
    "ssru-pre-norm": {
        "transformer-decoder-autoreg": "rnn",
        "dec-cell": "ssru",
        "transformer-preprocess": "n",
        "transformer-postprocess": "da",
        "transformer-postprocess-top": "n",
    },
    "gelu": {"transformer-ffn-activation": "gelu"},
    "embedding-norm": {"transformer-postprocess-emb": "nd"},
    "untied": {"tied-embeddings-all": "false"},
    "tied-target": {"tied-embeddings-all": "false", "tied-embeddings": "true"},
    "tied-source": {"tied-embeddings-all": "false", "tied-embeddings-src": "true"},
    "no-bias": {"output-omit-bias": "true"},
    "swish": {"transformer-ffn-activation": "swish"},
}
"""What distinguishes each variant from BASE."""


def train_pieces() -> bytes:
    """A SentencePiece model as Marian trains them: the end of sentence is 0, the unknown piece 1, and there is no
    other special piece."""
    output = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS * 4),
        model_writer=output,
        vocab_size=48,
        model_type="bpe",
        eos_id=0,
        unk_id=1,
        bos_id=-1,
        pad_id=-1,
        normalization_rule_name="identity",
        minloglevel=2,
    )
    return output.getvalue()


def pieces() -> bytes:
    """The model of `train_pieces`, from its file."""
    return (GOLDEN / "marian.spm").read_bytes()


def options_text(variant: str, num_pieces: int) -> str:
    """A model's special:model.yml."""
    lines = [f"{key}: {value}" for key, value in sorted((BASE | VARIANTS[variant]).items())]
    return "\n".join([*lines, "dim-vocabs:", f"  - {num_pieces}", f"  - {num_pieces}"])


def make_tensors(variant: str, num_pieces: int, seed: int = 1) -> dict[str, NDArray[np.float32]]:
    """A model's tensors, in Marian's shapes and under its names."""
    options = BASE | VARIANTS[variant]
    random = np.random.RandomState(seed)  # whose numbers never change
    width, inner = int(options["dim-emb"]), int(options["transformer-dim-ffn"])
    tensors: dict[str, NDArray[np.float32]] = {}

    def matrix(name: str, rows: int, columns: int, deviation: float = 0.4) -> None:
        tensors[name] = (random.standard_normal((rows, columns)) * deviation).astype(np.float32)

    def norm(name: str, suffix: str = "") -> None:
        tensors[f"{name}_ln_scale{suffix}"] = (1 + 0.3 * random.standard_normal((1, width))).astype(np.float32)
        matrix(f"{name}_ln_bias{suffix}", 1, width, 0.2)

    is_shared = "true" in (options["tied-embeddings-all"], options["tied-embeddings-src"])
    for name in ["Wemb"] if is_shared else ["encoder_Wemb", "decoder_Wemb"]:
        matrix(name, num_pieces, width, 0.6)
    if "true" not in (options["tied-embeddings-all"], options["tied-embeddings"]):
        matrix("decoder_ff_logit_out_W", width, num_pieces, 0.6)
    if options["output-omit-bias"] == "false":
        matrix("decoder_ff_logit_out_b", 1, num_pieces)
        tensors["decoder_ff_logit_out_b"][0, 0] += 3  # so that sentences end
    suffix = "_pre" if options["transformer-preprocess"] == "n" else ""
    for stack in ("encoder", "decoder"):
        if "n" in options["transformer-postprocess-emb"]:
            norm(f"{stack}_emb", "_pre")
        if "n" in options["transformer-postprocess-top"]:
            norm(f"{stack}_top")
        for layer in (f"{stack}_l1", f"{stack}_l2"):
            attentions = ["self"] if stack == "encoder" else ["self", "context"]
            if stack == "decoder" and options["transformer-decoder-autoreg"] == "rnn":
                attentions = ["context"]
                matrix(f"{layer}_rnn_W", width, width)
                matrix(f"{layer}_rnn_Wf", width, width)
                matrix(f"{layer}_rnn_bf", 1, width)
                norm(f"{layer}_rnn" if suffix else f"{layer}_rnn_ffn", suffix)
            for attention in attentions:
                for letter in "qkvo":
                    matrix(f"{layer}_{attention}_W{letter}", width, width)
                    matrix(f"{layer}_{attention}_b{letter}", 1, width)
                norm(f"{layer}_{attention}_Wo", suffix)
            matrix(f"{layer}_ffn_W1", width, inner)
            matrix(f"{layer}_ffn_b1", 1, inner)
            matrix(f"{layer}_ffn_W2", inner, width)
            matrix(f"{layer}_ffn_b2", 1, width)
            norm(f"{layer}_ffn_ffn", suffix)
    return tensors


def write_npz(path: Path, tensors: Mapping[str, NDArray[np.float32]], options: str) -> None:
    """A model as Marian stores it."""
    description = np.frombuffer(options.encode() + b"\0", np.int8)
    arrays: dict[str, Any] = {**tensors, "special:model.yml": description}
    np.savez(path, **arrays)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    size = sentencepiece.SentencePieceProcessor(model_proto=pieces()).get_piece_size()
    for name in VARIANTS:
        write_npz(folder / f"{name}.npz", make_tensors(name, size), options_text(name, size))

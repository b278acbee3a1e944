"""Small models in the files of transformers, of random weights, made alike on every machine; `golden/` holds what
transformers says of them.

`python -m tests.model.foreign.huggingface_models FOLDER` writes them, for making the golden file anew.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece
from numpy.typing import NDArray
from safetensors.numpy import save_file

from tests.model.foreign.marian_models import GOLDEN

M2M100_LANGUAGES = ["af", "de", "en", "fr", "zh"]
NLLB_LANGUAGES = ["ace_Arab", "ace_Latn", "deu_Latn", "eng_Latn", "fra_Latn", "zho_Hans", "zho_Hant"]
MBART_LANGUAGES = ["ar_AR", "de_DE", "en_XX", "fr_XX"]

WIDTH, INNER = 16, 24

KINDS: dict[str, dict[str, Any]] = {
    "marian": {"model_type": "marian", "activation_function": "swish", "scale_embedding": True},
    "marian-targets": {"model_type": "marian", "activation_function": "relu", "scale_embedding": True},
    "marian-untied": {
        "model_type": "marian",
        "activation_function": "gelu",
        "scale_embedding": False,
        "share_encoder_decoder_embeddings": False,
        "tie_word_embeddings": False,
    },
    "m2m100": {"model_type": "m2m_100", "activation_function": "relu", "scale_embedding": True},
    "nllb": {"model_type": "m2m_100", "activation_function": "relu", "scale_embedding": True},
    "nllb-legacy": {"model_type": "m2m_100", "activation_function": "relu", "scale_embedding": True},
    "mbart": {"model_type": "mbart", "activation_function": "gelu", "scale_embedding": True},
}
"""What is special in each model's config.json."""


def model_pieces() -> list[str]:
    """The pieces of the SentencePiece model in golden/, without its </s> and <unk>."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=(GOLDEN / "marian.spm").read_bytes())
    return list(processor.id_to_piece(list(range(2, processor.get_piece_size()))))


def fairseq_model() -> bytes:
    """The same model with the special pieces of fairseq's: <unk>, <s>, </s>."""
    from sentencepiece import sentencepiece_model_pb2 as protobuf

    model = protobuf.ModelProto.FromString((GOLDEN / "marian.spm").read_bytes())  # type: ignore[attr-defined]
    pieces = [piece for piece in model.pieces if piece.piece not in ("</s>", "<unk>")]
    kinds = (("<unk>", 2), ("<s>", 3), ("</s>", 3))
    special = [type(pieces[0])(piece=name, score=0.0, type=kind) for name, kind in kinds]
    del model.pieces[:]
    model.pieces.extend([*special, *pieces])
    model.trainer_spec.unk_id, model.trainer_spec.bos_id, model.trainer_spec.eos_id = 0, 1, 2
    content: bytes = model.SerializeToString()
    return content


def pieces_of(kind: str) -> list[str]:
    """A model's pieces, by id."""
    texts = model_pieces()
    if kind.startswith("marian"):
        named = [">>fra<<", ">>deu<<", ">>cmn_Hans<<"] if kind == "marian-targets" else []
        return ["</s>", "<unk>", *named, *reversed(texts), "<pad>"]
    first = ["<s>", "<pad>", "</s>", "<unk>"]
    if kind == "m2m100":
        return [*first, *reversed(texts), *(f"__{code}__" for code in M2M100_LANGUAGES), "madeupword0", "madeupword1"]
    return [*first, *texts, *(MBART_LANGUAGES if kind == "mbart" else NLLB_LANGUAGES), "<mask>"]


def make_config(kind: str) -> dict[str, Any]:
    """A model's config.json."""
    size = len(pieces_of(kind))
    is_marian = kind.startswith("marian")
    return {
        "architectures": [
            {"m2m_100": "M2M100ForConditionalGeneration", "mbart": "MBartForConditionalGeneration"}.get(
                KINDS[kind]["model_type"], "MarianMTModel"
            )
        ],
        "d_model": WIDTH,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": INNER,
        "decoder_ffn_dim": INNER,
        "vocab_size": size,
        "max_position_embeddings": 64,
        "pad_token_id": size - 1 if is_marian else 1,
        "eos_token_id": 0 if is_marian else 2,
        "bos_token_id": 0,
        "decoder_start_token_id": size - 1 if is_marian else 2,
        "share_encoder_decoder_embeddings": True,
        "tie_word_embeddings": True,
        **({"bad_words_ids": [[size - 1]], "decoder_vocab_size": size} if is_marian else {}),
        **KINDS[kind],
    }


def make_tensors(kind: str, seed: int = 1) -> dict[str, NDArray[np.float32]]:
    """A model's tensors, by their names in transformers."""
    config = make_config(kind)
    random = np.random.RandomState(seed)  # whose numbers never change
    tensors: dict[str, NDArray[np.float32]] = {}

    def fill(name: str, *shape: int, deviation: float = 0.4, mean: float = 0.0) -> None:
        tensors[name] = (mean + deviation * random.standard_normal(shape)).astype(np.float32)

    def linear(name: str, rows: int, columns: int) -> None:
        fill(f"{name}.weight", rows, columns)
        fill(f"{name}.bias", rows)

    def norm(name: str) -> None:
        fill(f"{name}.weight", WIDTH, deviation=0.3, mean=1)
        fill(f"{name}.bias", WIDTH, deviation=0.2)

    is_marian, size = kind.startswith("marian"), config["vocab_size"]
    if config["share_encoder_decoder_embeddings"]:
        fill("model.shared.weight", size, WIDTH, deviation=0.6)
    else:
        for stack in ("encoder", "decoder"):
            fill(f"model.{stack}.embed_tokens.weight", size, WIDTH, deviation=0.6)
    if not config["tie_word_embeddings"]:
        fill("lm_head.weight", size, WIDTH, deviation=0.6)
    for name in list(tensors):
        if "lm_head" not in name:
            tensors[name][config["pad_token_id"]] = 0
    if is_marian:
        fill("final_logits_bias", 1, size)
        tensors["final_logits_bias"][0, 0] += 3  # so that sentences end
    for stack in ("encoder", "decoder"):
        if config["model_type"] == "mbart":
            fill(f"model.{stack}.embed_positions.weight", 64 + 2, WIDTH, deviation=0.6)
            norm(f"model.{stack}.layernorm_embedding")
        if not is_marian:
            norm(f"model.{stack}.layer_norm")
        for index in range(2):
            layer = f"model.{stack}.layers.{index}"
            for attention in ["self_attn"] if stack == "encoder" else ["self_attn", "encoder_attn"]:
                for part in "kvq":
                    linear(f"{layer}.{attention}.{part}_proj", WIDTH, WIDTH)
                linear(f"{layer}.{attention}.out_proj", WIDTH, WIDTH)
                norm(f"{layer}.{attention}_layer_norm")
            linear(f"{layer}.fc1", INNER, WIDTH)
            linear(f"{layer}.fc2", WIDTH, INNER)
            norm(f"{layer}.final_layer_norm")
    return tensors


def write_model(folder: Path, kind: str) -> Path:
    """A model's folder, as transformers writes it."""
    folder.mkdir(parents=True, exist_ok=True)
    pieces = pieces_of(kind)
    save_file(make_tensors(kind), folder / "model.safetensors", metadata={"format": "pt"})
    ids = {piece: number for number, piece in enumerate(pieces)}
    settings: dict[str, Any] = {"unk_token": "<unk>"}
    if kind.startswith("marian"):
        settings |= {"source_lang": "eng", "target_lang": "mul" if kind == "marian-targets" else "de"}
        (folder / "source.spm").write_bytes((GOLDEN / "marian.spm").read_bytes())
        (folder / "target.spm").write_bytes((GOLDEN / "marian.spm").read_bytes())
        write_json(folder / "vocab.json", ids)
    else:
        (folder / "sentencepiece.bpe.model").write_bytes(fairseq_model())
        languages = {"m2m100": [f"__{code}__" for code in M2M100_LANGUAGES], "mbart": MBART_LANGUAGES}
        settings["mask_token"] = "<mask>"
        settings["additional_special_tokens"] = languages.get(kind, NLLB_LANGUAGES)
        settings["tokenizer_class"] = {"m2m100": "M2M100Tokenizer", "mbart": "MBart50Tokenizer"}.get(
            kind, "NllbTokenizer"
        )
        if kind == "nllb-legacy":
            settings["legacy_behaviour"] = True
        if kind == "m2m100":
            own = [piece for piece in pieces if not piece.startswith(("__", "madeupword"))]
            write_json(folder / "vocab.json", {piece: ids[piece] for piece in own})
    write_json(folder / "tokenizer_config.json", settings)
    write_json(folder / "config.json", make_config(kind))
    return folder


def write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False), "utf-8")


if __name__ == "__main__":
    for name in KINDS:
        write_model(Path(sys.argv[1]) / name, name)

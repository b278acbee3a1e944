"""Makes transformers.json: logits that Hugging Face's transformers 5.24.0 computes with weights made up by name.

Run it in an environment of its own with torch and transformers: `python make.py`. The tests need neither this script
nor transformers.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers  # type: ignore[import-not-found, unused-ignore]
from weights import SOURCES, TARGETS, made_up  # type: ignore[import-not-found, unused-ignore]

SIZES = {
    "d_model": 16,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 24,
    "vocab_size": 23,
    "max_position_embeddings": 12,
    "dropout": 0.0,
    "pad_token_id": 1,
}


def our_name(theirs: str) -> str:
    """The parameter's name in Dragoman."""
    fixed = {
        "shared.weight": "source_embedding.weight",
        "final_logits_bias": "output_projection.bias",
        "encoder.embed_positions.weight": "encoder_positions.weight",
        "decoder.embed_positions.weight": "decoder_positions.weight",
    }
    name = theirs.removeprefix("model.")
    if name in fixed:
        return fixed[name]
    name = re.sub(r"^(en|de)coder\.layers\.", r"\1coder_layers.", name)
    for old, new in (
        ("self_attn_layer_norm", "self_attention_residual.norm"),
        ("encoder_attn_layer_norm", "cross_attention_residual.norm"),
        ("final_layer_norm", "feed_forward_residual.norm"),
        ("self_attn.", "self_attention."),
        ("encoder_attn.", "cross_attention."),
        ("q_proj", "query"),
        ("k_proj", "key"),
        ("v_proj", "value"),
        ("out_proj", "output"),
        ("fc1", "feed_forward.inner"),
        ("fc2", "feed_forward.outer"),
        ("encoder.layernorm_embedding", "encoder_embedding_norm"),
        ("decoder.layernorm_embedding", "decoder_embedding_norm"),
        ("encoder.layer_norm", "encoder_norm"),
        ("decoder.layer_norm", "decoder_norm"),
    ):
        name = name.replace(old, new)
    return name


def models() -> Iterator[tuple[str, Any]]:
    marian = {"activation_function": "swish", "scale_embedding": True, "decoder_start_token_id": 1}
    yield "Marian", transformers.MarianMTModel(transformers.MarianConfig(**SIZES, **marian))
    m2m = {"activation_function": "relu", "scale_embedding": True}
    yield "M2M100", transformers.M2M100ForConditionalGeneration(transformers.M2M100Config(**SIZES, **m2m))
    mbart = {"activation_function": "gelu", "scale_embedding": False}
    yield "mBART", transformers.MBartForConditionalGeneration(transformers.MBartConfig(**SIZES, **mbart))


@torch.no_grad()
def main() -> None:
    golden = {}
    for kind, model in models():
        model.double().eval()
        state = dict(model.named_parameters()) | {
            name: buffer for name, buffer in model.named_buffers() if name == "final_logits_bias"
        }
        for name, tensor in state.items():
            if name.endswith("embed_positions.weight") and kind == "Marian":
                continue  # sinusoids
            numbers = made_up(our_name(name), tuple(tensor.shape))
            if name.endswith("embed_positions.weight"):  # the first two are of no position
                numbers[2:] = made_up(our_name(name), (tensor.shape[0] - 2, tensor.shape[1]))
            tensor.copy_(torch.from_numpy(numbers.reshape(tensor.shape)))
        golden[kind] = [
            model(input_ids=torch.tensor([source]), decoder_input_ids=torch.tensor([target])).logits[0].tolist()
            for source, target in zip(SOURCES, TARGETS, strict=True)
        ]
        print(kind, [our_name(name) for name in state][:4], len(state))
    rounded = {kind: [np.round(rows, 6).tolist() for rows in some] for kind, some in golden.items()}
    Path(__file__).with_name("transformers.json").write_text(json.dumps(rounded) + "\n")


if __name__ == "__main__":
    main()

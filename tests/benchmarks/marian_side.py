"""transformers' process: MarianMTModel at the base shape with random weights, for scale."""

import time
from collections.abc import Sequence

import torch
from transformers import MarianConfig, MarianMTModel

from tests.benchmarks.processes import serve

PAD_ID, EOS_ID, FIRST_ID = 0, 1, 2


class MarianSide:
    """See the methods; `load` comes first."""

    def load(self, vocab_size: int, dtype: str) -> None:
        """dtype: torch's name of it."""
        torch.manual_seed(1)
        config = MarianConfig(
            vocab_size=vocab_size,
            d_model=512,
            encoder_layers=6,
            decoder_layers=6,
            encoder_ffn_dim=2048,
            decoder_ffn_dim=2048,
            encoder_attention_heads=8,
            decoder_attention_heads=8,
            pad_token_id=PAD_ID,
            eos_token_id=EOS_ID,
            decoder_start_token_id=PAD_ID,
            forced_eos_token_id=None,
        )
        self._model = MarianMTModel(config).to(getattr(torch, dtype)).train(False)

    @torch.inference_mode()
    def translate(self, lengths: Sequence[int], num_target_pieces: int, batch_size: int) -> dict[str, float]:
        """Random sources of these lengths, longest first; seconds and the number of pieces."""
        ordered = sorted(lengths, reverse=True)
        started = time.perf_counter()
        for first in range(0, len(ordered), batch_size):
            batch = ordered[first : first + batch_size]
            ids = torch.full((len(batch), batch[0]), PAD_ID)
            for row, length in enumerate(batch):
                ids[row, :length] = torch.randint(FIRST_ID, self._model.config.vocab_size, (length,))
            generated = self._model.generate(
                input_ids=ids,
                attention_mask=(ids != PAD_ID).long(),
                num_beams=4,
                min_new_tokens=num_target_pieces,
                max_new_tokens=num_target_pieces,
            )
            if generated.shape != (len(batch), num_target_pieces + 1):  # with the start
                raise ValueError(f"generated {generated.shape}")
        return {"seconds": time.perf_counter() - started, "num_pieces": len(ordered) * num_target_pieces}


if __name__ == "__main__":
    serve(MarianSide())

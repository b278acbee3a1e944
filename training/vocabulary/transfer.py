"""Embeddings for another vocabulary than that of the model which gives them (Gee et al. 2022: fast vocabulary
transfer)."""

import torch
from torch import Tensor

from dragoman.model.codec import Side
from dragoman.model.vocabulary import is_language_tag
from dragoman.training.vocabulary.extension import WORD_BEGINNING

_SHARE, _SHARE_OF_A_REPETITION = 0.85, 0.6
"""A new piece's length beside the mean of its parts: as long as these, it would be as likely a translation as they."""

_NOISE, _NOISE_OF_THE_UNKNOWN = 0.1, 0.5
"""Standard deviation of the noise, in that of the embeddings; larger for pieces that were spelt by bytes, which are
alike."""


def transfer_embeddings(embeddings: Tensor, theirs: Side, ours: Side, *, seed: int) -> Tensor:
    """[pieces of theirs, d_model] -> [pieces of ours, d_model]: a piece that both have keeps its embedding; another
    begins with the mean of those that spell it in `theirs`, and a little noise; the tag of a new language, with the
    mean of the tags."""
    random = torch.Generator().manual_seed(seed)
    deviation = float(embeddings.std())
    transferred = torch.empty(ours.size, embeddings.shape[1])
    tags = [tag_id for tag_id, tag in enumerate(theirs.pieces(range(theirs.size))) if is_language_tag(tag)]
    for piece_id, piece in enumerate(ours.pieces(range(ours.size))):
        known = theirs.piece_id(piece)
        if known is not None:
            transferred[piece_id] = embeddings[known]
            continue
        parts = (tags if is_language_tag(piece) else []) or _spelling(piece, theirs)
        is_unknown = all(part.startswith("<0x") for part in theirs.pieces(parts))
        noise = torch.randn(embeddings.shape[1], generator=random) * deviation
        share = _SHARE_OF_A_REPETITION if len(set(parts)) == 1 else _SHARE
        mean = embeddings[parts].mean(dim=0) if parts else torch.zeros(embeddings.shape[1])
        transferred[piece_id] = share * mean + noise * (_NOISE_OF_THE_UNKNOWN if is_unknown else _NOISE)
    return transferred


def _spelling(piece: str, model: Side) -> list[int]:
    """The ids of another model's pieces that spell a piece where it stands: at the beginning of a word or inside it."""
    if piece.startswith(WORD_BEGINNING):
        return model.encode(piece.replace(WORD_BEGINNING, " "))
    inside = model.encode(f".{piece}")  # no piece joins a full stop and letters
    stop = model.encode(".")
    if inside[: len(stop)] == stop:
        return inside[len(stop) :]
    return [part for part in model.encode(piece) if model.pieces([part]) != (WORD_BEGINNING,)]

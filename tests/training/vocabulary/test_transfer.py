"""Embeddings for another vocabulary."""

import torch

from dragoman.model.vocabulary import PieceModelOptions, Vocabulary, train_piece_model
from dragoman.training.vocabulary.transfer import transfer_embeddings


def test_a_known_piece_keeps_its_embedding_and_a_new_one_begins_near_its_parts(
    tiny_vocabulary: Vocabulary, tiny_sentences: list[str]
) -> None:
    theirs = tiny_vocabulary.source
    texts = [*tiny_sentences, *["The doghouse 漢"] * 50]
    ours = train_piece_model(texts, PieceModelOptions(size=420, type="bpe"), languages=["en", "de"])
    embeddings = torch.randn(theirs.size, 64, generator=torch.Generator().manual_seed(5))

    moved = transfer_embeddings(embeddings, theirs, ours, seed=1)

    assert moved.shape == (ours.size, 64)
    new = [piece_id for piece_id, piece in enumerate(ours.pieces(range(ours.size))) if theirs.piece_id(piece) is None]
    assert 0 < len(new) < ours.size
    for piece_id, piece in enumerate(ours.pieces(range(ours.size))):
        if piece_id not in new:
            assert torch.equal(moved[piece_id], embeddings[theirs.piece_id(piece)])
    compound = ours.piece_id("▁doghouse")
    assert compound in new
    parts = embeddings[theirs.encode("doghouse")].mean(dim=0)
    assert torch.cosine_similarity(moved[compound], parts, dim=0) > 0.8
    assert moved[new].norm(dim=1).min() > 0
    assert torch.equal(moved, transfer_embeddings(embeddings, theirs, ours, seed=1))


def test_the_tag_of_a_new_language_begins_near_the_mean_of_the_tags(
    tiny_vocabulary: Vocabulary, tiny_sentences: list[str]
) -> None:
    theirs = tiny_vocabulary.source
    ours = train_piece_model(tiny_sentences, PieceModelOptions(size=330, type="bpe"), languages=["chr", "en"])
    embeddings = torch.randn(theirs.size, 64, generator=torch.Generator().manual_seed(5))

    moved = transfer_embeddings(embeddings, theirs, ours, seed=1)

    assert torch.equal(moved[ours.tag_id("en")], embeddings[theirs.tag_id("en")])
    mean = embeddings[[theirs.tag_id("de"), theirs.tag_id("en")]].mean(dim=0)
    assert torch.cosine_similarity(moved[ours.tag_id("chr")], mean, dim=0) > 0.9

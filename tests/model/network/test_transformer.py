"""The network against torch's own, its masks as properties, and its steps against the whole."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from dragoman.model.config import ArchitectureConfig, VocabularyShape
from dragoman.model.config_files import validate_tree
from dragoman.model.network.network import num_parameters, pad_batch
from dragoman.model.network.transformer import (
    DecoderLayer,
    EncoderLayer,
    FeedForward,
    MultiHeadAttention,
    Residual,
    Transformer,
)
from dragoman.model.parameters import sinusoidal_positions
from tests.pieces import PAD_ID

SOURCE_SIZE, TARGET_SIZE = 17, 23


def make_network(*, joint: bool = False, noise: float = 0.3, **shape: object) -> Transformer:
    """Random weights in float64, biases and norms too, in evaluation mode."""
    values = {
        "d_model": 12,
        "d_ff": 20,
        "num_heads": 3,
        "d_key": 5,
        "d_value": 2,
        "num_encoder_layers": 2,
        "num_decoder_layers": 2,
        "tied_embeddings": "all" if joint else "none",
        "max_source_length": 30,
        "max_target_length": 30,
    } | shape
    vocabulary = VocabularyShape(
        source_size=TARGET_SIZE if joint else SOURCE_SIZE, target_size=TARGET_SIZE, joint=joint
    )
    torch.manual_seed(0)
    network = Transformer(validate_tree(ArchitectureConfig, values), vocabulary).double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(noise * torch.randn_like(parameter))
    return network


def make_batch(lengths: list[int], target_length: int) -> tuple[Tensor, Tensor, Tensor]:
    """Random source pieces, their mask, and target pieces."""
    source = torch.randint(4, SOURCE_SIZE, (len(lengths), max(lengths)))
    mask = torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)
    return source.where(mask, PAD_ID), mask, torch.randint(2, TARGET_SIZE, (len(lengths), target_length))


# Against torch.nn.Transformer


def copy_attention(ours: MultiHeadAttention, theirs: nn.MultiheadAttention) -> None:
    projections = (ours.query, ours.key, ours.value)
    theirs.in_proj_weight.copy_(torch.cat([layer.weight for layer in projections]))
    theirs.in_proj_bias.copy_(torch.cat([layer.bias for layer in projections]))
    theirs.out_proj.load_state_dict(ours.output.state_dict())


def copy_feed_forward(ours: FeedForward, theirs: nn.TransformerEncoderLayer | nn.TransformerDecoderLayer) -> None:
    theirs.linear1.load_state_dict(ours.inner.state_dict())
    theirs.linear2.load_state_dict(ours.outer.state_dict())


def copy_norm(ours: Residual, theirs: nn.LayerNorm) -> None:
    theirs.load_state_dict(ours.norm.state_dict())


@torch.no_grad()
def torch_twin(network: Transformer) -> nn.Transformer:
    """torch.nn.Transformer with the network's weights."""
    config = network.config
    pre_norm = config.normalization == "pre"
    sizes = (config.d_model, config.num_heads, config.d_ff, 0.0)
    encoder_layer = nn.TransformerEncoderLayer(*sizes, batch_first=True, norm_first=pre_norm)
    decoder_layer = nn.TransformerDecoderLayer(*sizes, batch_first=True, norm_first=pre_norm)
    # torch's default ends both stacks in a norm, even in post-norm where the last layer has just normalized.
    encoder_norm = nn.LayerNorm(config.d_model) if pre_norm else None
    decoder_norm = nn.LayerNorm(config.d_model) if pre_norm else None
    twin = nn.Transformer(
        config.d_model,
        config.num_heads,
        batch_first=True,
        custom_encoder=nn.TransformerEncoder(
            encoder_layer, config.num_encoder_layers, encoder_norm, enable_nested_tensor=False
        ),
        custom_decoder=nn.TransformerDecoder(decoder_layer, config.num_decoder_layers, decoder_norm),
    ).double()
    for our_encoder, their_encoder in zip(network.encoder_layers, twin.encoder.layers, strict=True):
        assert isinstance(our_encoder, EncoderLayer)
        assert isinstance(their_encoder, nn.TransformerEncoderLayer)
        copy_attention(our_encoder.self_attention, their_encoder.self_attn)
        copy_feed_forward(our_encoder.feed_forward, their_encoder)
        copy_norm(our_encoder.self_attention_residual, their_encoder.norm1)
        copy_norm(our_encoder.feed_forward_residual, their_encoder.norm2)
    for our_decoder, their_decoder in zip(network.decoder_layers, twin.decoder.layers, strict=True):
        assert isinstance(our_decoder, DecoderLayer)
        assert isinstance(their_decoder, nn.TransformerDecoderLayer)
        copy_attention(our_decoder.self_attention, their_decoder.self_attn)
        copy_attention(our_decoder.cross_attention, their_decoder.multihead_attn)
        copy_feed_forward(our_decoder.feed_forward, their_decoder)
        copy_norm(our_decoder.self_attention_residual, their_decoder.norm1)
        copy_norm(our_decoder.cross_attention_residual, their_decoder.norm2)
        copy_norm(our_decoder.feed_forward_residual, their_decoder.norm3)
    if encoder_norm is not None and decoder_norm is not None:
        encoder_norm.load_state_dict(network.encoder_norm.state_dict())
        decoder_norm.load_state_dict(network.decoder_norm.state_dict())
    return twin.train()  # without dropout the same as eval, which would take a path that knows no gradient


@pytest.mark.parametrize("normalization", ["pre", "post"])
def test_equals_torch_with_the_same_weights(normalization: str) -> None:
    network = make_network(normalization=normalization, d_key=4, d_value=4, dropout=0.0)
    source, source_mask, target = make_batch([6, 2, 4], 5)

    def embed(embedding: nn.Embedding, ids: Tensor) -> Tensor:
        positions = torch.from_numpy(sinusoidal_positions(ids.shape[1], 12)).double()
        embedded: Tensor = embedding.weight[ids] * math.sqrt(12) + positions
        return embedded

    causal_mask = nn.Transformer.generate_square_subsequent_mask(5, dtype=torch.float64)
    decoded = torch_twin(network)(
        embed(network.source_embedding, source),
        embed(network.target_embedding, target),
        tgt_mask=causal_mask,
        src_key_padding_mask=torch.zeros(source.shape).double().masked_fill(~source_mask, -torch.inf),
        memory_key_padding_mask=torch.zeros(source.shape).double().masked_fill(~source_mask, -torch.inf),
    )
    due = decoded @ network.output_projection.weight.T
    torch.testing.assert_close(network(source, source_mask, target), due)


# What may see what


@given(
    lengths=st.lists(st.integers(1, 7), min_size=1, max_size=3),
    target_length=st.integers(2, 7),
    place=st.integers(1, 6),
    normalization=st.sampled_from(["pre", "post"]),
)
@settings(deadline=None, max_examples=15)
@torch.no_grad()
def test_a_later_target_piece_changes_no_earlier_logit(
    lengths: list[int], target_length: int, place: int, normalization: str
) -> None:
    place = min(place, target_length - 1)
    network = make_network(normalization=normalization)
    source, source_mask, target = make_batch(lengths, target_length)
    changed = target.clone()
    changed[:, place] = (changed[:, place] + 1) % TARGET_SIZE
    before, after = network(source, source_mask, target), network(source, source_mask, changed)
    torch.testing.assert_close(after[:, :place], before[:, :place])
    assert ((after - before)[:, place:].abs().amax(dim=-1) > 1e-9).all()


@given(
    lengths=st.lists(st.integers(1, 7), min_size=2, max_size=4),
    target_length=st.integers(1, 5),
    more_padding=st.integers(0, 5),
)
@settings(deadline=None, max_examples=15)
@torch.no_grad()
def test_padding_and_batch_mates_change_nothing(lengths: list[int], target_length: int, more_padding: int) -> None:
    network = make_network()
    source, source_mask, target = make_batch(lengths, target_length)
    padded = nn.functional.pad(source, (0, more_padding), value=5)  # what stands under the mask does not matter
    padded_mask = nn.functional.pad(source_mask, (0, more_padding))
    target_padded = nn.functional.pad(target, (0, more_padding), value=PAD_ID)
    logits = network(padded, padded_mask, target_padded)
    for row, length in enumerate(lengths):
        alone = network(source[row : row + 1, :length], source_mask[row : row + 1, :length], target[row : row + 1])
        torch.testing.assert_close(logits[row : row + 1, :target_length], alone)


@torch.no_grad()
def test_every_source_piece_reaches_every_logit() -> None:
    network = make_network()
    source, source_mask, target = make_batch([4], 3)
    before = network(source, source_mask, target)
    for place in range(4):
        changed = source.clone()
        changed[0, place] = (changed[0, place] + 1) % SOURCE_SIZE
        assert ((network(changed, source_mask, target) - before).abs().amax(dim=-1) > 1e-9).all()


@torch.no_grad()
def test_order_matters() -> None:
    network = make_network()
    source_mask, target = torch.ones(1, 3, dtype=torch.bool), torch.tensor([[2, 5]])
    forwards, backwards = (network(torch.tensor([ids]), source_mask, target) for ids in ([5, 6, 7], [7, 6, 5]))
    assert not torch.allclose(forwards, backwards)


# One step at a time


class ListCache:
    """Everything kept in lists, by row: slow and obvious."""

    def __init__(self, network: Transformer) -> None:
        self.network = network
        self.beams = 3
        self.kept: list[list[list[tuple[Tensor, Tensor]]]] = []  # row, layer, position
        self.states: list[list[Tensor]] = []  # row, layer: of the last position
        self.sources: list[tuple[list[tuple[Tensor, Tensor]], Tensor]] = []

    def admit(self, source: Tensor, source_mask: Tensor) -> None:
        self.sources.append((self.network.project_source(self.network.encode(source, source_mask)), source_mask))
        self.kept += [[[] for _ in self.network.decoder_layers] for _ in range(self.beams)]
        self.states += [[torch.zeros(1, 12).double() for _ in self.network.decoder_layers] for _ in range(self.beams)]

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        for row, kept in enumerate(self.kept):
            kept[layer].append((keys[row, :, 0], values[row, :, 0]))
        lengths = torch.tensor([len(kept[layer]) for kept in self.kept])
        padded = [[*kept[layer], *kept[layer][:1] * (int(lengths.max()) - len(kept[layer]))] for kept in self.kept]
        mask = torch.arange(int(lengths.max())) < lengths.unsqueeze(1)
        all_keys = torch.stack([torch.stack([keys for keys, _ in row], dim=1) for row in padded])
        all_values = torch.stack([torch.stack([values for _, values in row], dim=1) for row in padded])
        return all_keys, all_values, mask[:, None, None, :]

    def last_state(self, layer: int) -> Tensor:
        return torch.stack([states[layer] for states in self.states])

    def keep_state(self, layer: int, state: Tensor) -> None:
        for row, states in enumerate(self.states):
            states[layer] = state[row]

    def source(self, layer: int) -> tuple[Tensor, Tensor, Tensor]:
        keys = torch.cat([projections[layer][0] for projections, _ in self.sources])
        values = torch.cat([projections[layer][1] for projections, _ in self.sources])
        return keys, values, torch.cat([mask for _, mask in self.sources])[:, None, None, :]

    def attended(self, layer: int, weights: Tensor) -> None:
        assert weights.shape == (len(self.sources), self.network.config.num_heads, self.beams, 7)
        torch.testing.assert_close(weights.sum(dim=-1), torch.ones(weights.shape[:-1], dtype=weights.dtype))
        for slot, (_, mask) in enumerate(self.sources):
            assert not weights[slot].masked_fill(mask[0], 0.0).any()


@pytest.mark.parametrize(
    "variant",
    [
        {},
        {"normalization": "post"},
        {"decoder_mixer": "ssru", "normalization": "post"},
        {"decoder_mixer": "ssru", "decoder_start": "zero", "positions": "learnt", "embedding_norm": True},
    ],
)
@torch.no_grad()
def test_steps_equal_the_whole_with_rows_at_different_positions(variant: dict[str, object]) -> None:
    """Three sentences of three beams each, one admitted at each of the first three steps."""
    network = make_network(**variant)  # type: ignore[arg-type]
    source, source_mask, targets = make_batch([5, 2, 7], 8)
    targets = torch.randint(2, TARGET_SIZE, (3, 3, 8))
    due = torch.stack([network(source, source_mask, targets[:, beam]) for beam in range(3)], dim=1)  # [3, 3, 8, V]
    cache = ListCache(network)
    for step in range(8):
        if step < 3:
            cache.admit(source[step : step + 1], source_mask[step : step + 1])
        positions = torch.tensor([step - slot for slot in range(len(cache.sources))])
        token_ids = torch.stack([targets[slot, :, position] for slot, position in enumerate(positions.tolist())])
        logits = network.decode_step(token_ids.flatten(), positions.repeat_interleave(3), cache)
        for slot, position in enumerate(positions.tolist()):
            torch.testing.assert_close(logits.view(-1, 3, TARGET_SIZE)[slot], due[slot, :, position])


# Weights


@pytest.mark.parametrize(("tied", "num_matrices"), [("all", 1), ("target", 2), ("none", 3)])
def test_tied_embeddings_are_one_matrix(tied: str, num_matrices: int) -> None:
    network = make_network(joint=True, tied_embeddings=tied)
    weights = [network.source_embedding.weight, network.target_embedding.weight, network.output_projection.weight]
    assert len({weight.data_ptr() for weight in weights}) == num_matrices
    assert len({id(weight) for weight in weights}) == num_matrices
    assert num_parameters(network) == sum(
        weight.numel() for weight in {id(weight): weight for weight in network.parameters()}.values()
    )
    assert num_parameters(make_network(joint=True, tied_embeddings="none")) - num_parameters(network) == (
        (3 - num_matrices) * TARGET_SIZE * 12
    )
    # A step of the optimizer moves them together, in double precision as well.
    network(torch.tensor([[5]]), torch.tensor([[True]]), torch.tensor([[2]])).sum().backward()
    with torch.no_grad():
        for parameter in network.parameters():
            assert parameter.grad is not None
            parameter.sub_(parameter.grad)
    assert torch.equal(weights[0], weights[2]) is (tied == "all")
    assert torch.equal(weights[1], weights[2]) is (tied != "none")


def test_number_of_parameters_by_hand() -> None:
    network = make_network(num_encoder_layers=1, num_decoder_layers=1)
    attention = 2 * (12 * 15 + 15) + (12 * 6 + 6) + (6 * 12 + 12)
    feed_forward = 12 * 20 + 20 + 20 * 12 + 12
    norm = 2 * 12
    layers = (attention + feed_forward + 2 * norm) + (2 * attention + feed_forward + 3 * norm)
    assert num_parameters(network) == layers + 2 * norm + (SOURCE_SIZE + 2 * TARGET_SIZE) * 12


def test_initialization() -> None:
    network = make_network(noise=0.0, d_model=64, d_ff=96, d_key=16, d_value=8)
    for name, module in network.named_modules():
        if isinstance(module, nn.Linear) and name != "output_projection":
            bound = math.sqrt(6 / (module.in_features + module.out_features))
            assert module.weight.abs().max() <= bound
            assert module.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.1)
            assert not module.bias.any()
        elif isinstance(module, nn.LayerNorm):
            assert (module.weight == 1).all()
            assert not module.bias.any()
    for weight in (network.source_embedding.weight, network.target_embedding.weight, network.output_projection.weight):
        assert weight.mean().item() == pytest.approx(0, abs=0.02)
        assert weight.std().item() == pytest.approx(1 / 8, rel=0.1)


def test_final_norms_only_in_pre_norm() -> None:
    assert isinstance(make_network(normalization="pre").encoder_norm, nn.LayerNorm)
    assert isinstance(make_network(normalization="post").encoder_norm, nn.Identity)
    assert isinstance(make_network(normalization="post").decoder_norm, nn.Identity)


def test_positions_are_not_saved() -> None:
    assert "position_encodings" not in make_network().state_dict()


@torch.no_grad()
def test_dropout_acts_in_training_alone() -> None:
    network = make_network(dropout=0.5, attention_dropout=0.5, feed_forward_dropout=0.5)
    batch = make_batch([3, 4], 3)
    assert torch.equal(network(*batch), network(*batch))
    network.train()
    assert not torch.allclose(network(*batch), network(*batch))


def test_every_parameter_learns() -> None:
    network = make_network().train()
    network(*make_batch([3, 6], 4)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        if not name.endswith("key.bias"):  # softmax does not feel a constant added to all scores
            assert parameter.grad.abs().max() > 1e-12, name


def test_pad_batch() -> None:
    assert pad_batch([[5], [6, 7, 8], [9, 10]], PAD_ID).tolist() == [[5, 0, 0], [6, 7, 8], [9, 10, 0]]
    assert pad_batch([[5, 6]], PAD_ID).dtype == torch.int64

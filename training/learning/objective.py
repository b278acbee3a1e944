"""The loss of a batch: one module, so that DDP and FSDP2 can wrap it as a whole."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from dragoman.model.network.network import Network
from dragoman.model.network.recurrent import RecurrentNetwork
from dragoman.training.config import ObjectiveConfig
from dragoman.training.corpus.batching import Batch
from dragoman.training.learning.guided_alignment import AlignmentPrior, alignment_loss
from dragoman.training.learning.loss import projected_cross_entropy, projected_r_drop
from dragoman.training.learning.native.operations import fastest_cross_entropy, fastest_operations
from dragoman.training.learning.native.recurrent import fastest_unrolling


class LossSums(NamedTuple):
    """Sums over the target tokens of a batch, in nats, in float32."""

    total: Tensor  # a scalar, the loss; only this one can be differentiated
    negative_log_likelihood: Tensor  # [corpora], each corpus's own


class Objective(nn.Module):
    """Label-smoothed cross-entropy of a network's predictions, with the terms that the options add."""

    def __init__(
        self,
        network: Network,
        options: ObjectiveConfig,
        *,
        low_precision: bool,
        alignment_prior: AlignmentPrior | None = None,
    ) -> None:
        """alignment_prior: the target of guided alignment; None without it."""
        super().__init__()
        self.network = network
        device = next(network.parameters()).device
        self.network.use(fastest_operations(device, low_precision=low_precision))
        if isinstance(network, RecurrentNetwork):
            network.unroll_by(fastest_unrolling(device, low_precision=low_precision))
        self.cross_entropy = fastest_cross_entropy(device, low_precision=low_precision)
        self.options = options
        self.low_precision = low_precision
        self.alignment_prior = alignment_prior

    def forward(self, batch: Batch) -> LossSums:
        """A batch on the network's device; matrix products in bfloat16 if `low_precision`, sums in float32."""
        options, network = self.options, self.network
        passes = 2 if options.r_drop else 1  # R-Drop sends every pair through the network twice, side by side
        source, source_mask = batch.source.repeat(passes, 1), batch.source_mask.repeat(passes, 1)
        target_input = batch.target_input.repeat(passes, 1)
        attention: list[Tensor] = []
        unk_id = network.vocabulary.unk_id
        with torch.autocast(source.device.type, torch.bfloat16, enabled=self.low_precision):
            encoded = network.encode(drop_words(source, options.source_word_dropout, unk_id), source_mask)
            decoded = network.decode(
                encoded,
                source_mask,
                drop_words(target_input, options.target_word_dropout, unk_id),
                attended=attention.append if self.alignment_prior is not None else None,
            )
        # [rows, d_model]: padding costs no output projection. Of a second pass the places follow those of the first.
        places = torch.cat([batch.label_places + number * batch.labels.numel() for number in range(passes)])
        states = decoded.flatten(0, 1).index_select(0, places)
        states = states.to(torch.bfloat16) if self.low_precision else states
        labels = batch.labels.flatten().index_select(0, batch.label_places)
        weight = network.output_projection.weight
        if network.config.output_bias:  # as the weight of one more number of every state, which is 1
            states = torch.cat((states, states.new_ones(len(states), 1)), dim=1)
            weight = torch.cat((weight, network.output_projection.bias.unsqueeze(1)), dim=1)
        corpora = batch.corpora.index_select(0, batch.label_places // batch.labels.shape[1])
        groups = corpora, batch.num_corpora
        if options.r_drop:
            sums = projected_r_drop(states, weight, labels, options.label_smoothing, options.r_drop, groups)
        else:
            sums = projected_cross_entropy(states, weight, labels, options.label_smoothing, groups, self.cross_entropy)
        total, negative_log_likelihood = sums
        if self.alignment_prior is not None:
            prior = self.alignment_prior.of(batch)
            for weights in attention[-1].chunk(passes):
                total = total + options.guided_alignment / passes * alignment_loss(weights, prior)
        return LossSums(total, negative_log_likelihood)


def drop_words(ids: Tensor, probability: float, unk_id: int) -> Tensor:
    """Replaces each piece by the unknown piece with a probability, so that the network learns to do without it
    (Sennrich et al. 2016, "Edinburgh Neural Machine Translation Systems"; Gal and Ghahramani 2016).

    ids: [N, length]. The first piece, the language tag or the beginning of sentence, stays. Any other may be replaced,
    also the source's end of sentence; replaced padding has no effect, since it is masked or has no label.
    """
    if not probability:
        return ids
    dropped = torch.rand(ids.shape, device=ids.device) < probability
    dropped[:, 0] = False
    return ids.masked_fill(dropped, unk_id)

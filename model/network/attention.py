"""Multi-head attention (Vaswani et al. 2017, section 3.2)."""

from torch import Tensor, nn

from dragoman.model.config import ArchitectureConfig
from dragoman.model.network.dropout import Dropout
from dragoman.model.network.operations import Operations, TorchOperations, attention_weights, combine


class MultiHeadAttention(nn.Module):
    """softmax(Q Kᵀ / √d_key) V in every head, the heads concatenated and projected back to d_model.

    `d_key` and `d_value` are free: neither must equal the other nor d_model / num_heads. Self-attention and
    cross-attention are this one module; they differ only in where the keys and values come from, so the caller
    projects those itself (`project_keys_values`) and may keep them.
    """

    operations: Operations = TorchOperations()

    def __init__(self, config: ArchitectureConfig) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        self.query = nn.Linear(config.d_model, config.num_heads * config.d_key)
        self.key = nn.Linear(config.d_model, config.num_heads * config.d_key)
        self.value = nn.Linear(config.d_model, config.num_heads * config.d_value)
        self.output = nn.Linear(config.num_heads * config.d_value, config.d_model)
        self.dropout = Dropout(config.attention_dropout)

    def forward(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        """Attends from every query position to the given keys.

        queries: [N, query_length, d_model], not yet projected.
        keys, values: [N, num_heads, key_length, d_key] and [..., d_value], from `project_keys_values`.
        mask: broadcastable to [N, num_heads, query_length, key_length], True where a query may look; every query must
            be allowed to look somewhere.
        Returns [N, query_length, d_model].
        """
        return self.output(
            self.operations.attend(self._split_heads(self.query(queries)), keys, values, mask, self.dropout)
        )

    def weights(self, queries: Tensor, keys: Tensor, mask: Tensor) -> Tensor:
        """How much every query looks at every key, in every head: [N, num_heads, query_length, key_length], whose rows
        add up to 1; the arguments as for `forward`."""
        return attention_weights(self._split_heads(self.query(queries)), keys, mask)

    def combine(self, weights: Tensor, values: Tensor) -> Tensor:
        """The values as `weights` weigh them, projected back to d_model: [N, query_length, d_model]."""
        return self.output(combine(self.dropout(weights), values))

    def project_keys_values(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """[N, length, d_model] -> keys [N, num_heads, length, d_key] and values [N, num_heads, length, d_value]."""
        return self._split_heads(self.key(states)), self._split_heads(self.value(states))

    def _split_heads(self, projected: Tensor) -> Tensor:
        """[N, length, num_heads · d] -> [N, num_heads, length, d]"""
        return projected.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

"""What every system trains: the shape of the network, the recipe, the files.

Needs the standard library alone, since the systems run in environments of their own.
"""

from dataclasses import dataclass
from pathlib import Path

LABEL_SMOOTHING = 0.1
DROPOUT = 0.1
"""On embeddings and sublayers' outputs; none on attention weights, where a system lets them be told apart."""
LEARNING_RATE = 1e-4
"""Constant, or the peak after a warm-up: low enough that no loss overflows, and of no effect on speed."""
CLIP_NORM = 1.0
MAX_LENGTH = 100
"""Most pieces of a sentence; longer pairs are left out for all alike."""
BUCKET_PAIRS = 16_384
"""Pairs that Eole and OpenNMT-py encode and sort at a time; their default, 262,144, is more than a corpus here has."""
NEVER = 10**9
"""Updates until a validation or a checkpoint, or until the end: the benchmark stops each system before."""
SOURCE, TARGET = "en", "de"


@dataclass(frozen=True, slots=True)
class Shape:
    """A Transformer's sizes."""

    num_encoder_layers: int
    num_decoder_layers: int
    d_model: int
    d_ff: int
    num_heads: int


SHAPES = {
    "6+2x256": Shape(num_encoder_layers=6, num_decoder_layers=2, d_model=256, d_ff=1024, num_heads=4),
    "4+4x128": Shape(num_encoder_layers=4, num_decoder_layers=4, d_model=128, d_ff=256, num_heads=4),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a side is told when it starts; all paths are texts, so that it can travel as JSON.

    shape: a key of SHAPES. corpus: the folder that `corpus.prepare` made. scratch: a folder for this side alone, which
    it may fill. batch_tokens: padded pieces of a batch, on its longer side. threads: for torch's operators.
    """

    shape: str
    corpus: str
    scratch: str
    batch_tokens: int
    threads: int
    seed: int = 1

    @property
    def sizes(self) -> Shape:
        return SHAPES[self.shape]

    def text(self, split: str, language: str) -> str:
        """The file with a split's sentences, one a line; split: "train" or "dev"."""
        return str(Path(self.corpus) / f"{split}.{language}")

    @property
    def piece_model(self) -> str:
        """The SentencePiece model that all systems share."""
        return str(Path(self.corpus) / "vocabulary.model")

    @property
    def piece_list(self) -> str:
        """Its pieces, one a line, without the reserved ones."""
        return str(Path(self.corpus) / "pieces.txt")

    @property
    def encoded(self) -> str:
        """The training pairs as JSON: {"source": [[id, …], …], "target": [[id, …], …]}, each with its end."""
        return str(Path(self.corpus) / "train.json")

"""Configurations that fit a corpus's size, and their files with comments."""

import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dragoman.model.config import Direction


@dataclass(frozen=True, slots=True)
class Preset:
    """Sizes for about `pairs` sentence pairs. origin: where they come from, in plain words; reached: the BLEU that was
    measured with them, or that none was."""

    pairs: int
    vocabulary: int
    d_model: int
    d_ff: int
    num_heads: int
    encoder_layers: int
    decoder_layers: int
    dropout: float
    inner_dropout: float
    optimizer: str
    learning_rate: float
    batch_tokens: int
    accumulation: int
    updates: int
    warmup_share: float
    schedule: str
    ema_decay: float
    origin: str
    reached: str

    @property
    def warmup_updates(self) -> int:
        return max(1, round(self.warmup_share * self.updates))


PRESETS = (
    Preset(
        pairs=2_000, vocabulary=2_000, d_model=128, d_ff=256, num_heads=4, encoder_layers=3, decoder_layers=3,
        dropout=0.3, inner_dropout=0.1, optimizer="muon", learning_rate=6e-3, batch_tokens=1_024, accumulation=1,
        updates=3_000, warmup_share=0.1, schedule="linear", ema_decay=0.998,
        origin="not measured yet; a small vocabulary and much dropout, as Sennrich and Zhang (2019) advise",
        reached="not measured; so few pairs alone seldom give a useful model: fine-tune one ([initialization] bundle)",
    ),
    Preset(
        pairs=20_000, vocabulary=8_000, d_model=128, d_ff=256, num_heads=4, encoder_layers=4, decoder_layers=4,
        dropout=0.3, inner_dropout=0.1, optimizer="muon", learning_rate=6e-3, batch_tokens=2_048, accumulation=1,
        updates=8_000, warmup_share=0.04, schedule="linear", ema_decay=0.998,
        origin="close to configs/multi30k-en-de.toml, which was measured with 29,000 pairs, 10,000 pieces and 12,000 "
        "updates; these sizes themselves were not",
        reached="29,000 picture captions reached 40 BLEU into German; varied text of this size reaches much less",
    ),
    Preset(
        pairs=200_000, vocabulary=8_000, d_model=256, d_ff=1_024, num_heads=4, encoder_layers=6, decoder_layers=3,
        dropout=0.1, inner_dropout=0.0, optimizer="muon", learning_rate=3e-3, batch_tokens=2_048, accumulation=2,
        updates=5_000, warmup_share=0.08, schedule="linear", ema_decay=0.999,
        origin="measured: configs/en-de-teacher.toml, 162,000 pairs in both directions",
        reached="162,000 short everyday sentences reached 44 BLEU into German and 51 into English",
    ),
    Preset(
        pairs=2_000_000, vocabulary=16_000, d_model=512, d_ff=2_048, num_heads=8, encoder_layers=6, decoder_layers=6,
        dropout=0.1, inner_dropout=0.0, optimizer="adamw", learning_rate=7e-4, batch_tokens=8_192, accumulation=3,
        updates=50_000, warmup_share=0.08, schedule="inverse_square_root", ema_decay=0.9995,
        origin="not measured here; the base model of Vaswani et al. (2017)",
        reached="not measured; train it on an accelerator",
    ),
    Preset(
        pairs=20_000_000, vocabulary=32_000, d_model=512, d_ff=2_048, num_heads=8, encoder_layers=6, decoder_layers=6,
        dropout=0.1, inner_dropout=0.0, optimizer="adamw", learning_rate=1e-3, batch_tokens=8_192, accumulation=12,
        updates=100_000, warmup_share=0.04, schedule="inverse_square_root", ema_decay=0.9998,
        origin="not measured here; the base model of Vaswani et al. (2017) with the large batches of Ott et al. (2018)",
        reached="not measured; train it on an accelerator",
    ),
)  # fmt: skip
"""Smallest first."""


def choose_preset(num_pairs: int) -> Preset:
    """The preset whose size is nearest, by ratio."""
    return min(PRESETS, key=lambda preset: max(preset.pairs, num_pairs) / max(1, min(preset.pairs, num_pairs)))


def write_toml(
    preset: Preset,
    *,
    name: str,
    folder: Path,
    languages: tuple[str, str],
    directions: Sequence[Direction],
    counts: Mapping[str, int],
    max_length: int,
) -> str:
    """A configuration with comments. counts: pairs of train, dev and test. max_length: in pieces."""

    def files(part: str) -> str:
        paths = (f"{language} = {_quote((folder / f'{part}.{language}').as_posix())}" for language in languages)
        return "\n".join(paths)

    codes = ", ".join(map(_direction, directions))
    sizes = f"The sizes are those for about {preset.pairs:,} pairs: {preset.origin}. BLEU: {preset.reached}."
    about = textwrap.fill(sizes, 110, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
    size = min(preset.vocabulary, _fitting_vocabulary(counts["train"]))
    every = max(1, preset.updates // 16)
    return f"""\
# Training on {counts["train"]:,} sentence pairs, made by `dragoman init`. Every key: `dragoman keys`.
#   dragoman train {name}.toml
#
{about}
run_folder = {_quote(f"runs/{name}")}
seed = 1

[data]
directions = [{codes}] # or both: {_both(languages)}; one network then learns both, which takes longer
max_length = {max_length} # longest sentence in pieces; longer pairs are left out, and counted

[[data.train]] # repeat this table for more corpora
{files("train")}

[data.dev] # {counts["dev"]:,} pairs that training never sees; they decide which weights are the best
{files("dev")}
# {counts["test"]:,} more pairs are in test.*: for `dragoman evaluate`, once, at the end.

[vocabulary]
size = {size} # pieces of words; fewer for fewer pairs, more for more
type = "bpe"

[architecture] # a larger network learns more and needs more pairs and more time
d_model = {preset.d_model}
d_ff = {preset.d_ff}
num_heads = {preset.num_heads}
num_encoder_layers = {preset.encoder_layers}
num_decoder_layers = {preset.decoder_layers}
dropout = {preset.dropout} # more for fewer pairs: against learning them by heart
attention_dropout = {preset.inner_dropout}
feed_forward_dropout = {preset.inner_dropout}

[optimization]
optimizer = {_quote(preset.optimizer)}
max_updates = {preset.updates} # halve it for a quick try; the learning rate's fall then fits by itself
warmup_share = {preset.warmup_share} # of the updates, in which the learning rate rises
learning_rate = {preset.learning_rate}
schedule = {_quote(preset.schedule)}
batch_tokens = {preset.batch_tokens} # pieces a batch: smaller if memory is short
accumulation = {preset.accumulation} # batches an update
checkpoint_every = {every}
keep_checkpoints = 4

[validation]
every = {every}
max_sentences = {min(counts["dev"], 500)}
patience = 8 # validations without a better BLEU before the run ends

[averaging]
checkpoints = 1
ema_decay = {preset.ema_decay} # the mean of the newest weights is validated and kept

[bundle]
name = {_quote(name)}
description = "" # for the model card
data = ""        # where the sentences are from, and the attribution that their licence asks for
licence = ""
"""


def _fitting_vocabulary(num_pairs: int) -> int:
    """Most pieces that a corpus of this size can fill with pieces that are frequent enough to be learnt."""
    return max(400, num_pairs // 2 // 100 * 100)


def _both(languages: tuple[str, str]) -> str:
    return ", ".join(_direction(Direction(*pair)) for pair in (languages, languages[::-1]))


def _direction(direction: Direction) -> str:
    has_hyphen = "-" in direction.source + direction.target
    return _quote(str(direction) if has_hyphen else f"{direction.source}-{direction.target}")


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)

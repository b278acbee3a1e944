"""The configuration that `dragoman init` writes, with comments."""

import json
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dragoman.model.config import Direction
from dragoman.training.evaluation.metrics import DEFAULT_TOKENIZER, fitting_tokenizer
from dragoman.training.presets import Preset, validation_interval

_ABOUT_TABLES = {"architecture": "a larger network learns more and needs more pairs and more time"}
_ABOUT_KEYS = {
    "size": "pieces of words; fewer for fewer pairs, more for more",
    "dropout": "more for fewer pairs: against learning them by heart",
    "max_updates": "halve it for a quick try; the learning rate's fall then fits by itself",
    "warmup_share": "of the updates, in which the learning rate rises",
    "batch_tokens": "pieces a batch: smaller if memory is short",
    "accumulation": "batches an update",
    "ema_decay": "the mean of the newest weights is validated and kept",
}

_BEGIN = """\
[initialization] # the network of a model of other languages, which has to learn these, but not what a language is
bundle = {bundle}
vocabulary = "replace" # pieces that the bundle has, too, keep what they mean

"""


def write_toml(
    *,
    name: str,
    folder: Path,
    languages: tuple[str, str],
    directions: Sequence[Direction],
    counts: Mapping[str, int],
    max_length: int,
    preset: Preset,
    values: Mapping[str, Mapping[str, Any]],
    begin_with: str | None = None,
) -> str:
    """A configuration with a preset's values, which the caller may have changed. counts: pairs of train, dev and test.
    max_length: in pieces. begin_with: a bundle of other languages."""

    def files(part: str) -> str:
        paths = (f"{language} = {_quote((folder / f'{part}.{language}').as_posix())}" for language in languages)
        return "\n".join(paths)

    every = validation_interval(values["optimization"]["max_updates"])
    optimization = {**values["optimization"], "checkpoint_every": every, "keep_checkpoints": 4}
    tables = {**values, "optimization": optimization}
    codes = ", ".join(map(_direction, directions))
    sizes = f"The sizes are those for about {preset.pairs:,} pairs: {preset.origin}. BLEU: {preset.reached}."
    begin = "" if begin_with is None else _BEGIN.format(bundle=_quote(begin_with))
    about = textwrap.fill(sizes, 110, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
    return f"""\
# Training on {counts["train"]:,} sentence pairs, made by `dragoman init`. Every key: `dragoman keys`.
#   dragoman train {name}.toml
#
{about}
run_folder = {_quote(f"runs/{name}")}
seed = 1

{begin}\
[data]
directions = [{codes}] # or both: {_both(languages)}; one network then learns both, which takes longer
max_length = {max_length} # longest sentence in pieces; longer pairs are left out, and counted

[[data.train]] # repeat this table for more corpora
{files("train")}

[data.dev] # {counts["dev"]:,} pairs that training never sees; they decide which weights are the best
{files("dev")}
# {counts["test"]:,} more pairs are in test.*: for `dragoman evaluate`, once, at the end.

{"".join(map(_table, tables, tables.values()))}\
[validation]
every = {every}
max_sentences = {min(counts["dev"], 500)}
{_tokenizer(directions)}\
patience = 8 # validations without a better BLEU before the run ends

[bundle]
name = {_quote(name)}
description = "" # for the model card
data = ""        # where the sentences are from, and the attribution that their licence asks for
licence = ""
"""


def _tokenizer(directions: Sequence[Direction]) -> str:
    name = fitting_tokenizer(direction.target for direction in directions)
    return "" if name == DEFAULT_TOKENIZER else f"tokenize = {_quote(name)} # for BLEU: finds words, or characters\n"


def _table(name: str, values: Mapping[str, object]) -> str:
    lines = [f"[{name}]" + _comment(_ABOUT_TABLES.get(name))]
    lines += [f"{key} = {json.dumps(value)}" + _comment(_ABOUT_KEYS.get(key)) for key, value in values.items()]
    return "\n".join(lines) + "\n\n"


def _comment(text: str | None) -> str:
    return f" # {text}" if text else ""


def _both(languages: tuple[str, str]) -> str:
    return ", ".join(_direction(Direction(*pair)) for pair in (languages, languages[::-1]))


def _direction(direction: Direction) -> str:
    has_hyphen = "-" in direction.source + direction.target
    return _quote(str(direction) if has_hyphen else f"{direction.source}-{direction.target}")


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)

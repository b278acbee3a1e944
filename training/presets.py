"""Sizes and settings that fit the number of sentence pairs, for keys that a configuration leaves out."""

import gzip
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from dragoman.model.config import Architecture, ArchitectureConfig
from dragoman.model.errors import InvalidInputError
from dragoman.model.files import is_packed
from dragoman.training.corpus.corpus_config import CorpusConfig, parse_direction
from dragoman.training.evaluation.metrics import DEFAULT_TOKENIZER, fitting_tokenizer
from dragoman.translation.languages import primary_subtag

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Preset:
    """Values for about `pairs` sentence pairs, by table and key. origin: where they come from, in plain words; reached:
    the scores that were measured with them, or that none were."""

    pairs: int
    values: Mapping[str, Mapping[str, Any]]
    origin: str
    reached: str

    @property
    def max_updates(self) -> int:
        return int(self.values["optimization"]["max_updates"])


def _network(
    width: int,
    inner: int,
    heads: int,
    encoder_layers: int,
    decoder_layers: int,
    *,
    dropout: float,
    inner_dropout: float,
) -> dict[str, Any]:
    """inner_dropout: of attention weights and within the feed-forward layers."""
    return {
        "d_model": width,
        "d_ff": inner,
        "num_heads": heads,
        "num_encoder_layers": encoder_layers,
        "num_decoder_layers": decoder_layers,
        "dropout": dropout,
        "attention_dropout": inner_dropout,
        "feed_forward_dropout": inner_dropout,
    }


PRESETS = (
    Preset(
        2_000,
        {
            "vocabulary": {"size": 1_000, "type": "bpe"},
            "architecture": _network(128, 256, 4, 3, 3, dropout=0.3, inner_dropout=0.1),
            "optimization": {
                "optimizer": "muon",
                "max_updates": 3_000,
                "warmup_share": 0.1,
                "learning_rate": 6e-3,
                "schedule": "linear",
                "batch_tokens": 1_024,
                "accumulation": 1,
            },
            "averaging": {"checkpoints": 1, "ema_decay": 0.99},
        },
        origin="measured for 1,400 updates with ema_decay 0.998; a small vocabulary and much dropout, as Sennrich and "
        "Zhang (2019) advise",
        reached="2,000 short everyday sentences reached 7 (chrF 25) into German in four minutes of one core; so few "
        "pairs alone seldom give a useful model: fine-tune one ([initialization] bundle)",
    ),
    Preset(
        20_000,
        {
            "vocabulary": {"size": 8_000, "type": "bpe"},
            "architecture": _network(128, 256, 4, 4, 4, dropout=0.3, inner_dropout=0.1),
            "optimization": {
                "optimizer": "muon",
                "max_updates": 8_000,
                "warmup_share": 0.04,
                "learning_rate": 6e-3,
                "schedule": "linear",
                "batch_tokens": 2_048,
                "accumulation": 1,
            },
            "averaging": {"checkpoints": 1, "ema_decay": 0.998},
        },
        origin="measured for 710 updates; whole runs only with configs/multi30k-en-de.toml: 29,000 pairs, 10,000 "
        "pieces, 12,000 updates",
        reached="20,000 short everyday sentences reached 16 (chrF 35) into German in five minutes of one core; 29,000 "
        "picture captions reached 40 in a whole run",
    ),
    Preset(
        200_000,
        {
            "vocabulary": {"size": 8_000, "type": "bpe"},
            "architecture": _network(256, 1_024, 4, 6, 3, dropout=0.1, inner_dropout=0.0),
            "optimization": {
                "optimizer": "muon",
                "max_updates": 5_000,
                "warmup_share": 0.08,
                "learning_rate": 3e-3,
                "schedule": "linear",
                "batch_tokens": 2_048,
                "accumulation": 2,
            },
            "averaging": {"checkpoints": 1, "ema_decay": 0.999},
        },
        origin="measured: configs/en-de-teacher.toml, 162,000 pairs in both directions",
        reached="162,000 short everyday sentences reached 44 BLEU into German and 51 into English",
    ),
    Preset(
        2_000_000,
        {
            "vocabulary": {"size": 16_000, "type": "bpe"},
            "architecture": _network(512, 2_048, 8, 6, 6, dropout=0.1, inner_dropout=0.0),
            "optimization": {
                "optimizer": "adamw",
                "max_updates": 50_000,
                "warmup_share": 0.08,
                "learning_rate": 7e-4,
                "schedule": "inverse_square_root",
                "batch_tokens": 8_192,
                "accumulation": 3,
            },
            "averaging": {"checkpoints": 1, "ema_decay": 0.9995},
        },
        origin="not measured here; the base model of Vaswani et al. (2017)",
        reached="not measured; train it on an accelerator",
    ),
    Preset(
        20_000_000,
        {
            "vocabulary": {"size": 32_000, "type": "bpe"},
            "architecture": _network(512, 2_048, 8, 6, 6, dropout=0.1, inner_dropout=0.0),
            "optimization": {
                "optimizer": "adamw",
                "max_updates": 100_000,
                "warmup_share": 0.04,
                "learning_rate": 1e-3,
                "schedule": "inverse_square_root",
                "batch_tokens": 8_192,
                "accumulation": 12,
            },
            "averaging": {"checkpoints": 1, "ema_decay": 0.9998},
        },
        origin="not measured here; the base model of Vaswani et al. (2017) with the large batches of Ott et al. (2018)",
        reached="not measured; train it on an accelerator",
    ),
)
"""Smallest first."""

QUICK = Preset(
    200_000,
    {
        "vocabulary": {"size": 8_000, "type": "bpe"},
        "architecture": _network(256, 512, 4, 3, 2, dropout=0.1, inner_dropout=0.0),
        "optimization": {
            "optimizer": "muon",
            "max_updates": 6_000,
            "warmup_share": 0.1,
            "learning_rate": 4e-3,
            "schedule": "linear",
            "batch_tokens": 1_024,
            "accumulation": 1,
        },
        "averaging": {"checkpoints": 1, "ema_decay": 0.998},
    },
    origin="a small network for little time, measured for 640 and 2,800 updates of 160,000 pairs",
    reached="160,000 short everyday sentences reached 21 (chrF 41) into German in four minutes of one core, 34 (53) in "
    "22; the larger network reached 9 (25) and 31 (51)",
)
"""For many pairs and little time: a smaller network sees more of them."""

TRANSFER = Preset(
    10_000,
    {
        "vocabulary": {"size": 6_000, "type": "bpe"},
        "architecture": {"num_encoder_layers": 4, "dropout": 0.3},
        "optimization": {
            "optimizer": "muon",
            "max_updates": 3_000,
            "warmup_share": 0.07,
            "learning_rate": 3e-3,
            "schedule": "linear",
            "batch_tokens": 2_048,
            "accumulation": 1,
        },
        "averaging": {"checkpoints": 1, "ema_decay": 0.998},
    },
    origin="measured with configs/small-corpus.toml: Cherokee and English, 11,638 pairs, from the bundle en-de",
    reached="11,638 pairs of Cherokee and English reached 12 into English, 9 into Cherokee, in 45 minutes of a core",
)
"""For a run that begins with a model of other languages (Zoph et al. 2016; Kocmi and Bojar 2018)."""

_KNOWN_PIECES = 4
"""Times as many pieces as otherwise, since the model knows many of them: 4,000 for 2,000 pairs, as measured."""

MANY_PAIRS = 50_000
"""Pairs from which a model of other languages is not proposed. Not measured."""

_QUICK_SHARE = 0.25
"""Of a preset's updates; a run that has time for fewer gets `QUICK`, if the preset's network is larger."""

_EMA_SHARE = 0.2
"""Of a run, which the mean of the newest weights reaches back at most."""

_OF_ADAM = tuple(f"optimization.{key}" for key in ("learning_rate", "adam_beta1", "adam_beta2", "adam_epsilon"))
"""Settings that are made for AdamW unless an optimizer is named: Muon's learning rate is several times as high."""

_GIVEN_WITH = {
    "vocabulary.size": ("vocabulary.source_file",),
    "vocabulary.type": ("vocabulary.source_file",),
    "architecture.d_ff": ("architecture.d_model",),
    "architecture.num_heads": ("architecture.d_model",),
    "architecture.attention_dropout": ("architecture.dropout",),
    "architecture.feed_forward_dropout": ("architecture.dropout",),
    "optimization.optimizer": _OF_ADAM,
    "optimization.learning_rate": ("optimization.optimizer", *_OF_ADAM),
    "optimization.accumulation": ("optimization.batch_tokens",),
    "optimization.warmup_share": ("optimization.warmup_updates",),
    "optimization.checkpoint_every": ("validation.every",),
    "validation.every": ("optimization.checkpoint_every",),
    "averaging.checkpoints": ("averaging.ema_decay", "averaging.select"),
    "averaging.ema_decay": ("averaging.checkpoints", "averaging.select"),
}
"""Keys whose value makes sense beside certain values of others alone: where one of these is given, the key has its
plain default."""

_MANY_CHARACTERS = frozenset(("ja", "ko", "wuu", "yue", "zh"))
_MIN_PIECES_FOR_MANY = 4_000
"""For languages with thousands of characters. Not measured."""

_NUM_VALIDATIONS = 16
_MIN_UPDATES_BETWEEN = 50


def choose_preset(num_pairs: int) -> Preset:
    """The preset whose size is nearest, by ratio."""
    return min(PRESETS, key=lambda preset: max(preset.pairs, num_pairs) / max(1, min(preset.pairs, num_pairs)))


def values_for(
    num_pairs: int, languages: Iterable[str] = (), preset: Preset | None = None
) -> dict[str, dict[str, Any]]:
    """A preset's values by table and key, by default those of the nearest, with a vocabulary that the pairs can fill
    and that has room for the characters of the languages."""
    preset = preset if preset is not None else choose_preset(num_pairs)
    values = {table: dict(keys) for table, keys in preset.values.items()}
    largest = _largest_vocabulary(num_pairs) * (_KNOWN_PIECES if preset is TRANSFER else 1)
    size = min(values["vocabulary"]["size"], largest)
    many = any(primary_subtag(language) in _MANY_CHARACTERS for language in languages)
    values["vocabulary"]["size"] = max(size, _MIN_PIECES_FOR_MANY) if many else size
    return values


def is_too_slow(preset: Preset, updates: float) -> bool:
    """Whether `QUICK` would learn more than this preset in the time of so many of its updates."""
    return preset.pairs >= QUICK.pairs and updates < _QUICK_SHARE * preset.max_updates


def shorten(values: dict[str, dict[str, Any]], updates: int) -> None:
    """Makes a run of at most so many updates of a preset's values."""
    optimization, averaging = values["optimization"], values["averaging"]
    optimization["max_updates"] = updates = min(updates, optimization["max_updates"])
    averaging["ema_decay"] = round(min(averaging["ema_decay"], 1 - 1 / max(2.0, _EMA_SHARE * updates)), 4)


def _largest_vocabulary(num_pairs: int) -> int:
    """Most pieces that a corpus of this size can fill with pieces that are frequent enough to be learnt."""
    return max(400, num_pairs // 2 // 100 * 100)


def validation_interval(max_updates: int) -> int:
    """Updates between two validations of a run of this length."""
    return max(min(max_updates, _MIN_UPDATES_BETWEEN), max_updates // _NUM_VALIDATIONS)


def complete_by_size(tree: dict[str, Any]) -> str:
    """Sets the keys of a run's configuration that nobody has given and that depend on the corpus's size. Returns a
    sentence, for people, that lists them; "" if there are none, if the run begins with a bundle, which has its own
    sizes, or if a file of the corpus whose size is needed is missing or a table malformed, which is for others to
    report."""
    begin = tree.get("initialization")
    if isinstance(begin, dict) and begin.get("bundle") is not None:
        return ""
    tables = [tree.get(name, {}) for name in (*PRESETS[0].values, "validation")]
    if not all(isinstance(table, dict) for table in tables):
        return ""
    by_size = [f"{table}.{key}" for table, keys in PRESETS[0].values.items() for key in keys]
    missing = [name for name in by_size if not _is_given(tree, name) and _is_of_kind(tree, name)]
    num_pairs = _count_pairs(tree) if missing else 0  # a large corpus takes minutes to read
    if num_pairs is None:
        return ""
    sources, targets = _languages(tree)
    values = values_for(num_pairs, (*sources, *targets))
    chosen: dict[str, Any] = {}
    for name in missing:
        table, key = name.split(".")
        chosen[name] = values[table][key]
    tokenizer = fitting_tokenizer(targets)
    if tokenizer != DEFAULT_TOKENIZER and not _is_given(tree, "validation.tokenize"):
        chosen["validation.tokenize"] = tokenizer
    updates = chosen.get("optimization.max_updates", tree.get("optimization", {}).get("max_updates"))
    if isinstance(updates, int) and updates > 0:
        every = validation_interval(updates)
        names = ("optimization.checkpoint_every", "validation.every")
        chosen |= {name: every for name in names if not _is_given(tree, name)}
    for name, value in chosen.items():
        table, key = name.split(".")
        tree.setdefault(table, {})[key] = value
    if not chosen:
        return ""
    reason = f" for {num_pairs:,} pairs" if missing else ""
    return f"not configured, so chosen{reason}: {_listed(chosen)}"


def _is_of_kind(tree: Mapping[str, Any], name: str) -> bool:
    """Whether the network's kind has a key. The presets' depths are those of Transformers."""
    table, key = name.split(".")
    kind = tree.get("architecture", {}).get("kind", ArchitectureConfig.NAME)
    if table != "architecture" or kind == ArchitectureConfig.NAME or kind not in Architecture.KINDS:
        return True
    return key in {one.name for one in fields(Architecture.KINDS[kind])} and not key.startswith("num_")


def _is_given(tree: Mapping[str, Any], name: str) -> bool:
    """Whether a key, or one that decides about it, is in the tree."""
    return any(
        key in tree.get(table, {}) for table, key in (one.split(".") for one in (name, *_GIVEN_WITH.get(name, ())))
    )


def _listed(chosen: Mapping[str, Any]) -> str:
    """Keys and values, table by table."""
    tables: dict[str, list[str]] = {}
    for name, value in chosen.items():
        table, key = name.split(".")
        tables.setdefault(table, []).append(f"{key} {value}")
    return "; ".join(f"[{table}] {', '.join(keys)}" for table, keys in tables.items())


def _languages(tree: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The source and the target languages of the directions that can be read."""
    directions = []
    for written in tree["data"].get("directions", ()):
        with suppress(InvalidInputError, AttributeError, TypeError):
            directions.append(parse_direction(written))
    return [direction.source for direction in directions], [direction.target for direction in directions]


def _count_pairs(tree: Mapping[str, Any]) -> int | None:
    """Lines of the corpora, each counted in one of its files; None if that cannot be read. Shards count as the largest
    size that there are values for."""
    try:
        if any("shards" in corpus for corpus in tree["data"]["train"]):
            return PRESETS[-1].pairs
        return sum(_count_lines(path) for path in _first_files(tree)) or None
    except (OSError, EOFError, TypeError, AttributeError, LookupError):
        return None


def _first_files(tree: Mapping[str, Any]) -> Iterator[Path]:
    """A file of each corpus."""
    for corpus in tree["data"]["train"]:
        files = [value for key, value in corpus.items() if key not in CorpusConfig.model_fields]
        yield Path(files[0])


def _count_lines(path: Path) -> int:
    with gzip.open(path) if is_packed(path) else path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(_CHUNK_BYTES), b""))

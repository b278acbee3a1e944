"""The recipe of `dragoman tune`: how a bundle learns a domain and keeps what it knew, and the run's configuration."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from shutil import rmtree
from typing import Any

from dragoman.model.bundle import BundleConfig
from dragoman.model.codec import Codec
from dragoman.model.config import Direction
from dragoman.model.errors import InvalidInputError
from dragoman.model.files import write_atomically
from dragoman.training.evaluation.metrics import DEFAULT_TOKENIZER, fitting_tokenizer
from dragoman.translation.batch.lines import read_lines
from dragoman.translation.languages import find_language

REQUEST_FILE, CONFIG_FILE = "tune.json", "tune.toml"
"""In the run folder: what was asked for, and the run's configuration."""

BATCH_TOKENS = 2_048

OWN_SHARE = 0.5
"""Share of the training text, in pieces, that the model translated itself."""

PASSES = 2
"""Times that the run sees the domain's text, within the bounds of its length."""

MIN_UPDATES, MAX_UPDATES = 150, 1_000

SHARES = (0.8, 0.9, 0.7, 0.6, 0.5, 0.4, 0.3, 0.15, 0.0)
"""Shares of the bundle's weights in the means that are tried, if general text says how much each forgets. Validations
on the way measure the first."""

BLIND_SHARES = (0.7,)
"""The same without general text: the share is not chosen, since the domain alone would choose the least."""

MIN_OWN_LINES = 1_000
"""Of general text; fewer sentences would be learnt by heart."""

MAX_LENGTH = 250
_SAMPLE = 2_000


@dataclass(frozen=True, slots=True)
class Corpus:
    """Sentences of both languages, line by line. pieces: of the mean pair on its longer side."""

    files: Mapping[str, Path]
    num_pairs: int
    pieces: float


@dataclass(frozen=True, slots=True)
class Plan:
    """own: the sentences that the bundle translates; own_name: what they are, for people. num_own: how many of them, in
    each direction. repeats: how often an epoch has the domain's text, and the own translations."""

    directions: tuple[Direction, ...]
    updates: int
    own: Corpus
    own_name: str
    num_own: int
    repeats: tuple[int, int]
    shares: tuple[float, ...]


def choose_directions(info: BundleConfig, source: str | None, target: str | None) -> tuple[Direction, ...]:
    """The bundle's directions between two languages: all of them, or those that begin or end as named.

    Raises InvalidInputError if there are none, or of more than two languages.
    """
    wanted = [
        side and (find_language(side, known) or side)
        for side, known in (
            (source, {direction.source for direction in info.directions}),
            (target, {direction.target for direction in info.directions}),
        )
    ]
    found = tuple(
        direction
        for direction in info.directions
        if wanted[0] in (None, direction.source) and wanted[1] in (None, direction.target)
    )
    if not found:
        known = ", ".join(map(str, info.directions[:8])) + (" …" if len(info.directions) > 8 else "")
        raise InvalidInputError(
            f"{info.name} has no direction from {wanted[0] or 'any'} to {wanted[1] or 'any'}: {known}"
        )
    if len({frozenset((direction.source, direction.target)) for direction in found}) > 1:
        raise InvalidInputError(
            f"{info.name} has {len(found)} directions; choose one by --from LANGUAGE and --to LANGUAGE"
        )
    return found


def measure_corpus(files: Mapping[str, Path], vocabulary: Codec) -> Corpus:
    """Counts a corpus, and the pieces of a sample of its lines."""
    counts, lengths = [], []
    for path in files.values():
        counts.append(sum(1 for _ in read_lines(path)))
        step = max(1, counts[-1] // _SAMPLE)
        lengths.append([len(vocabulary.source.encode(line)) for line in islice(read_lines(path), 0, None, step)])
    longest = [max(pair) + 1 for pair in zip(*lengths, strict=True)]
    return Corpus(files, counts[0], sum(longest) / max(1, len(longest)))


def plan_tuning(
    domain: Corpus, general: Corpus | None, directions: Sequence[Direction], *, updates: int | None = None
) -> Plan:
    """The run for a domain. general: text for own translations; None or too little: they are of the domain's text.
    updates: instead of those by the domain's size."""
    count = len(directions)
    domain_pieces = domain.num_pairs * domain.pieces * count
    if updates is None:
        needed = PASSES * domain_pieces / ((1 - OWN_SHARE) * BATCH_TOKENS)
        updates = max(MIN_UPDATES, min(MAX_UPDATES, round(needed / 50) * 50))
    own, own_name = domain, "your text"
    if general is not None and general.num_pairs >= MIN_OWN_LINES:
        own, own_name = general, "general text"
    num_own = min(own.num_pairs, max(MIN_OWN_LINES, round(updates * BATCH_TOKENS * OWN_SHARE / count / own.pieces)))
    ratio = num_own * own.pieces * count / domain_pieces * (1 - OWN_SHARE) / OWN_SHARE
    repeats = (max(1, round(ratio)), max(1, round(1 / ratio)))
    shares = BLIND_SHARES if general is None else SHARES
    return Plan(tuple(directions), updates, own, own_name, num_own, repeats, shares)


def own_files(folder: Path, direction: Direction) -> dict[str, Path]:
    """The files of own translations in a direction, by language."""
    return {
        code: folder / f"{direction.source}-{direction.target}.{code}" for code in (direction.source, direction.target)
    }


def write_tuning_toml(
    plan: Plan,
    info: BundleConfig,
    *,
    bundle: str,
    folder: Path,
    domain: Mapping[str, Mapping[str, Path]],
    general_dev: Mapping[str, Path] | None,
    own_folder: Path,
    name: str,
    max_loss: float,
    seed: int,
) -> str:
    """The run's configuration. max_loss: BLEU that general text may lose. domain: files of train and dev, by language.
    general_dev: None without general text."""
    architecture = info.architecture
    room = min(architecture.source_limit - 2, architecture.max_target_length - 1)
    every = max(50, plan.updates // 8)
    tokenizer = fitting_tokenizer(direction.target for direction in plan.directions)
    tokenize = "" if tokenizer == DEFAULT_TOKENIZER else f"tokenize = {_quote(tokenizer)}\n"
    own = "".join(
        f"\n[[data.train]] # what the bundle itself says, against forgetting\n"
        f'name = "own {direction.source}-{direction.target}"\n{_files(own_files(own_folder, direction))}'
        f"directions = [{_quote(_code(direction))}]\nrepeat = {plan.repeats[1]}\n"
        for direction in plan.directions
    )
    general = (
        ""
        if general_dev is None
        else f"""
[data.dev.general]
{_files(general_dev)}weight = 0
max_loss = {max_loss} # BLEU that it may lose; each point more counts as ten of the domain's
"""
    )
    return f"""\
# Tunes {bundle} to a domain; made by `dragoman tune`. Every key: `dragoman keys`.
run_folder = {_quote(folder.as_posix())}
seed = {seed}

[initialization]
bundle = {_quote(bundle)}

[data]
directions = [{", ".join(_quote(_code(direction)) for direction in plan.directions)}]
max_length = {min(room, MAX_LENGTH)}

[[data.train]]
name = "domain"
{_files(domain["train"])}repeat = {plan.repeats[0]}
{own}
[data.dev.domain]
{_files(domain["dev"])}{general}
[architecture]
dropout = 0.1

[optimization]
optimizer = "muon"
max_updates = {plan.updates}
batch_tokens = {BATCH_TOKENS}
learning_rate = 2e-3
warmup_share = 0.1
schedule = "linear"
checkpoint_every = {every}
keep_checkpoints = 1

[validation]
every = {every}
max_sentences = 500
{tokenize}patience = 9 # no early end: while the learning rate is high, more is forgotten than at its end

[averaging]
checkpoints = 1
initial_shares = {json.dumps(plan.shares)} # of the bundle's weights; more keeps more of what it knew

[bundle]
name = {_quote(name)}
{_provenance(info)}storage = {_quote(info.storage)}
"""


def _provenance(info: BundleConfig) -> str:
    """What the new model's card says as well: it holds what the old one learnt."""
    data, licence = (info.provenance.get(key, "") for key in ("data", "licence"))
    lines = []
    if data:
        lines.append(f"data = {_quote(f'{data} Fitted afterwards to further texts.')}\n")
    if licence:
        lines.append(f"licence = {_quote(licence)}\n")
    return "".join(lines)


def _files(files: Mapping[str, Path]) -> str:
    return "".join(f"{code} = {_quote(path.as_posix())}\n" for code, path in files.items())


def _code(direction: Direction) -> str:
    has_hyphen = "-" in direction.source + direction.target
    return str(direction) if has_hyphen else f"{direction.source}-{direction.target}"


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def claim(folder: Path, request: Mapping[str, Any]) -> None:
    """Makes the run's folder. Until there is a configuration, a corrected request begins anew.

    Raises `refuse_other`'s errors."""
    path = folder / REQUEST_FILE
    if refuse_other(folder, request):
        for made in ("corpus", "general"):
            rmtree(folder / made, ignore_errors=True)
    elif path.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(request, indent=2) + "\n")


def refuse_other(folder: Path, request: Mapping[str, Any]) -> bool:
    """Whether the folder's request is another one, of which there is no configuration yet.

    Raises InvalidInputError if the folder is in use for something else."""
    path = folder / REQUEST_FILE
    if not path.exists():
        if folder.exists() and any(folder.iterdir()):
            raise InvalidInputError(f"{folder}: is not empty; name another folder by --output")
        return False
    begun = json.loads(path.read_bytes())
    differing = [key for key, value in request.items() if begun.get(key, value) != value]
    if differing and (folder / CONFIG_FILE).exists():
        key = differing[0]
        raise InvalidInputError(
            f"{folder}: was begun with {key} {begun.get(key)}, not {request[key]}; name another folder by --output"
        )
    return bool(differing)

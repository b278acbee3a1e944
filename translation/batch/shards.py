"""Shards of a job: N processes, on one machine or on many, translate a part of the lines each, and are put together.

Shard I of N has the lines that begin in bytes (I - 1) * size / N to I * size / N of the input, so that each process
finds its lines without reading the others'. Every line is in one shard, and translations do not depend on their
batch-mates: the shards together are, to the bit, what one process would have written.

A finished shard has a receipt beside it, from which `join_shards` knows that none is missing and that all are of one
job.
"""

import gzip
import json
import re
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, cast

from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.model.files import is_packed, open_output, write_atomically
from dragoman.translation.batch.progress import Parameters, Scalar

MAX_SHARDS = 99_999

_FORMAT = 1
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `number` of `count`, from 1."""

    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def span(self, size: int) -> tuple[int, int]:
        """The bytes of a file of `size` bytes in which this shard's lines begin: the first, and the one after."""
        return size * (self.number - 1) // self.count, size * self.number // self.count

    def path(self, output_path: Path) -> Path:
        """The shard's own output: out.de-00002-of-00008, or out.de-00002-of-00008.gz."""
        name = output_path.name
        end = output_path.suffix if is_packed(output_path) else ""
        return output_path.with_name(f"{name.removesuffix(end)}-{self.number:05}-of-{self.count:05}{end}")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a finished shard holds: `num_lines` lines whose sources have this SHA-256, of an input of so many bytes."""

    num_lines: int
    input_sha256: str
    input_bytes: int
    parameters: dict[str, Scalar]


def read_shard(text: str, environment: Mapping[str, str]) -> Shard:
    """The shard that `--shard` names: "2/8"; "auto/8" and "auto" take what the scheduler has set.

    Kubernetes' indexed jobs set JOB_COMPLETION_INDEX, from 0; they do not say how many there are. Slurm's arrays set
    SLURM_ARRAY_TASK_ID, SLURM_ARRAY_TASK_MIN and SLURM_ARRAY_TASK_COUNT.

    Raises InvalidInputError for anything else.
    """
    number, _, count = text.partition("/")
    if number != "auto":
        return _shard(text, number, count)
    if "SLURM_ARRAY_TASK_ID" in environment:
        first = int(environment.get("SLURM_ARRAY_TASK_MIN", "0"))
        index = int(environment["SLURM_ARRAY_TASK_ID"]) - first
        count = count or environment.get("SLURM_ARRAY_TASK_COUNT", "")
    elif "JOB_COMPLETION_INDEX" in environment:
        index = int(environment["JOB_COMPLETION_INDEX"])
    else:
        raise InvalidInputError(
            f"--shard {text}: neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX is set; give a number, such as 2/8"
        )
    if not count:
        raise InvalidInputError("--shard auto: the scheduler does not say how many shards there are; give auto/8")
    return _shard(text, str(index + 1), count)


def _shard(text: str, number: str, count: str) -> Shard:
    if not re.fullmatch("[0-9]{1,6}", number) or not re.fullmatch("[0-9]{1,6}", count):
        raise InvalidInputError(f"--shard {text}: must be a number and a count, such as 2/8")
    shard = Shard(int(number), int(count))
    if not 1 <= shard.number <= shard.count <= MAX_SHARDS:
        raise InvalidInputError(f"--shard {text}: is shard {shard.number} of {shard.count}; they are numbered from 1")
    return shard


def receipt_path(shard_path: Path) -> Path:
    """Where the receipt of a shard's output lies."""
    return shard_path.with_name(shard_path.name + ".receipt")


def write_receipt(shard_path: Path, receipt: Receipt) -> None:
    """Write the receipt, before the output gets its name: an output without one is of another job."""
    write_atomically(receipt_path(shard_path), json.dumps({"format": _FORMAT, **asdict(receipt)}, indent=2) + "\n")


def read_receipt(shard_path: Path) -> Receipt | None:
    """The receipt of a shard's output; None if there is none. Raises InvalidInputError if it cannot be read."""
    path = receipt_path(shard_path)
    try:
        found = json.loads(path.read_text("utf-8"))
        if found.pop("format") != _FORMAT:
            raise ValueError
        return Receipt(**found)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidInputError(f"{path}: is no receipt of a shard; delete it and the shard") from error


def join_shards(
    output_path: Path, *, overwrite: bool = False, remove: bool = False, parameters: Parameters | None = None
) -> int:
    """Write the output of which the shards lie beside it, and return its number of lines.

    overwrite: replace an existing output. remove: delete the shards and receipts afterwards. parameters: with which the
    shards must have been made; by default those of the first.

    Raises NotFoundError if there are no shards, or naming those that are missing or unfinished; InvalidInputError if
    they are not of one job, if one is not as its receipt says, and if the output exists.
    """
    if output_path.exists() and not overwrite:
        raise InvalidInputError(f"{output_path}: exists already; choose another name, or allow to overwrite it")
    shards = _find_shards(output_path)
    receipts = [_receipt_of(shard, output_path) for shard in shards]
    missing = [shard for shard, receipt in zip(shards, receipts, strict=True) if receipt is None]
    if missing:
        names = ", ".join(str(shard) for shard in missing[:10])
        more = f" and {len(missing) - 10} more" if len(missing) > 10 else ""
        raise NotFoundError(f"{output_path}: not finished: {len(missing)} of {len(shards)} shards ({names}{more})")
    finished = cast(list[Receipt], receipts)
    if parameters is not None and parameters != finished[0].parameters:
        raise InvalidInputError(
            f"{shards[0].path(output_path)}: was made with another model or other options than these"
        )
    for shard, receipt in zip(shards, finished, strict=True):
        _refuse_other_job(shard.path(output_path), receipt, finished[0])
    with open_output(output_path) as output:
        for shard, receipt in zip(shards, finished, strict=True):
            num_lines = _append(shard.path(output_path), output)
            if num_lines != receipt.num_lines:
                raise InvalidInputError(
                    f"{shard.path(output_path)}: has {num_lines:,} lines, its receipt says {receipt.num_lines:,}; "
                    "delete it and translate the shard again"
                )
    if remove:
        remove_shards(output_path)
    return sum(receipt.num_lines for receipt in finished)


def remove_shards(output_path: Path) -> None:
    """Delete the shards of an output, and their receipts."""
    for shard in _find_shards(output_path):
        shard.path(output_path).unlink(missing_ok=True)
        receipt_path(shard.path(output_path)).unlink(missing_ok=True)


def _find_shards(output_path: Path) -> list[Shard]:
    """All the shards that belong to those found."""
    end = output_path.suffix if is_packed(output_path) else ""
    pattern = re.compile(re.escape(output_path.name.removesuffix(end)) + "-([0-9]{5})-of-([0-9]{5})" + re.escape(end))
    try:
        found = [match for path in output_path.parent.iterdir() if (match := pattern.fullmatch(path.name))]
    except OSError as error:
        raise NotFoundError(f"{output_path}: there is no folder {output_path.parent}") from error
    counts = sorted({int(match[2]) for match in found})
    if not counts:
        raise NotFoundError(f"{output_path}: there are no shards of it, such as {Shard(1, 8).path(output_path).name}")
    if len(counts) > 1:
        raise InvalidInputError(
            f"{output_path}: there are shards of {' and of '.join(map(str, counts))}; delete those of the other job"
        )
    return [Shard(number, counts[0]) for number in range(1, counts[0] + 1)]


def _receipt_of(shard: Shard, output_path: Path) -> Receipt | None:
    path = shard.path(output_path)
    return read_receipt(path) if path.is_file() else None


def _refuse_other_job(path: Path, receipt: Receipt, first: Receipt) -> None:
    if receipt.input_bytes != first.input_bytes:
        raise InvalidInputError(
            f"{path}: is of an input of {receipt.input_bytes:,} bytes, the first shard of one of {first.input_bytes:,}"
        )
    for key in sorted({*receipt.parameters, *first.parameters}):
        own, its = receipt.parameters.get(key), first.parameters.get(key)
        if own != its:
            raise InvalidInputError(
                f"{path}: was made with {key} = {json.dumps(own)}, the first shard with {json.dumps(its)}"
            )


def _append(path: Path, output: BinaryIO) -> int:
    """Copies a shard's lines, and returns how many there are."""
    num_lines = 0
    with ExitStack() as stack:
        file = stack.enter_context(path.open("rb"))
        lines = stack.enter_context(gzip.GzipFile(fileobj=file, mode="rb")) if is_packed(path) else file
        while chunk := lines.read(_CHUNK_BYTES):
            num_lines += chunk.count(b"\n")
            output.write(chunk)
    return num_lines

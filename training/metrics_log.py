"""What a run measures, kept for people and programs: metrics.jsonl and TensorBoard."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

from torch.utils.tensorboard import SummaryWriter

from model.errors import DragomanError
from model.files import write_atomically


class MetricsLog:
    """Appends to `metrics.jsonl`, one JSON object a line with "update" and "kind", and to TensorBoard event files."""

    def __init__(self, folder: Path, *, resumed_update: int) -> None:
        """What the file says of updates after `resumed_update`, which are about to be done again, is dropped."""
        self._path = folder / "metrics.jsonl"
        if self._path.exists():
            kept = [line for line in self._path.read_text("utf-8").splitlines() if _is_of(line, resumed_update)]
            write_atomically(self._path, "".join(f"{line}\n" for line in kept))
        self._file = self._path.open("a", encoding="utf-8")
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=resumed_update + 1)

    def write(self, kind: str, update: int, values: Mapping[str, float]) -> None:
        """kind: "training" or "validation". Raises DragomanError when it cannot be written, as on a full disk."""
        try:
            self._file.write(json.dumps({"kind": kind, "update": update, **values}) + "\n")
            self._file.flush()
            for name, value in values.items():
                self._board.add_scalar(f"{kind}/{name}", value, update)
        except OSError as error:
            raise DragomanError(f"{self._path}: cannot be written: {error.strerror or error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for file in (self._file, self._board):
            with suppress(OSError):  # of what could not be written, `write` has told
                file.close()


def _is_of(line: str, last_update: int) -> bool:
    """Whether a line is of an update up to the given one; a line that a crash or a full disk cut short is of none."""
    try:
        return bool(json.loads(line)["update"] <= last_update)
    except json.JSONDecodeError:
        return False

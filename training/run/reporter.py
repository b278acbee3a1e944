"""What a run tells as it goes: on the display, and in the log."""

from collections.abc import Mapping

from dragoman.model.errors import DragomanError
from dragoman.training.run.display import TrainingDisplay
from dragoman.training.run.metrics_log import MetricsLog


class Reporter:
    """The display and the log of a run. A full disk that does not take a line is told of; training goes on."""

    def __init__(self, display: TrainingDisplay, log: MetricsLog | None) -> None:
        """log: of the main process, None in the others."""
        self.display = display
        self._log = log

    def say(self, text: str) -> None:
        self.display.say(text)

    def advance(self, update: int) -> None:
        self.display.advance(update)

    def trained(self, update: int, values: Mapping[str, float]) -> None:
        """values: as they are logged, "loss" and "tokens_per_second" among them."""
        self.display.measured(update, loss=values["loss"], tokens_per_second=values["tokens_per_second"])
        self._write("training", update, values)

    def validated(self, update: int, bleu: dict[str, float], *, mean: float, is_best: bool) -> None:
        """bleu: by direction."""
        self.display.validated(update, bleu, is_best=is_best)
        scores = {f"bleu {direction}": score for direction, score in bleu.items()}
        self._write("validation", update, {**scores, "bleu": mean})

    def left_out(self, update: int, fault: str) -> None:
        """An update was not made. fault: why."""
        self.say(f"update {update:,}: {fault}; it is left out")
        self._write("skipped", update, {"fault": fault})

    def went_back(self, start: int, update: int, fault: str, *, number: int) -> None:
        """From an update to an earlier one, for the `number`th time in the run."""
        self.say(f"going back to update {update:,}, and on with the data that follows")
        try:
            if self._log is not None:
                self._log.rewind(update, rollbacks=number - 1)
        except DragomanError as error:
            self._survive(error)
        self._write("rollback", update, {"fault": fault, "from": start, "number": number})

    def _write(self, kind: str, update: int, values: Mapping[str, float | str]) -> None:
        try:
            if self._log is not None:
                self._log.write(kind, update, values)
        except DragomanError as error:
            self._survive(error)

    def _survive(self, error: DragomanError) -> None:
        self.say(f"{error}; training goes on")

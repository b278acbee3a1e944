"""Errors for people to read: one line that names the file, line or key at fault."""


class DragomanError(Exception):
    """Base of all errors that the user can fix. Its text is one line; the command line prints it and exits with 2."""


class InvalidInputError(DragomanError):
    """An invalid text, option or file. gRPC: INVALID_ARGUMENT."""


class NotFoundError(DragomanError):
    """A missing model, language or file. gRPC: NOT_FOUND."""


class NoTranslationError(DragomanError):
    """The network's probabilities for a sentence are NaN. No other sentence is affected."""


class StalledError(DragomanError):
    """An engine takes far too long for a step, and cannot be used any more. gRPC: UNAVAILABLE."""


class InvalidTextError(InvalidInputError):
    """An invalid text among many. index: its place among all texts given, from 0."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(f"text {index}: {reason}")
        self.index = index
        self.reason = reason


class InvalidRequestError(InvalidInputError):
    """An invalid option, or another fault that does not depend on the text."""

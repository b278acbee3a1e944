"""The errors that a person is meant to read: one line that names the file, line or key at fault."""


class DragomanError(Exception):
    """Base of all errors that the user can mend. Its text is one line; the command line prints it and exits with 2."""


class InvalidInputError(DragomanError):
    """What was given is wrong: a text, an option, a file's content. gRPC: INVALID_ARGUMENT."""


class NotFoundError(DragomanError):
    """What was named does not exist: a model, a language, a file. gRPC: NOT_FOUND."""


class NoTranslationError(DragomanError):
    """The network gives no probabilities for a sentence: they are not numbers. No other sentence is affected."""


class StalledError(DragomanError):
    """An engine takes far too long for a step; nothing more can be had of it. gRPC: UNAVAILABLE."""


class InvalidTextError(InvalidInputError):
    """Of many texts, the one of this index, counted from 0 over all that were given, is at fault for this reason."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(f"text {index}: {reason}")
        self.index = index
        self.reason = reason


class InvalidRequestError(InvalidInputError):
    """What holds for all texts is at fault, such as an option; it would be for any other text as well."""

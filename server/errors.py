"""What is wrong with a request, told apart so that whoever sent many texts can name the one at fault."""

from model.errors import InvalidInputError


class InvalidTextError(InvalidInputError):
    """The text of this index, counted from 0 over all texts that were given, is at fault for this reason."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(f"text {index}: {reason}")
        self.index = index
        self.reason = reason


class InvalidRequestError(InvalidInputError):
    """What holds for all texts is at fault, such as an option; it would be for any other text as well."""

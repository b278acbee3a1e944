"""Texts cut as Moses' scripts and subword-nmt cut them: into tokens, and those into pieces by learnt merges. Needs the
extra `moses`."""

import io
import threading
from collections.abc import Sequence

from dragoman.model.errors import DragomanError, InvalidInputError

MAX_REMEMBERED = 50_000
"""Tokens whose pieces subword-nmt may remember: it forgets none by itself."""

_CONTINUES = "@@"
"""Ends a piece whose token goes on."""


class MosesWords:
    """Cuts texts of a language, and joins pieces into text. Safe to use from several threads."""

    def __init__(self, codes: bytes, language: str, origin: str) -> None:
        """codes: subword-nmt's merges. language: its tag, such as "pt-BR". origin: begins the errors.

        Raises InvalidInputError for damaged codes, DragomanError if a package is missing.
        """
        self.codes, self.language = codes, language
        try:
            from sacremoses import MosesDetokenizer, MosesPunctNormalizer, MosesTokenizer
            from subword_nmt.apply_bpe import BPE
        except ModuleNotFoundError as error:
            raise DragomanError(
                f"{origin}: these texts are tokenized as Moses does, which needs a package: "
                "pip install 'dragoman[moses]'"
            ) from error
        primary = language.partition("-")[0].lower()
        self._normalizer, self._tokenizer = MosesPunctNormalizer(primary), MosesTokenizer(primary)
        self._detokenizer = MosesDetokenizer(primary)
        try:
            text = codes.decode()
        except UnicodeDecodeError as error:
            raise InvalidInputError(f"{origin}: is not UTF-8") from error
        merges = [line for line in text.rstrip("\n").split("\n") if not line.startswith("#version:")]
        for number, line in enumerate(merges, start=1):
            if len(line.strip("\r\n ").split(" ")) != 2:
                raise InvalidInputError(f"{origin}: merge {number} is not of two parts: no codes of subword-nmt")
        self._merges = BPE(io.StringIO(text))
        self._lock = threading.Lock()

    def split(self, text: str) -> list[str]:
        """The pieces of a text."""
        tokens = self._tokenizer.tokenize(self._normalizer.normalize(text))
        with self._lock:
            if len(self._merges.cache) > MAX_REMEMBERED:
                self._merges.cache.clear()
            pieces: list[str] = self._merges.segment_tokens(tokens)
        return pieces

    def join(self, pieces: Sequence[str]) -> str:
        """The text of pieces."""
        joined = " ".join(pieces).replace(f"{_CONTINUES} ", "").removesuffix(_CONTINUES)
        return str(self._detokenizer.detokenize(joined.split(" "))) if joined else ""

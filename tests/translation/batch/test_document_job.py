"""Document jobs: what a kill leaves is used again."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.model.errors import InvalidInputError
from dragoman.translation.batch.document_job import decode_content, encode_content, run_document_job
from dragoman.translation.batch.job import JobSummary
from dragoman.translation.documents.document import DocumentOptions
from dragoman.translation.documents.opening import open_document
from dragoman.translation.documents.translating import BLOCK
from dragoman.translation.markup.content import Content, Role, Tag
from dragoman.translation.markup.document import MarkupText, TranslatedText

CONTENT = "".join(f"line {number}\n" for number in range(2 * BLOCK + 10)).encode()


def run_job(output: Path, content: bytes, calls: list[int], *, fail_at: int = -1) -> JobSummary:
    def shout(texts: Sequence[MarkupText]) -> list[TranslatedText]:
        calls.append(len(texts))
        if len(calls) == fail_at:
            raise KeyboardInterrupt
        return [TranslatedText(text.text.upper()) for text in texts]

    document = open_document(content, "csv", "", DocumentOptions(columns=("1",)))
    return run_document_job(
        content, document, output, shout, language="en", retranslate=False, parameters={"model": "a"}
    )


def test_a_job_continues_after_a_kill(tmp_path: Path) -> None:
    output, calls = tmp_path / "out.txt", list[int]()
    with pytest.raises(KeyboardInterrupt):
        run_job(output, CONTENT, calls, fail_at=3)
    assert not output.exists()
    with pytest.raises(InvalidInputError, match="the document has changed since the job was begun"):
        run_job(output, CONTENT + b"\n", [])
    again = list[int]()
    assert run_job(output, CONTENT, again) == JobSummary(2 * BLOCK + 10, 2 * BLOCK)
    assert again == [10]
    assert output.read_bytes() == CONTENT.upper()
    assert [path.name for path in tmp_path.iterdir()] == ["out.txt"]


_TEXTS = st.sampled_from(["a", "ü\n", "\ud800", '"'])


@settings(deadline=None)
@given(
    st.none()
    | st.lists(_TEXTS | st.builds(Tag, _TEXTS, st.sampled_from(Role), _TEXTS | st.just("")), max_size=5).map(tuple)
)
def test_a_line_of_the_partial_file_is_the_content(content: Content | None) -> None:
    assert decode_content(encode_content(content)) == content
    assert encode_content(content).count(b"\n") == 1

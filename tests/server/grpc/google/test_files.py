"""The allowed folder: what a name may lead to, and what not."""

import csv
import io
import os
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.server.grpc.google.api import FailedPreconditionError
from dragoman.server.grpc.google.files import AllowedFolder, InputFile, open_input, open_output
from dragoman.server.grpc.google.rows import RowReader, _Table, append_index_row


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Holds a.txt, sub/b.tsv, sub/c.html and sub/d.pdf; beside it there is outside/secret.txt."""
    folder = tmp_path / "allowed folder"
    for name in ("a.txt", "sub/b.tsv", "sub/c.html", "sub/d.pdf", "sub/[x].txt"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret.txt").write_text("secret")
    return folder


def find(root: Path, uri: str, max_files: int = 10) -> list[str]:
    return [file.uri for file in AllowedFolder(root).find_inputs(uri, max_files)]


def test_files_are_named_in_three_ways(root: Path) -> None:
    for uri in ("sub/b.tsv", str(root / "sub/b.tsv"), (root / "sub/b.tsv").as_uri()):
        (file,) = AllowedFolder(root).find_inputs(uri, 1)
        assert file == InputFile(root / "sub/b.tsv", uri, ("sub", "b.tsv"))
        assert file.output_name("de", "errors") == "sub_b_de_errors.tsv"
    assert find(root, f"file://localhost{(root / 'a.txt').as_posix()}") == [(root / "a.txt").as_uri()]


def test_the_folder_may_be_named_through_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    for name in ("allowed folder", "link"):
        assert find(tmp_path / "link", str(tmp_path / name / "a.txt")) == [str(root / "a.txt")]
    with pytest.raises(NotFoundError, match="is not in the folder"):  # a name that the operator has not given it
        find(root, str(tmp_path / "link/a.txt"))


def test_a_star_stands_for_part_of_a_name(root: Path) -> None:
    assert find(root, "*.txt") == ["a.txt"]
    assert find(root, "*/*.t*") == ["sub/[x].txt", "sub/b.tsv"]
    assert find(root, f"file://{root.as_posix()}/*/c*") == [(root / "sub/c.html").as_uri()]
    assert find(root, "sub/[*") == ["sub/[x].txt"]
    with pytest.raises(NotFoundError):
        find(root, "sub/[x]*c*")


@pytest.mark.parametrize("uri", ["none.txt", "*.html", "sub", "sub/[b].tsv", "a.txt/b", "x" * 5000])
def test_what_is_not_there_is_told(root: Path, uri: str) -> None:
    with pytest.raises(NotFoundError, match="there is no such file"):
        find(root, uri)


@pytest.mark.parametrize(
    "uri",
    ["", "gs://bucket/a.txt", "https://x/a.txt", "file://a.txt", "file:", "../outside/secret.txt", "sub/../a.txt",
     "a\0b", "file:///x/%2e%2e/a.txt", "**/a.txt", "sub/*", "sub/d.pdf"],
)  # fmt: skip
def test_what_no_name_may_be_is_refused(root: Path, uri: str) -> None:
    with pytest.raises((InvalidInputError, NotFoundError)):
        find(root, uri)


def test_nothing_outside_is_found(root: Path, tmp_path: Path) -> None:
    secret = tmp_path / "outside/secret.txt"
    (root / "link.txt").symlink_to(secret)
    (root / "folder").symlink_to(secret.parent)
    (root / "circle.txt").symlink_to(root / "circle.txt")
    (root / "inside.txt").symlink_to(root / "a.txt")
    for uri in (
        str(secret),
        secret.as_uri(),
        "link.txt",
        "folder/secret.txt",
        "folder/*",
        "circle.txt",
        "/etc/*",
        "l*",
    ):
        with pytest.raises(NotFoundError):
            find(root, uri)
    assert find(root, "*.txt") == ["a.txt", "inside.txt"]  # links that stay inside are as good as files


def test_the_number_of_files_is_limited(root: Path) -> None:
    with pytest.raises(InvalidInputError, match="more than 1 files"):
        find(root, "*/*.t*", max_files=1)


def test_an_output_folder_is_made_and_must_be_empty(root: Path) -> None:
    allowed = AllowedFolder(root)
    folder, style = allowed.make_output_folder("out/new/")
    assert folder == root / "out/new"
    assert folder.is_dir()
    assert style.write(folder / "x y.txt") == "out/new/x y.txt"
    folder, style = allowed.make_output_folder(f"{(root / 'out/new').as_uri()}/")
    assert style.write(folder / "x y.txt") == (folder / "x y.txt").as_uri()
    for uri, words in (("sub/", "must be empty"), ("out", 'must end with "/"'), ("a.txt/", "cannot be written to")):
        with pytest.raises(InvalidInputError, match=words):
            allowed.make_output_folder(uri)


def test_no_output_folder_is_outside(root: Path, tmp_path: Path) -> None:
    (root / "folder").symlink_to(tmp_path / "outside")
    for uri in ("folder/new/", f"{tmp_path}/new/", "../new/", "/new/", f"{(tmp_path / 'new').as_uri()}/"):
        with pytest.raises((InvalidInputError, NotFoundError)):
            AllowedFolder(root).make_output_folder(uri)
    assert [path.name for path in tmp_path.iterdir() if path.name == "new"] == []
    assert [path.name for path in (tmp_path / "outside").iterdir()] == ["secret.txt"]


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no such folder"):
        AllowedFolder(tmp_path / "none")


def test_what_has_become_a_link_or_a_pipe_is_not_opened(root: Path, tmp_path: Path) -> None:
    (root / "link").symlink_to(tmp_path / "outside/secret.txt")
    os.mkfifo(root / "pipe")
    for name in ("link", "pipe", "sub", "none"):
        with pytest.raises(InvalidInputError):
            open_input(root / name)
    for name in ("link", "a.txt", "sub"):
        with pytest.raises(FailedPreconditionError):
            open_output(root / name)


def test_a_folder_that_has_become_a_link_leads_nowhere(root: Path, tmp_path: Path) -> None:
    (file,) = AllowedFolder(root).find_inputs("sub/b.tsv", 1)
    (root / "sub").rename(root / "old")
    (root / "sub").symlink_to(tmp_path / "outside")
    (tmp_path / "outside/b.tsv").write_text("secret")
    with pytest.raises(InvalidInputError, match=r"b.tsv: cannot be read"):
        open_input(file.path)
    with pytest.raises(FailedPreconditionError, match=r"x.tsv: cannot be written"):
        open_output(root / "sub/x.tsv")
    assert sorted(path.name for path in (tmp_path / "outside").iterdir()) == ["b.tsv", "secret.txt"]


def test_an_index_is_not_written_through_a_link_nor_into_a_pipe(root: Path, tmp_path: Path) -> None:
    secret = tmp_path / "outside/secret.txt"
    (root / "index.csv").symlink_to(secret)
    with pytest.raises(FailedPreconditionError, match=r"index.csv: cannot be written"):
        append_index_row(root / "index.csv", ["row"])
    assert secret.read_text() == "secret"
    os.mkfifo(root / "pipe.csv")
    with pytest.raises(FailedPreconditionError, match=r"pipe.csv: cannot be written"):
        append_index_row(root / "pipe.csv", ["row"])


def test_no_path_outside_is_looked_at_and_long_names_take_no_time(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = AllowedFolder(root)
    looked_at: list[Any] = []
    with monkeypatch.context() as watched:
        watched.setattr(os, "stat", looked_at.append)
        for path in ("/no such folder" + "/a" * 2000, str(root.parent / "outside/secret.txt"), "/dev/null"):
            with pytest.raises(NotFoundError, match=r"is not in the folder|no such file"):
                list(folder.find_inputs(path, 1))
    assert looked_at == []
    with pytest.raises(NotFoundError):
        find(root, "/a" * 1_000_000)
    with pytest.raises(InvalidInputError, match="more than 64 folders"):
        find(root, "*/" * 1500 + "a.txt")


def test_a_row_that_never_ends_does_not_fill_the_memory(root: Path) -> None:
    (root / "sub/b.tsv").write_text("one\n" + '"a\n"\t' * 300_000)
    (file,) = AllowedFolder(root).find_inputs("sub/b.tsv", 1)
    with closing(RowReader(file, 1000)) as reader:
        assert [row.text for row in reader.read(1, 1000)] == ["one"]
        with pytest.raises(InvalidInputError, match="a row has more than 1000000 characters"):
            reader.read(1, 1000)


def test_a_name_that_no_message_can_hold_is_told(root: Path) -> None:
    Path(os.fsdecode(os.fsencode(root) + b"/\xff.txt")).write_text("x")
    with pytest.raises(InvalidInputError, match="the name of the file is not in UTF-8"):
        find(root, "*.txt")


CELLS = st.text(st.sampled_from('ab"\n\t '), max_size=6).filter(lambda text: not ("\t" in text and "\n" in text))


@given(st.lists(st.tuples(CELLS, CELLS), max_size=5))
def test_what_is_written_as_a_table_is_read_as_it_was(rows: list[tuple[str, str]]) -> None:
    file = io.StringIO(newline="")
    csv.writer(file, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    file.seek(0)
    assert list(_Table(file)) == [(list(row), False) for row in rows]


@given(st.text(st.sampled_from('a"\t\n'), max_size=20))
def test_every_line_of_a_table_is_part_of_some_row(content: str) -> None:
    found = list(_Table(io.StringIO(content, newline="")))
    text = "".join("".join(columns) for columns, _ in found)
    assert Counter(text)["a"] == Counter(content)["a"]
    assert all("\n" not in column for columns, is_literal in found if is_literal for column in columns)

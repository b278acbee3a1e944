"""Writing files: all or nothing, and an error that names the file."""

import errno
import gzip
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import dragoman.model.files
from dragoman.model.errors import DragomanError
from dragoman.model.files import (
    new_folder,
    open_atomically,
    open_output,
    open_together,
    refuse_to_replace,
    write_atomically,
)

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("content", "due"), [("Grüße\n", "Grüße\n".encode()), (b"\x00\xff", b"\x00\xff"), ("", b"")])
def test_writes_text_and_bytes(content: str | bytes, due: bytes, tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "file.txt"
    write_atomically(path, content)
    assert path.read_bytes() == due
    assert [entry.name for entry in path.parent.iterdir()] == ["file.txt"]


def test_replaces_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old and longer")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("operation", ["os.fsync", "pathlib.Path.replace"])
@pytest.mark.parametrize("old", [b"old", None], ids=["file", "no file"])
def test_a_full_disk_leaves_all_as_it_was(
    operation: str, old: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    if old is not None:
        path.write_bytes(old)

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(operation, fail)
    with pytest.raises(DragomanError, match="No space left on device") as caught:
        write_atomically(path, b"new")
    assert str(caught.value) == f"{path}: cannot be written: No space left on device"
    assert {entry: entry.read_bytes() for entry in tmp_path.iterdir()} == ({} if old is None else {path: old})


def test_a_write_that_stops_half_way(tmp_path: Path) -> None:
    """The system itself refuses to let the file grow beyond 4096 bytes."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    code = """
import resource, signal, sys
from pathlib import Path
from dragoman.model.errors import DragomanError
from dragoman.model.files import write_atomically
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    write_atomically(Path(sys.argv[1]), bytes(100_000))
except DragomanError as error:
    print(error)
"""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code, str(path)], cwd=root, capture_output=True, text=True, timeout=60)
    assert done.stdout == f"{path}: cannot be written: File too large\n", done.stderr
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_path_that_cannot_be_one(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"old")
    for path in (file / "inside", file / "deep" / "inside", tmp_path / ("x" * 300), tmp_path / "folder"):
        (tmp_path / "folder" / "kept").mkdir(parents=True, exist_ok=True)
        with pytest.raises(DragomanError, match="cannot be written") as caught:
            write_atomically(path, b"new")
        assert str(caught.value).startswith(f"{path}: ")
    assert file.read_bytes() == b"old"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder"]


def test_two_that_write_the_same_file_at_once_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with open_atomically(path) as first, open_atomically(path) as second:
        first.write(b"first")
        second.write(b"second, and longer")
        second.flush()
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_names_are_on_the_disk_before_writing_is_said_to_be_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[Path, list[str]]] = []

    def note(folder: Path) -> None:
        synced.append((folder, sorted(entry.name for entry in folder.iterdir())))

    monkeypatch.setattr(dragoman.model.files, "sync_folder", note)
    with open_together([tmp_path / "one", tmp_path / "two"]) as files:
        for file in files:
            file.write(b"new")
        assert synced == []
    assert synced == [(tmp_path, ["one", "two"])]


@pytest.fixture(params=["exchange", "two renames"])
def old_folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that holds a file "old", where names can be exchanged and where they cannot."""
    if request.param == "two renames":
        monkeypatch.setattr(dragoman.model.files, "_exchange", lambda *_: False)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old").touch()
    return tmp_path / "folder"


def inside(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_a_new_folder_takes_the_place_of_an_older_one(old_folder: Path) -> None:
    (old_folder.parent / "folder.new").mkdir()  # of a process that was killed
    with new_folder(old_folder) as aside:
        (aside / "new").touch()
        assert inside(old_folder) == ["old"]
    assert inside(old_folder) == ["new"]
    assert inside(old_folder.parent) == ["folder"]


def test_a_new_folder_that_fails_leaves_the_older_one(old_folder: Path) -> None:
    def fail() -> None:
        with new_folder(old_folder) as aside:
            (aside / "half").touch()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert inside(old_folder) == ["old"]
    assert inside(old_folder.parent) == ["folder"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux exchanges names")
def test_there_is_no_moment_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()

    def refuse(*_: object) -> None:
        raise AssertionError("between two renames there is none")

    monkeypatch.setattr(Path, "rename", refuse)
    with new_folder(folder) as aside:
        (aside / "new").touch()
    assert inside(folder) == ["new"]


def test_an_older_folder_set_aside_by_a_kill_comes_back(old_folder: Path) -> None:
    old_folder.rename(old_folder.with_name("folder.old"))  # killed between two renames
    with pytest.raises(KeyError), new_folder(old_folder):
        raise KeyError
    assert inside(old_folder) == ["old"]


def test_of_two_that_make_the_same_folder_one_waits_for_the_other(tmp_path: Path) -> None:
    with ThreadPoolExecutor() as pool:
        with new_folder(tmp_path / "folder") as first:
            (first / "first").touch()
            other = pool.submit(make_folder, tmp_path / "folder")
            assert inside(first) == ["first"]  # the other has not swept it away
        other.result(timeout=60)
    assert inside(tmp_path / "folder") == ["second"]


def make_folder(folder: Path) -> None:
    with new_folder(folder) as aside:
        (aside / "second").touch()


def test_clients_import_where_there_is_no_fcntl() -> None:
    code = """
import sys
sys.modules["fcntl"] = None  # as on Windows, importing it fails
import dragoman
assert dragoman.Client and dragoman.AsyncClient and dragoman.Translation
import dragoman.translation.batch.job
from dragoman.model.files import exclusive_lock
try:
    with exclusive_lock(__import__("pathlib").Path(sys.argv[1])):
        raise AssertionError("it was locked by nothing")
except dragoman.DragomanError as error:
    assert "this system has no locks on files" in str(error), error
"""
    lock = os.devnull
    done = subprocess.run([sys.executable, "-c", code, lock], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_a_file_that_is_written_bit_by_bit_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with open_atomically(path) as file:
        for part in (b"new", b" and", b" whole"):
            file.write(part)
            assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new and whole"

    def write_half() -> None:
        with open_atomically(path) as file:
            file.write(b"half")
            raise KeyError

    with pytest.raises(KeyError):
        write_half()
    assert path.read_bytes() == b"new and whole"
    assert list(tmp_path.iterdir()) == [path]


def test_files_that_belong_together_appear_together_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "a.en", tmp_path / "a.de"

    def write_both(content: bytes) -> None:
        with open_together([source, target]) as files:
            for file in files:
                file.write(content)

    write_both(b"old")
    assert (source.read_bytes(), target.read_bytes()) == (b"old", b"old")

    # What is buffered may meet a full disk at the very end, for the second file as for the first.
    num_synced = 0

    def fail_at_the_second(_: int) -> None:
        nonlocal num_synced
        num_synced += 1
        if num_synced == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", fail_at_the_second)
    with pytest.raises(DragomanError, match=r"a\.de: cannot be written: No space left on device"):
        write_both(b"new")
    assert (source.read_bytes(), target.read_bytes()) == (b"old", b"old")
    assert sorted(tmp_path.iterdir()) == [target, source]


def test_of_several_files_the_one_at_fault_is_named(tmp_path: Path) -> None:
    source, target = tmp_path / "a.en", tmp_path / "a.de"

    def write_both() -> None:
        with open_together([source, target]) as files:
            os.close(files[0].fileno())  # as if its disk had gone
            for file in files:
                file.write(bytes(100_000))

    with pytest.raises(DragomanError, match=r"a\.en: cannot be written: Bad file descriptor"):
        write_both()
    assert list(tmp_path.iterdir()) == []


def test_a_link_stays_and_the_file_that_it_names_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").write_bytes(b"old")
    for name, target in (("link", "there/file"), ("new", "there/none")):
        link = tmp_path / name
        link.symlink_to(target)
        write_atomically(link, b"new")
        assert link.is_symlink()
        assert (tmp_path / target).read_bytes() == b"new"


def test_a_device_is_written_through(tmp_path: Path) -> None:
    null = tmp_path / "null"
    null.symlink_to("/dev/null")
    for path in (null, Path("/dev/null")):
        refuse_to_replace(path)  # nothing is lost
        write_atomically(path, b"new")
        assert path.is_char_device()
    with pytest.raises(DragomanError, match="/dev/full: cannot be written: No space left on device"):
        write_atomically(Path("/dev/full"), b"new")


def test_a_named_pipe_is_written_through(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.gz"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as reader:
        content = reader.submit(pipe.read_bytes)
        with open_output(pipe) as file:
            file.write(b"new")
        assert gzip.decompress(content.result()) == b"new"
    assert pipe.is_fifo()


@pytest.mark.parametrize("name", ["file.gz", "FILE.GZ", "file"])
def test_an_output_is_packed_as_its_name_says(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    with open_output(path) as file:
        file.write("Grüße\n".encode())
    content = path.read_bytes()
    assert (gzip.decompress(content) if name != "file" else content) == "Grüße\n".encode()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("path", [None, Path("-"), Path("/dev/stdout")])
def test_a_hyphen_is_standard_output(path: Path | None, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    with open_output(path) as file:
        file.write(b"new")
    assert capsysbinary.readouterr().out == b"new"


def test_several_files_may_have_standard_output_among_them(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with open_together([Path("-"), Path("file")]) as files:
        for file in files:
            file.write(b"new")
    assert capfdbinary.readouterr().out == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]

"""What counts as a change of a bundle."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dragoman.model.files import write_atomically
from dragoman.server.watching import FolderWatch, bundle_state, file_state


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return make_bundle(tmp_path / "versions" / "1", tmp_path / "bundle")


def make_bundle(folder: Path, link: Path | None = None) -> Path:
    folder.mkdir(parents=True)
    for name in ("config.json", "weights.safetensors", "vocabulary.model"):
        (folder / name).write_text(name)
    if link is None:
        return folder
    link.symlink_to(folder, target_is_directory=True)
    return link


def overwrite_in_place(bundle: Path) -> None:
    with (bundle / "weights.safetensors").open("r+b") as file:
        file.write(b"W")
    os.utime(bundle / "weights.safetensors", ns=(1, 1))  # the clock may be too coarse to tell the two writes apart


def replace_a_file(bundle: Path) -> None:
    old = (bundle / "config.json").stat()
    new = bundle / "config.json.new"
    new.write_text("config.jsoN")  # as long as the old one
    os.utime(new, ns=(old.st_atime_ns, old.st_mtime_ns))
    new.replace(bundle / "config.json")


def add_a_shortlist(bundle: Path) -> None:
    (bundle / "shortlist.safetensors").write_bytes(b"")


def remove_the_vocabulary(bundle: Path) -> None:
    (bundle / "vocabulary.model").unlink()


def point_the_link_elsewhere(bundle: Path) -> None:
    other = make_bundle(bundle.parent / "versions" / "2")
    aside = bundle.parent / "aside"
    aside.symlink_to(other, target_is_directory=True)
    aside.replace(bundle)


def put_another_folder_in_its_place(bundle: Path) -> None:
    folder = bundle.resolve()
    other = make_bundle(bundle.parent / "other")
    folder.rename(bundle.parent / "old")
    other.rename(folder)


def remove_it(bundle: Path) -> None:
    bundle.unlink()


CHANGES = [
    overwrite_in_place,
    replace_a_file,
    add_a_shortlist,
    remove_the_vocabulary,
    point_the_link_elsewhere,
    put_another_folder_in_its_place,
    remove_it,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_change_is_seen(bundle: Path, change: Callable[[Path], None]) -> None:
    before = bundle_state(str(bundle))
    assert bundle_state(str(bundle)) == before
    change(bundle)
    assert bundle_state(str(bundle)) != before


def test_what_is_no_part_of_the_model_does_not_count(bundle: Path) -> None:
    before = bundle_state(str(bundle))
    (bundle / "notes.txt").write_text("mine")
    assert bundle_state(str(bundle)) == before


def test_a_shipped_bundle_has_a_state() -> None:
    assert bundle_state("en-de").folder.endswith("en-de")


def test_a_file_that_is_not_there_has_none(tmp_path: Path) -> None:
    assert file_state(tmp_path / "none") is None


def test_a_folder_s_changes_are_found(tmp_path: Path) -> None:
    watch = FolderWatch(tmp_path, "*.txt")
    one, other = tmp_path / "one.txt", tmp_path / "other.txt"
    assert watch.changes() == ([], [])
    write_atomically(one, "1")
    write_atomically(tmp_path / "no.tsv", "1")
    assert watch.changes() == ([one], [])
    assert watch.changes() == ([], [])
    write_atomically(one, "22")
    write_atomically(other, "2")
    assert watch.changes() == ([one, other], [])
    one.unlink()
    assert watch.changes() == ([], [one])

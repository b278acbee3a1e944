"""Lexical shortlists: what a sentence allows, the file in the bundle and its damages, and CTranslate2's form."""

import dataclasses
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.numpy import load, save

from dragoman.model.bundle import read_config
from dragoman.model.config import Direction, VocabularyShape
from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.model.shortlist import (
    SHORTLIST_FILE,
    CandidateLists,
    Shortlist,
    has_shortlist,
    read_shortlist,
    write_vmap,
)
from dragoman.model.vocabulary import Vocabulary
from tests.pieces import BOS_ID, EOS_ID, UNK_ID, encode_source

EN_DE, DE_EN = Direction("en", "de"), Direction("de", "en")
ARRAY_NAMES = ("always", "offsets", "pieces")
ROOT = Path(__file__).parents[2]


def make_lists(always: list[int], lists: list[list[int]]) -> CandidateLists:
    pieces = [piece for ids in lists for piece in ids]
    offsets = np.cumsum([0, *map(len, lists)])
    return CandidateLists(np.array(always, np.int64), offsets.astype(np.int64), np.array(pieces, np.int64))


def make_random(shape: VocabularyShape, seed: int) -> CandidateLists:
    random = np.random.default_rng(seed)
    always = sorted({EOS_ID, *random.integers(shape.target_size, size=5).tolist()})
    sizes = random.integers(0, 4, size=shape.source_size)
    return make_lists(always, [sorted(set(random.integers(shape.target_size, size=n).tolist())) for n in sizes])


@given(
    lists=st.lists(st.lists(st.integers(0, 29)), min_size=8, max_size=8),
    sentences=st.lists(st.lists(st.integers(0, 7), min_size=1, max_size=6), min_size=1, max_size=3),
)
def test_a_sentence_allows_the_union_whatever_was_asked_before(
    lists: list[list[int]], sentences: list[list[int]]
) -> None:
    shape = VocabularyShape(source_size=8, target_size=30, joint=False)
    shortlist = Shortlist({EN_DE: make_lists([EOS_ID, 11], lists)}, shape)
    for sentence in sentences:
        allowed = shortlist.allowed_ids(sentence, EN_DE)
        assert allowed.dtype == np.int32
        assert allowed.tolist() == sorted({EOS_ID, 11}.union(*(lists[source] for source in sentence)))


def test_each_direction_has_its_own_lists() -> None:
    shape = VocabularyShape(source_size=6, target_size=6, joint=True)
    shortlist = Shortlist({EN_DE: make_lists([EOS_ID], [[]] * 5 + [[4]])}, shape)
    both = shortlist.with_lists(DE_EN, make_lists([EOS_ID], [[]] * 5 + [[5]]))
    assert both.allowed_ids([5], EN_DE).tolist() == [3, 4]
    assert both.allowed_ids([5], DE_EN).tolist() == [3, 5]
    with pytest.raises(NotFoundError, match="there is no shortlist for de→en: `dragoman shortlist` learns one"):
        shortlist.allowed_ids([5], DE_EN)


def test_it_needs_no_torch() -> None:
    code = "import sys, dragoman.model.shortlist; assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


# In the bundle


@pytest.fixture
def folder(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A bundle that a test may change."""
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


@pytest.mark.parametrize("target_size", [40, 2**16, 2**16 + 1])
def test_round_trip(target_size: int, folder: Path) -> None:
    shape = VocabularyShape(source_size=12, target_size=target_size, joint=False)
    config = dataclasses.replace(read_config(folder), vocabulary=shape)
    lists = {EN_DE: make_random(shape, 1), Direction("zh-Hant", "pt-BR"): make_random(shape, 2)}
    lists[EN_DE].always[-1] = target_size - 1
    assert not has_shortlist(folder)
    Shortlist(lists, shape).write(folder)
    assert has_shortlist(folder)
    read = read_shortlist(folder, config)
    assert read.lists.keys() == lists.keys()
    for direction, candidates in lists.items():
        for name in ARRAY_NAMES:
            assert getattr(read.lists[direction], name).tolist() == getattr(candidates, name).tolist()


Arrays = dict[str, NDArray[np.generic]]


def change(edit: Callable[[Arrays], object]) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        arrays: Arrays = {name: array.copy() for name, array in load(path.read_bytes()).items()}
        edit(arrays)
        path.write_bytes(save(arrays))

    return apply


def replace(name: str, values: object, dtype: type[np.generic] = np.uint16) -> Callable[[Path], None]:
    return change(lambda arrays: arrays.update({f"en→de.{name}": np.array(values, dtype)}))


def write_bfloat16(path: Path) -> None:
    """A type that safetensors has and numpy does not."""
    path.write_bytes(safetensors.torch.save({"en→de.always": torch.tensor([3], dtype=torch.bfloat16)}))


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: path.unlink(), "the bundle has no shortlist; `dragoman shortlist` learns one"),
    "empty": (lambda path: path.write_bytes(b""), "damaged or cut short"),
    "cut short": (lambda path: path.write_bytes(path.read_bytes()[:-1]), "damaged or cut short"),
    "text": (lambda path: path.write_text("a word\tein Wort\n" * 9, "utf-8"), "damaged or cut short"),
    "an array is missing": (
        change(lambda arrays: arrays.pop("en→de.offsets")),
        "en→de.offsets must be there and hold integers",
    ),
    "no integers": (replace("always", [3.0], np.float32), "en→de.always must be there and hold integers"),
    "no direction": (
        change(lambda arrays: arrays.update({f"lists.{part}": arrays[f"en→de.{part}"] for part in ARRAY_NAMES})),
        '"lists" is no translation direction',
    ),
    "a type of torch": (write_bfloat16, "holds numbers of the type BF16"),
    "two dimensions": (replace("always", [[3]]), "its arrays must have one dimension"),
    "another vocabulary": (replace("offsets", [0, 0, 0], np.uint32), "it has lists for 2 source pieces, but the"),
    "offsets beyond the pieces": (replace("pieces", []), "its offsets do not divide its pieces"),
    "offsets that fall": (
        change(lambda arrays: arrays["en→de.offsets"].__setitem__(1, 2**31)),
        "its offsets do not divide its pieces",
    ),
    "ids out of range": (
        change(lambda arrays: arrays["en→de.pieces"].__setitem__(0, 65535)),
        "it holds ids outside of the",
    ),
    "no end of sentence": (replace("always", [4]), "it lacks the end of sentence"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_names_the_file_and_what_is_wrong(kind: str, folder: Path) -> None:
    config = read_config(folder)
    Shortlist({EN_DE: make_random(config.vocabulary, 3)}, config.vocabulary).write(folder)
    damage, message = DAMAGE[kind]
    damage(folder / SHORTLIST_FILE)
    with pytest.raises(InvalidInputError) as caught:
        read_shortlist(folder, config)
    assert str(caught.value).startswith(f"{folder / SHORTLIST_FILE}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


# For CTranslate2


def read_vmap(path: Path) -> dict[str, set[str]]:
    """As CTranslate2 reads it: up to the tab an n-gram of source pieces, then target pieces."""
    lines = path.read_text("utf-8").split("\n")
    assert lines.pop() == ""
    rules = {}
    for line in lines:
        key, tab, pieces = line.partition("\t")
        assert tab
        assert key not in rules
        rules[key] = set(pieces.split(" "))
    return rules


def test_a_vmap_allows_the_same_pieces(tiny_vocabulary: Vocabulary, tmp_path: Path) -> None:
    shape = tiny_vocabulary.shape
    shortlist = Shortlist({EN_DE: make_random(shape, 4)}, shape)
    write_vmap(tmp_path / "vmap.txt", shortlist, EN_DE, tiny_vocabulary)
    rules = read_vmap(tmp_path / "vmap.txt")
    assert all(" " not in key for key in rules)  # no n-gram of more than one piece
    for text in ("The dog sees the house.", "A café\tin 1984!"):
        source_ids = encode_source(tiny_vocabulary, text, EN_DE)
        due = set(tiny_vocabulary.target.pieces(shortlist.allowed_ids(source_ids, EN_DE).tolist()))
        found = rules[""].union(*(rules.get(piece, set()) for piece in tiny_vocabulary.source.pieces(source_ids)))
        added = set(tiny_vocabulary.target.pieces([UNK_ID, BOS_ID, EOS_ID]))  # by CTranslate2 itself
        assert found | added == due | added


def test_a_vmap_needs_lists(tiny_vocabulary: Vocabulary, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no shortlist for en→de"):
        write_vmap(tmp_path / "vmap.txt", Shortlist({}, tiny_vocabulary.shape), EN_DE, tiny_vocabulary)
    assert not (tmp_path / "vmap.txt").exists()

"""Reading configuration files; what the messages are is told where a configuration is, in test_config."""

from pathlib import Path
from typing import Any

import pytest

from dragoman.model.config_files import StrictModel, apply_environment, apply_overrides, read_toml, validate_tree
from dragoman.model.errors import InvalidInputError


class _Table(StrictModel):
    size: int = 1


def test_a_file_becomes_a_tree(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text('[table]\nkey = "ä"\n', encoding="utf-8")
    assert read_toml(path) == {"table": {"key": "ä"}}


def test_a_byte_order_mark_is_no_part_of_the_tree(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_bytes(b"\xef\xbb\xbfseed = 3\n")
    assert read_toml(path) == {"seed": 3}


def test_overrides_make_tables_that_are_missing() -> None:
    tree = {"list": [{"a": 1}]}
    apply_overrides(tree, ["list.0.a=2", "new.table.key=word"], example="a.b=1")
    assert tree == {"list": [{"a": 2}], "new": {"table": {"key": "word"}}}


def test_the_environment_sets_keys_of_the_tables_that_there_are() -> None:
    class Tables(StrictModel):
        table: _Table = _Table()

    tree: dict[str, Any] = {"table": {"size": 1, "list": [{"a": 1}]}}
    environment = {
        "DRAGOMAN_TABLE__SIZE": "2",
        "DRAGOMAN_TABLE__LIST__0__A": "a word",
        "DRAGOMAN_OTHER__SIZE": "3",
        "DRAGOMAN_TABLE": "4",
        "TABLE__SIZE": "5",
    }
    assert apply_environment(tree, Tables, environment) == ["DRAGOMAN_TABLE__LIST__0__A", "DRAGOMAN_TABLE__SIZE"]
    assert tree == {"table": {"size": 2, "list": [{"a": "a word"}]}}
    with pytest.raises(InvalidInputError, match=r"^DRAGOMAN_TABLE__LIST__1__A: there is no table\.list\.1$"):
        apply_environment(tree, Tables, {"DRAGOMAN_TABLE__LIST__1__A": "1"})


def test_an_override_that_is_none_shows_the_example() -> None:
    with pytest.raises(InvalidInputError, match=r'^--set key: write it like "a\.b=1"$'):
        apply_overrides({}, ["key"], example="a.b=1")


def test_a_mistake_is_told_with_origin_and_key() -> None:
    assert validate_tree(_Table, {"size": 2}, origin="a.toml").size == 2
    with pytest.raises(InvalidInputError, match=r"^a\.toml: size: .*integer.*; sise: unknown key, perhaps size$"):
        validate_tree(_Table, {"size": "2", "sise": 1}, origin="a.toml")

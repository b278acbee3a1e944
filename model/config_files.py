"""Configuration files: a tree of tables in TOML, whose keys the environment and the command line may override."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import ValidationError

from dragoman.model.config import StrictModel, describe_validation_error
from dragoman.model.errors import InvalidInputError, NotFoundError

VARIABLE_PREFIX = "DRAGOMAN_"
"""Prefix of the environment variables that set keys: DRAGOMAN_TABLE__KEY."""

Table = TypeVar("Table", bound=StrictModel)


def read_toml(path: Path) -> dict[str, Any]:
    """A file's tree. Raises NotFoundError for a missing file, and InvalidInputError that names the line."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))  # some editors write a byte order mark
    except FileNotFoundError as error:
        raise NotFoundError(f"{path}: no such file") from error
    except OSError as error:
        raise InvalidInputError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{path}: not TOML: {error}") from error


def apply_overrides(tree: dict[str, Any], overrides: Sequence[str], *, example: str) -> None:
    """Sets keys of the tree. Each override is "table.key=value" in TOML syntax; a bare word is a string, and a number
    in the key is an index of a list.

    example: an override for the message about a malformed one. Raises InvalidInputError that names the key.
    """
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key.strip():
            raise InvalidInputError(f'--set {override}: write it like "{example}"')
        _set_key(tree, key.strip(), text, f"--set {key}")


def apply_environment(tree: dict[str, Any], kind: type[StrictModel], environ: Mapping[str, str]) -> list[str]:
    """Like `apply_overrides`, from variables such as DRAGOMAN_SERVER__DRAIN_SECONDS=60. Returns the names of the
    variables applied. Variables of tables that `kind` lacks belong to other programs and are ignored.

    Values are written as with --set. pydantic-settings cannot read these: it expects lists and numbers in JSON.
    """
    taken = []
    for variable, text in sorted(environ.items()):
        table, *rest = variable.removeprefix(VARIABLE_PREFIX).lower().split("__")
        if variable.startswith(VARIABLE_PREFIX) and rest and table in kind.model_fields:
            _set_key(tree, ".".join((table, *rest)), text, variable)
            taken.append(variable)
    return taken


def validate_tree(kind: type[Table], tree: dict[str, Any], *, origin: str) -> Table:
    """The tree as a table. Raises InvalidInputError that begins with `origin` and names every dotted key at fault."""
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        raise InvalidInputError(f"{origin}: {describe_validation_error(error, list(_keys_of(kind)))}") from error


def _keys_of(kind: type[StrictModel]) -> Iterator[str]:
    """The dotted keys of a table and of its tables, those of lists without an index."""
    for name, field in kind.model_fields.items():
        yield name
        for inner in (field.annotation, *get_args(field.annotation)):
            if isinstance(inner, type) and issubclass(inner, StrictModel):
                yield from (f"{name}.{key}" for key in _keys_of(inner))


def find_repeated(names: Iterable[str]) -> str | None:
    """The first repeated name; None if all differ."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def _set_key(tree: dict[str, Any], key: str, text: str, source: str) -> None:
    """source: the beginning of error messages."""
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text  # a bare word, such as a path
    *tables, last = key.split(".")
    node: Any = tree
    for place, name in enumerate(tables):
        try:
            node = node[int(name)] if isinstance(node, list) else node.setdefault(name, {})
        except (ValueError, IndexError) as error:
            raise InvalidInputError(f"{source}: there is no {'.'.join(tables[: place + 1])}") from error
        if not isinstance(node, dict | list):
            raise InvalidInputError(f"{source}: {'.'.join(tables[: place + 1])} is no table")
    try:
        node[int(last) if isinstance(node, list) else last] = value
    except (ValueError, IndexError) as error:
        raise InvalidInputError(f"{source}: there is no such place in the list") from error

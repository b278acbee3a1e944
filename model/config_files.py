"""Configuration files: a tree of tables in TOML, whose keys the environment and the command line may override."""

import difflib
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.model.tables import KeyFault

VARIABLE_PREFIX = "DRAGOMAN_"
"""Prefix of the environment variables that set keys: DRAGOMAN_TABLE__KEY."""

Table = TypeVar("Table")


class StrictModel(BaseModel):
    """Base of every configuration table: frozen, and an unknown key or a wrong type is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, protected_namespaces=())


FilePath = Annotated[Path, Field(strict=False)]
"""Of a configuration, where it is written as a string."""

_IN_WORDS = {
    "extra_forbidden": "unknown key",
    "unexpected_keyword_argument": "unknown key",
    # Pydantic's messages for these name Python types, which TOML and JSON do not have.
    "tuple_type": "should be a list, in square brackets",
    "dataclass_type": "should be a table, in JSON an object",
    "model_type": "should be a table, in JSON an object",
    "dict_type": "should be a table, in JSON an object",
    "path_type": "should be a path, in quotes",
}


def describe_validation_error(error: ValidationError, known_keys: Sequence[str] = ()) -> str:
    """One line that names each dotted key at fault, and of an unknown one the nearest of the known keys. Places in
    parentheses, the tags of a union, are no part of a key."""
    problems = []
    for problem in error.errors():
        fault = problem.get("ctx", {}).get("error")
        places = (*problem["loc"], *([fault.key] if isinstance(fault, KeyFault) else []))
        key = ".".join(str(place) for place in places if not str(place).startswith("("))
        message = _IN_WORDS.get(problem["type"]) or problem["msg"].removeprefix("Value error, ")
        if message == _IN_WORDS["extra_forbidden"] and (near := _nearest_key(problem["loc"], known_keys)):
            message += f", perhaps {near}"
        problems.append(f"{key}: {message}" if key else message)
    return "; ".join(problems)


def _nearest_key(place: Sequence[str | int], known_keys: Sequence[str]) -> str | None:
    """The known key of the same table, or else of any table, that an unknown key most resembles; None if none does."""
    names = [str(part) for part in place if not isinstance(part, int)]
    table = "".join(f"{name}." for name in names[:-1])
    own = {key.removeprefix(table): key for key in known_keys if key.startswith(table)}
    others = {key.rpartition(".")[2]: key for key in known_keys}
    for candidates in (own, others):
        if near := difflib.get_close_matches(names[-1], candidates, n=1, cutoff=0.75):
            return candidates[near[0]]
    return None


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


def validate_tree(kind: type[Table], tree: Mapping[str, Any], *, origin: str = "") -> Table:
    """The tree as a table. Raises InvalidInputError that begins with `origin` and names every dotted key at fault."""
    try:
        return TypeAdapter(kind).validate_python(tree)
    except ValidationError as error:
        reason = describe_validation_error(error, list(_keys_of(kind)))
        raise InvalidInputError(f"{origin}: {reason}" if origin else reason) from error


def validate_json(kind: type[Table], content: bytes, *, origin: str) -> Table:
    """Like `validate_tree`, from JSON."""
    try:
        return TypeAdapter(kind).validate_json(content)
    except ValidationError as error:
        raise InvalidInputError(f"{origin}: {describe_validation_error(error)}") from error


def _keys_of(kind: Any) -> Iterator[str]:
    """The dotted keys of a table and of its tables, those of lists without an index."""
    kinds = {name: field.annotation for name, field in kind.model_fields.items()} if _is_model(kind) else {}
    if is_dataclass(kind):
        classes = (kind, *getattr(kind, "KINDS", {}).values())
        kinds = {field.name: field.type for one in classes for field in fields(one)}
    for name, annotation in kinds.items():
        yield name
        for inner in (annotation, *get_args(annotation)):
            if _is_model(inner) or (is_dataclass(inner) and hasattr(inner, "__pydantic_config__")):
                yield from (f"{name}.{key}" for key in _keys_of(inner))


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, StrictModel)


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

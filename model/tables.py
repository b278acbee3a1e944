"""Tables of a bundle's JSON files: frozen dataclasses whose fields have bounds. Sound files are read without pydantic,
which takes longer to import than a sentence to translate; of others, pydantic says what is wrong."""

import json
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

Table = TypeVar("Table")

TABLE = {"extra": "forbid"}
"""A table's `__pydantic_config__`: an unknown key is an error. `told` makes each field strict."""


class KeyFault(ValueError):
    """The value of a key that its table cannot have."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def told(description: str = "", **bounds: Any) -> dict[str, Any]:
    """A field's metadata, with pydantic's names. bounds: of `gt`, `ge`, `lt`, `le`, and `min_length` of a tuple."""
    return {"strict": True, "description": description, **bounds}


def check_fields(table: Any) -> None:
    """For `__post_init__`. Raises KeyFault for a field of another type than it declares, or out of its bounds."""
    for one in fields(table):
        value, bounds = getattr(table, one.name), one.metadata
        if not _is_a(value, one.type):
            raise KeyFault(one.name, f"{value!r} is of another type")
        if value is None:
            continue
        is_within = (
            ("gt" not in bounds or value > bounds["gt"])
            and ("ge" not in bounds or value >= bounds["ge"])
            and ("lt" not in bounds or value < bounds["lt"])
            and ("le" not in bounds or value <= bounds["le"])
            and ("min_length" not in bounds or len(value) >= bounds["min_length"])
        )
        if not is_within:
            raise KeyFault(one.name, f"{value!r} is out of bounds")


def read_table(kind: type[Table], content: bytes, origin: object) -> Table:
    """A table from JSON. Raises InvalidInputError that begins with `origin` and names every dotted key at fault."""
    try:
        made: Table = _make(kind, json.loads(content))
        return made
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        from dragoman.model.config_files import validate_json  # pydantic

        return validate_json(kind, content, origin=str(origin))


def _make(kind: Any, value: Any) -> Any:
    """A value from JSON, made into a field's type as far as it goes: the tables' own checks see to the rest."""
    origin, arguments = get_origin(kind), get_args(kind)
    if is_dataclass(kind) and isinstance(kind, type):
        kind = kind.class_of(value) if hasattr(kind, "class_of") else kind
        kinds = {one.name: one.type for one in fields(kind)}
        made = {name: _make(kinds[name], one) for name, one in value.items()}
        if wrong := [name for name, one in made.items() if not _is_a(one, kinds[name])]:
            raise KeyFault(wrong[0], "is of another type")
        return kind(**made)
    if origin is tuple and isinstance(value, list):
        return tuple([_make(arguments[0], one) for one in value])
    if kind is float and type(value) is int:
        return float(value)
    return value


def _is_a(value: Any, kind: Any) -> bool:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return True
    if kind is None or kind is NoneType:
        return value is None
    if origin is Literal:
        return any(type(value) is type(choice) and value == choice for choice in arguments)
    if origin is UnionType or origin is Union:
        return any(_is_a(value, one) for one in arguments)
    if origin is tuple:
        return isinstance(value, tuple) and all(_is_a(one, arguments[0]) for one in value)
    if origin is dict:
        return isinstance(value, dict) and all(
            _is_a(key, arguments[0]) and _is_a(one, arguments[1]) for key, one in value.items()
        )
    if kind is float:
        return type(value) in (int, float)
    if is_dataclass(kind) and isinstance(kind, type):
        return isinstance(value, kind)
    return type(value) is kind  # a bool is no int

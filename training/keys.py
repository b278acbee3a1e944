"""Every key of a run's configuration, from the configuration's own description of itself."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dragoman.training.config import RunConfig

_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
_TYPES = {"integer": "whole number", "number": "number", "boolean": "true or false", "string": "text"}
_FILE_OF_LANGUAGE = "LANGUAGE"
"""In a key's name: the code of any language."""

_NAME = "NAME"
"""In a key's name: any name, of a table among several of a kind."""

_HEAD = """\
# Keys of a training configuration

`dragoman keys --markdown` makes this page from the configuration's own descriptions. A key is set in the TOML file, by
`--set KEY=VALUE`, or by an environment variable such as `DRAGOMAN_OPTIMIZATION__MAX_UPDATES`. Numbers in brackets are
the bounds.
"""


@dataclass(frozen=True, slots=True)
class Key:
    """name: with dots; a list of tables is written `data.train[]`. kind: the type, with its bounds. default: as in
    TOML; empty for a key that must be given or is computed."""

    name: str
    kind: str
    default: str
    description: str

    @property
    def table(self) -> str:
        return self.name.rpartition(".")[0]


def list_keys() -> list[Key]:
    """All keys, in the order of the configuration's classes."""
    schema = RunConfig.model_json_schema()
    return list(_keys(schema, schema["$defs"], ""))


def _keys(table: Mapping[str, Any], definitions: Mapping[str, Any], prefix: str) -> Iterator[Key]:
    for name, written in table.get("properties", {}).items():
        item = _resolved(written, definitions)
        inner = _resolved(item["items"], definitions) if item.get("type") == "array" and "items" in item else {}
        if "properties" in item:
            yield from _keys(item, definitions, f"{prefix}{name}.")
        elif kinds := _kinds_of(item, definitions):
            yield from _keys_of_kinds(kinds, definitions, prefix + name)
        elif "properties" in inner:
            yield from _keys(inner, definitions, f"{prefix}{name}[].")
        elif isinstance(more := item.get("additionalProperties"), dict) and "oneOf" in more:
            for choice in more["oneOf"]:
                found = _resolved(choice, definitions)
                if "properties" in found:
                    yield from _keys(found, definitions, f"{prefix}{name}.{_NAME}.")
                else:
                    yield _key(f"{prefix}{name}.{_FILE_OF_LANGUAGE}", found, item.get("description", ""))
        else:
            yield _key(f"{prefix}{name}", item, item.get("description", ""))
    if isinstance(more := table.get("additionalProperties"), dict) and "properties" in table:
        yield _key(f"{prefix}{_FILE_OF_LANGUAGE}", more, "The file of a language, under its code.")


def _kinds_of(item: Mapping[str, Any], definitions: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The tables among which the key `kind` chooses; none if it is another choice."""
    kinds = [_resolved(kind, definitions) for kind in item.get("oneOf", ())]
    return kinds if all("kind" in kind.get("properties", {}) for kind in kinds) else []


def _keys_of_kinds(kinds: Sequence[Mapping[str, Any]], definitions: Mapping[str, Any], name: str) -> Iterator[Key]:
    """The keys of a table of several kinds, each once; those of some kinds alone say of which. The key `kind` itself
    lists them."""
    names = [kind["properties"]["kind"]["const"] for kind in kinds]
    kind = kinds[0]["properties"]["kind"]
    yield replace(_key(f"{name}.kind", kind, kind["description"]), kind=" or ".join(map(_in_toml, names)))
    keys = [list(_keys(kind, definitions, f"{name}.")) for kind in kinds]
    written = {f"{name}.kind"}
    for one in (one for own in keys for one in own):
        if one.name in written:
            continue
        written.add(one.name)
        alike = [(of, same) for of, own in zip(names, keys, strict=True) for same in own if same.name == one.name]
        defaults = {same.default for _, same in alike}
        notes = []
        if len(alike) < len(kinds):
            notes.append(f"For {' and '.join(of for of, _ in alike)}.")
        if len(defaults) > 1:
            notes += [f"By default {same.default} for {of}." for of, same in alike]
        default = one.default if len(defaults) == 1 else ""
        yield replace(one, default=default, description=" ".join((one.description, *notes)).strip())


def _resolved(item: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema without reference and without null; a key's own description goes before that of its type."""
    own = {key: value for key, value in item.items() if key not in ("$ref", "allOf", "anyOf")}
    if "$ref" in item:
        return {**definitions[item["$ref"].rpartition("/")[2]], **own}
    if "anyOf" in item:
        kinds = [kind for kind in item["anyOf"] if kind.get("type") != "null"]
        return {**_resolved(kinds[0], definitions), **own} if len(kinds) == 1 else item
    return item


def _key(name: str, item: Mapping[str, Any], description: str) -> Key:
    return Key(name, _kind(item), _default(item), " ".join(description.split()))


def _kind(item: Mapping[str, Any]) -> str:
    if "enum" in item:
        return " or ".join(map(_in_toml, item["enum"]))
    if "const" in item:
        return _in_toml(item["const"])
    if "anyOf" in item:
        return " or ".join(_kind(kind) for kind in item["anyOf"] if kind.get("type") != "null")
    if "oneOf" in item:
        return " or ".join(map(_kind, item["oneOf"]))
    if item.get("type") == "array":
        if "prefixItems" in item:
            return f"[{', '.join(map(_kind, item['prefixItems']))}]"
        inner = item.get("items", {})
        return f"list of {_kind(inner)}" if inner else "list"
    if item.get("type") == "object":
        return f"table of {_kind(item['additionalProperties'])}"
    if item.get("format") == "path":
        return "path"
    bounds = ", ".join(f"{sign} {item[key]:g}" for key, sign in _BOUNDS.items() if key in item)
    kind = _TYPES.get(item.get("type", ""), item.get("type", "any"))
    return f"{kind} ({bounds})" if bounds else kind


def _default(item: Mapping[str, Any]) -> str:
    return _in_toml(item["default"]) if item.get("default") is not None else ""


def _in_toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(_in_toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def describe_keys(keys: Sequence[Key], *, width: int) -> str:
    """For a terminal: a line for each key, and its description below, `width` characters wide."""
    lines = []
    for key in keys:
        value = f" = {key.default}" if key.default else ""
        lines.append(f"{key.name}{value}  ({key.kind})")
        lines.extend(textwrap.wrap(key.description, width, initial_indent="    ", subsequent_indent="    "))
    return "\n".join(lines)


def keys_page() -> str:
    """All keys as a Markdown page, a table for each of the configuration's."""
    tables: dict[str, list[Key]] = {}
    for key in list_keys():
        tables.setdefault(key.table, []).append(key)
    parts = [_HEAD]
    for table, keys in tables.items():
        title = f"[[{table.removesuffix('[]')}]]" if table.endswith("[]") else f"[{table}]"
        parts.append(f"\n## {title if table else 'Outside the tables'}\n\n")
        parts.append("| key | type | default | meaning |\n|---|---|---|---|\n")
        for key in keys:
            name = key.name.rpartition(".")[2]
            default = f"`{key.default}`" if key.default else ""
            parts.append(f"| `{name}` | {key.kind} | {default} | {key.description} |\n".replace(" |  | ", " | | "))
    return "".join(parts)

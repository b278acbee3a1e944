"""Renders the chart's templates: a strict reader of the part of Go's text/template that they keep to."""

import json
import re
from typing import Any

_TOKEN = re.compile(r"(\s*)\{\{(-?)\s*(.*?)\s*(-?)\}\}")
_PATH = re.compile(r"(?:\.[A-Za-z]\w*)+")


class TemplateError(Exception):
    """The template goes beyond what this reader knows, or names a value that there is not."""


def render(template: str, values: dict[str, Any], *, release: str = "dragoman", namespace: str = "translation") -> str:
    """The text of a template with a chart's values."""
    root = {"Values": values, "Release": {"Name": release, "Namespace": namespace}}
    text, rest = _render(_tokens(template), 0, root)
    if rest is not None:
        raise TemplateError("an end without a beginning")
    return text


def _tokens(template: str) -> list[tuple[str, str]]:
    """Texts and actions in turn, with the white space that actions take away taken away."""
    found: list[tuple[str, str]] = []
    place = 0
    trims = False
    for match in _TOKEN.finditer(template):
        text = template[place : match.start()]
        space = "" if match[2] else match[1]
        found.append(("text", (text.lstrip() if trims else text) + space))
        found.append(("action", match[3]))
        trims, place = bool(match[4]), match.end()
    found.append(("text", template[place:]))
    return found


def _render(tokens: list[tuple[str, str]], place: int, scope: dict[str, Any]) -> tuple[str, int | None]:
    """The text up to the end of a block, and the place behind it; None at the end of all."""
    text = ""
    while place < len(tokens):
        kind, content = tokens[place]
        place += 1
        if kind == "text":
            text += content
        elif content == "end":
            return text, place
        elif content.startswith(("if ", "range ")):
            word, _, condition = content.partition(" ")
            negated = condition.startswith("not ")
            value = _find(condition.removeprefix("not "), scope)
            scopes = [scope] if bool(value) is not negated else []
            if word == "range":
                scopes = [{**scope, **item} for item in value]
            for inner in scopes:
                text += _render(tokens, place, inner)[0]
            behind = _skip(tokens, place)
            if behind is None:
                raise TemplateError(f"{content}: has no end")
            place = behind
        else:
            text += _write(content, scope)
    return text, None


def _skip(tokens: list[tuple[str, str]], place: int) -> int | None:
    depth = 1
    while place < len(tokens):
        kind, content = tokens[place]
        place += 1
        if kind == "action":
            depth += content.startswith(("if ", "range ")) - (content == "end")
            if not depth:
                return place
    return None


def _write(action: str, scope: dict[str, Any]) -> str:
    match = re.fullmatch(r'printf "%([qv])" (\S+)', action)
    value = _find(match[2] if match else action, scope)
    if match and match[1] == "q":
        assert isinstance(value, str), action
        return json.dumps(value)
    assert isinstance(value, str | int), action
    assert not (isinstance(value, int) and abs(value) >= 10**6), f"{action}: Helm would write it with an exponent"
    return str(value)


def _find(path: str, scope: dict[str, Any]) -> Any:
    if not _PATH.fullmatch(path):
        raise TemplateError(f"{path}: is no path")
    value: Any = scope
    for name in path[1:].split("."):
        if name not in value and name != "pinned":  # the one value that may be left out
            raise TemplateError(f"{path}: there is no {name}")
        value = value.get(name)
    return value

"""What a table of JSON takes, without pydantic; what it refuses, with pydantic's words."""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from dragoman.model.errors import InvalidInputError
from dragoman.model.tables import TABLE, KeyFault, check_fields, read_table, told


@dataclass(frozen=True, kw_only=True)
class Inner:
    size: int = field(metadata=told("How large.", gt=0, le=9))
    share: float = field(default=0.5, metadata=told(ge=0, lt=1))

    __pydantic_config__ = TABLE

    def __post_init__(self) -> None:
        check_fields(self)
        if self.size == 7:
            raise KeyFault("size", "must not be seven")


@dataclass(frozen=True, kw_only=True)
class Outer:
    inner: Inner
    kind: Literal["a", "b"] = "a"
    other: Literal["c"] | None = None
    several: tuple[Inner, ...] = field(default=(), metadata=told())
    names: tuple[str, ...] = field(default=("x",), metadata=told(min_length=1))
    limit: int | None = field(default=None, metadata=told(gt=0))
    codes: dict[str, str] = field(default_factory=dict, metadata=told())
    more: dict[str, Any] = field(default_factory=dict, metadata=told())
    is_on: bool = field(default=False, metadata=told())

    __pydantic_config__ = TABLE

    def __post_init__(self) -> None:
        check_fields(self)


def test_lists_become_tuples_and_whole_numbers_floats() -> None:
    content = {
        "inner": {"size": 2, "share": 0},
        "several": [{"size": 3}],
        "names": ["n"],
        "limit": 4,
        "other": "c",
        "more": {"k": [1]},
    }
    table = read_table(Outer, json.dumps(content).encode(), "x.json")
    assert table == Outer(
        inner=Inner(size=2, share=0.0), several=(Inner(size=3),), names=("n",), limit=4, other="c", more={"k": [1]}
    )
    assert type(table.inner.share) is float


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inner": {"size": 0}}, "inner.size: Input should be greater than 0"),
        ({"inner": {"size": 10}}, "inner.size: Input should be less than or equal to 9"),
        ({"inner": {"size": True}}, "inner.size: Input should be a valid integer"),
        ({"inner": {"size": 1.5}}, "inner.size: Input should be a valid integer"),
        ({"inner": {"size": 7}}, "inner.size: must not be seven"),
        ({"inner": {"size": 1, "share": 1}}, "inner.share: Input should be less than 1"),
        ({"inner": {"size": 1, "share": "0.5"}}, "inner.share: Input should be a valid number"),
        ({"inner": {"sise": 1, "size": 1}}, "inner.sise: unknown key"),
        ({"inner": {}}, "inner.size: .*required"),
        ({"inner": 3}, "inner: should be a table, in JSON an object"),
        ({"kind": "c"}, "kind: Input should be 'a' or 'b'"),
        ({"kind": True}, "kind: Input should be 'a' or 'b'"),
        ({"several": [{"size": 1}, {"size": "1"}]}, "several.1.size: Input should be a valid integer"),
        ({"several": {"size": 1}}, "several: should be a list"),
        ({"names": []}, "names: .*at least 1"),
        ({"names": [1]}, "names.0: Input should be a valid string"),
        ({"limit": 0}, "limit: Input should be greater than 0"),
        ({"codes": {"en": 1}}, "codes.en: Input should be a valid string"),
        ({"more": []}, "more: should be a table"),
        ({"is_on": 1}, "is_on: Input should be a valid boolean"),
        ({"unknown": 1}, "unknown: unknown key"),
    ],
)
def test_a_fault_is_named_by_its_dotted_key(change: dict[str, object], message: str) -> None:
    content = json.dumps({"inner": {"size": 1}} | change).encode()
    with pytest.raises(InvalidInputError, match=rf"^x\.json: {message}"):
        read_table(Outer, content, "x.json")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]", b"null", b'{"inner": ' + b"[" * 100_000])
def test_what_is_no_json_table_is_refused_in_a_line(content: bytes) -> None:
    with pytest.raises(InvalidInputError, match=r"^x\.json: ") as caught:
        read_table(Outer, content, "x.json")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("values", [{"size": 0}, {"size": "1"}, {"size": True}, {"size": 1, "share": 1.0}, {"size": 7}])
def test_none_exists_with_a_fault(values: dict[str, Any]) -> None:
    with pytest.raises(KeyFault):
        Inner(**values)


def test_a_sound_bundle_is_opened_without_pydantic() -> None:
    """Whose import takes longer than a sentence to translate."""
    code = (
        "import sys\n"
        "from dragoman.model.decoding.loading import open_model\n"
        "open_model(['en-de'])\n"
        "print({'pydantic', 'torch'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "set()\n"

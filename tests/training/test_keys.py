"""The list of keys is complete, and every key says what it means."""

from pathlib import Path
from typing import Any

import dragoman.training
from dragoman.model.config import Architecture
from dragoman.training.config import RunConfig
from dragoman.training.keys import keys_page, list_keys
from dragoman.training.text_config import DataConfig, DevSetConfig
from tests.training.tiny import FILES


def flat(tree: Any, prefix: str = "") -> set[str]:
    """The dotted keys of a resolved configuration's values."""
    keys = set()
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            keys |= flat(value, f"{prefix}{name}.")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            keys |= flat(value[0], f"{prefix}{name}[].")
        else:
            keys.add(prefix + name)
    return keys


def test_every_key_of_a_run_is_listed(tmp_path: Path) -> None:
    data = {"train": [FILES], "dev": FILES}
    configs = [
        RunConfig.model_validate(
            {
                "run_folder": tmp_path,
                "data": data | {"directions": ["de" if kind == "language-model" else "en-de"]},
                "architecture": {"kind": kind},
            }
        )
        for kind in Architecture.KINDS
    ]
    config = configs[0]
    sets = DataConfig(directions=("en-de",), train=config.data.train, dev={"NAME": DevSetConfig.model_validate(FILES)})
    tables = ("data.train[]", "data.dev", "data.dev.NAME")
    written = set().union(*(flat(one.model_dump(mode="json")) for one in configs)) | flat(
        sets.model_dump(mode="json"), "data."
    )
    languages = {f"{table}.{code}" for table in tables for code in FILES}
    listed = {key.name for key in list_keys()}
    assert {f"{table}.LANGUAGE" for table in tables} <= listed
    assert written - languages == listed - {f"{table}.LANGUAGE" for table in tables}


def test_every_key_has_a_description_and_a_type() -> None:
    assert [key.name for key in list_keys() if not key.description or "any" in key.kind.split()] == []


def test_the_page_is_up_to_date() -> None:
    page = Path(dragoman.training.__file__).parent / "KEYS.md"
    assert page.read_text("utf-8") == keys_page(), "dragoman keys --markdown > training/KEYS.md"

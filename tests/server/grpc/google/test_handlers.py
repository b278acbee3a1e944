"""Google's API as a part of a server: what is said without its package, or without the folder."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from dragoman.model.errors import NotFoundError
from tests.server.fakes import FakeTranslator
from tests.server.running import make_server


def test_a_server_without_google_imports_none_of_its_packages() -> None:
    code = """
import sys
import dragoman.server.app
from dragoman.server.config import load_server_config
load_server_config(None, default_bundle="en-de")
loaded = [name for name in sys.modules if name.startswith(("google.cloud", "google.api_core", "google.longrunning"))]
assert not loaded, loaded
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_missing_folder_ends_the_start(tmp_path: Path) -> None:
    pytest.importorskip("google.cloud.translate_v3", reason="needs google-cloud-translate")

    async def start() -> None:
        async with make_server(FakeTranslator(), server={"google": True, "google_files": str(tmp_path / "none")}):
            raise AssertionError("it started")

    with pytest.raises(NotFoundError, match="there is no such folder"):
        asyncio.run(start())

"""The committed stubs are what the .proto file gives."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_stubs_are_up_to_date(tmp_path: Path) -> None:
    outputs = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
    command = [sys.executable, "-m", "grpc_tools.protoc", "-Iproto", *outputs]
    subprocess.run([*command, "proto/dragoman/v1/translation.proto"], cwd=ROOT, check=True, timeout=60)
    assert read_stubs(tmp_path / "dragoman/v1") == read_stubs(ROOT / "dragoman/v1")


def read_stubs(folder: Path) -> dict[str, str]:
    paths = [
        path for path in folder.rglob("*") if path.is_file() and "_pb2" in path.name and "__pycache__" not in path.parts
    ]
    return {str(path.relative_to(folder)): path.read_text("utf-8") for path in paths}

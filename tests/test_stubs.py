"""The committed stubs are what the .proto file gives, and nothing keeps others from compiling it, too."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def compile_contract(folder: Path) -> None:
    outputs = [f"--{kind}_out={folder}" for kind in ("python", "pyi", "grpc_python")]
    command = [sys.executable, "-m", "grpc_tools.protoc", "-Iproto", *outputs]
    subprocess.run([*command, "proto/dragoman/v1/translation.proto"], cwd=ROOT, check=True, timeout=60)


def test_the_contract_compiled_elsewhere_loads_beside_the_package(tmp_path: Path) -> None:
    compile_contract(tmp_path)
    code = f"""
import importlib.util
from dragoman.v1 import translation_pb2 as ours
spec = importlib.util.spec_from_file_location("theirs", {str(tmp_path / "dragoman/v1/translation_pb2.py")!r})
theirs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(theirs)
import dragoman.server.client
assert ours.DESCRIPTOR.name == theirs.DESCRIPTOR.name == "dragoman/v1/translation.proto"
text = theirs.TranslateRequest(texts=["a"]).SerializeToString()
assert ours.TranslateRequest.FromString(text).texts == ["a"]
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_the_stubs_are_up_to_date(tmp_path: Path) -> None:
    compile_contract(tmp_path)
    assert read_stubs(tmp_path / "dragoman/v1") == read_stubs(ROOT / "dragoman/v1")


def read_stubs(folder: Path) -> dict[str, str]:
    paths = [
        path for path in folder.rglob("*") if path.is_file() and "_pb2" in path.name and "__pycache__" not in path.parts
    ]
    return {str(path.relative_to(folder)): path.read_text("utf-8") for path in paths}

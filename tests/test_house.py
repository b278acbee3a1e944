"""The house rules: who may import whom, what lies where. They read the sources, so that nothing need be installed."""

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("model", "translation", "training", "server")
PACKAGES = tuple(f"dragoman.{room}" for room in ROOMS)
FACE = ("dragoman.command_line", "dragoman.commands")
MAX_DOORS = 16
"""Modules and rooms within a room: more than one finds one's way among."""


class Rule(NamedTuple):
    """Modules `who` must not import modules `never`, except those of `except_in`; a package stands for all in it."""

    who: tuple[str, ...]
    never: tuple[str, ...]
    except_in: tuple[str, ...] = ()


RULES = (
    # The only name on the import path is dragoman.
    Rule(who=("dragoman",), never=ROOMS),
    # training → translation → model ← translation ← server, and only the face sees all.
    Rule(
        who=("dragoman.model",),
        never=("dragoman.translation", "dragoman.training", "dragoman.server", "dragoman.v1", *FACE),
    ),
    Rule(who=("dragoman.translation",), never=("dragoman.training", "dragoman.server", "dragoman.v1", *FACE)),
    Rule(who=("dragoman.training",), never=("dragoman.server", "dragoman.v1", *FACE)),
    Rule(who=("dragoman.server",), never=("dragoman.training", *FACE)),
    # config ← operations ← transformer ← decoding
    Rule(who=("dragoman.model.config",), never=("dragoman.model.network", "dragoman.model.decoding")),
    Rule(
        who=("dragoman.model.network.operations",),
        never=("dragoman.model.network.transformer", "dragoman.model.decoding"),
    ),
    Rule(who=("dragoman.model.network.transformer",), never=("dragoman.model.decoding",)),
    # gRPC and protobuf stay at the edge of server; torch stays out of it.
    Rule(
        who=("dragoman",),
        never=("grpc", "grpc_channelz", "grpc_health", "grpc_reflection", "grpc_status", "google", "dragoman.v1"),
        except_in=(
            "dragoman.server.grpc",
            "dragoman.server.client",
            "dragoman.server.contract",
            "dragoman.server.http.contract",
            "dragoman.v1",
        ),
    ),
    # The contract's messages are protobuf's; what carries them is the transport's. HTTP's does without gRPC.
    Rule(who=("dragoman.server.contract", "dragoman.server.http"), never=("grpc", "dragoman.v1.translation_pb2_grpc")),
    Rule(who=("dragoman.server", *FACE), never=("torch", "dragoman.model.network")),
    # Decoding runs on the host: only the torch decoder and the scorer compute with torch, and only loading knows it.
    Rule(
        who=("dragoman.model.decoding", "dragoman.translation"),
        never=(
            "torch",
            "dragoman.model.network",
            "dragoman.model.decoding.decoders.torch_decoder",
            "dragoman.model.decoding.decoders.torch_memory",
        ),
        except_in=(
            "dragoman.model.decoding.decoders.torch_decoder",
            "dragoman.model.decoding.decoders.torch_memory",
            "dragoman.model.decoding.loading",
        ),
    ),
)

NETWORK = ("dragoman.model.config", "dragoman.model.network.operations", "dragoman.model.network.transformer")


def is_inside(module: str, parents: tuple[str, ...]) -> bool:
    """Whether `module` is one of `parents` or lies in one of them: dragoman.model.decoding is inside dragoman.model."""
    return any(module == parent or module.startswith(f"{parent}.") for parent in parents)


def read_imports(source: str, *, module: str, is_package: bool = False) -> set[str]:
    """The absolute names of all that `source`, the text of `module`, imports at its top or anywhere inside.

    `from a import b` counts as a and as a.b, since b may be a module. Imports by function count where their argument
    is written out.
    """
    imported: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                imported.update(alias.name for alias in names)
            case ast.ImportFrom(module=name, names=names, level=level):
                if level:  # relative: one dot is the package that holds the module, each further dot its parent
                    parts = module.split(".")
                    base = parts[: len(parts) - level + is_package]
                    name = ".".join([*base, name] if name else base)
                imported.add(name or "")
                imported.update(f"{name}.{alias.name}" for alias in names)
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                imported.add(name)
    return imported


def find_violations(module: str, imported: set[str]) -> list[str]:
    """One line for each import of `module` that a rule forbids."""
    return [
        f"{module} imports {name}"
        for rule in RULES
        if is_inside(module, rule.who) and not is_inside(module, rule.except_in)
        for name in sorted(imported)
        if is_inside(name, rule.never)
    ]


def find_reachable(start: str, imports: dict[str, set[str]]) -> set[str]:
    """All modules that `start` imports, itself or through others; `imports` maps each module to what it imports."""
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        new = imports.get(waiting.pop(), set()) - reached
        reached |= new
        waiting.extend(new)
    return reached


def iterate_sources() -> Iterator[tuple[str, Path]]:
    """Every module of the project, tests apart, with its file."""
    folders = [ROOT / "dragoman", *(ROOT / "dragoman" / room for room in ROOMS)]
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    """What each module of the project imports."""
    return {
        module: read_imports(path.read_text("utf-8"), module=module, is_package=path.name == "__init__.py")
        for module, path in iterate_sources()
    }


def test_imports_follow_the_directions(imports: dict[str, set[str]]) -> None:
    assert [line for module, imported in imports.items() for line in find_violations(module, imported)] == []


def test_importing_the_engine_does_not_import_torch() -> None:
    code = "import sys, dragoman.model.decoding.engines.engine; assert 'torch' not in sys.modules, 'torch was imported'"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("module", NETWORK)
def test_the_network_does_not_reach_decoding_through_others(module: str, imports: dict[str, set[str]]) -> None:
    reached = find_reachable(module, imports)
    assert {name for name in reached if is_inside(name, ("dragoman.model.decoding",))} == set()


def test_all_rooms_are_read(imports: dict[str, set[str]]) -> None:
    assert {".".join(module.split(".")[:2]) for module in imports} >= {*PACKAGES, *FACE}
    assert "dragoman.model.errors" in imports


def test_a_room_has_few_doors(imports: dict[str, set[str]]) -> None:
    doors = Counter(module.rsplit(".", 1)[0] for module in imports if module.count(".") > 1)
    del doors["dragoman.commands"]  # as many as there are commands
    assert {room: count for room, count in doors.items() if count > MAX_DOORS} == {}


def test_every_room_says_what_lives_in_it() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for _, path in iterate_sources()
        if path.name == "__init__.py" and ast.get_docstring(ast.parse(path.read_text("utf-8"))) is None
    ]
    assert silent == []


def test_proto_holds_the_contract_alone() -> None:
    # With a Python file in it, proto/ would shadow the package of proto-plus, which Google's clients import.
    strangers = [
        path for path in (ROOT / "proto").rglob("*") if path.is_file() and path.suffix not in (".proto", ".binpb")
    ]
    assert strangers == []


def test_help_imports_nothing_that_takes_long() -> None:
    code = """
import sys
import dragoman.command_line
sys.argv = ["dragoman", "--help"]
try:
    dragoman.command_line.main()
except SystemExit as end:
    assert not end.code, end.code
slow = {"google", "grpc", "numpy", "pydantic", "sacrebleu", "sentencepiece", "torch"} & set(sys.modules)
assert not slow, slow
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "translate" in done.stdout


# The checker itself, on made-up modules.


@pytest.mark.parametrize(
    ("module", "source", "violation"),
    [
        ("dragoman.model.bundle", "import dragoman.training", "imports dragoman.training"),
        ("dragoman.model.bundle", "import model", "imports model"),
        (
            "dragoman.model.bundle",
            "from dragoman.server.scheduling.worker import Worker",
            "imports dragoman.server.scheduling.worker",
        ),
        ("dragoman.model", "from dragoman import commands", "imports dragoman.commands"),
        ("dragoman.translation.translator", "import dragoman.server", "imports dragoman.server"),
        ("dragoman.model.bundle", "import dragoman.translation.sentences", "imports dragoman.translation.sentences"),
        ("dragoman.training.trainer", "import dragoman.server.client as client", "imports dragoman.server.client"),
        ("dragoman.server.scheduling.worker", "from dragoman.training import corpus", "imports dragoman.training"),
        ("dragoman.server.scheduling.worker", "import torch.nn.functional", "imports torch.nn.functional"),
        ("dragoman.server.scheduler", "def f():\n    import torch", "imports torch"),
        ("dragoman.server.scheduler", "class A:\n    def f(self):\n        from torch import nn", "imports torch.nn"),
        ("dragoman.model.decoding.search.state", "import torch", "imports torch"),
        (
            "dragoman.model.decoding.decoders.ensemble",
            "from .torch_decoder import TorchDecoder",
            "imports dragoman.model.decoding.decoders.torch_decoder",
        ),
        ("dragoman.model.decoding.decoders.native.decoder", "import torch", "imports torch"),
        (
            "dragoman.translation.combining",
            "import dragoman.model.network.storage",
            "imports dragoman.model.network.storage",
        ),
        ("dragoman.server.scheduling.worker", "import grpc.aio", "imports grpc.aio"),
        ("dragoman.server.scheduler", "from dragoman.v1 import x_pb2", "imports dragoman.v1"),
        ("dragoman.commands.serve", "def serve():\n    import grpc", "imports grpc"),
        (
            "dragoman.server.translating.orders",
            "from google.protobuf.message import Message",
            "imports google.protobuf.message",
        ),
        (
            "dragoman.model.network.transformer",
            "from ..decoding.search import beam",
            "imports dragoman.model.decoding.search",
        ),
        (
            "dragoman.model.network.operations",
            "from . import transformer",
            "imports dragoman.model.network.transformer",
        ),
        ("dragoman.model.a", "if TYPE_CHECKING:\n    import dragoman.server", "imports dragoman.server"),
        ("dragoman.model.a", "import importlib\nimportlib.import_module('server.app')", "imports server.app"),
        ("dragoman.model.a", "__import__('training')", "imports training"),
    ],
)
def test_the_checker_finds(module: str, source: str, violation: str) -> None:
    is_package = module.count(".") == 1
    found = find_violations(module, read_imports(source, module=module, is_package=is_package))
    assert f"{module} {violation}" in found


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("dragoman.commands.train", "import dragoman.model.bundle, dragoman.training.run, dragoman.server.config"),
        ("dragoman.training.trainer", "from dragoman.model.decoding.engines.engine import Engine"),
        ("dragoman.server.scheduling.worker", "from dragoman.model.decoding import engines"),
        ("dragoman.server.scheduling.worker", "import torchlike, grpclike"),  # a name that only begins alike
        ("dragoman.server.grpc.port", "import grpc\nfrom dragoman.v1 import translation_pb2_grpc"),
        ("dragoman.v1.translation_pb2_grpc", "import grpc"),
        (
            "dragoman.model.decoding.decoders.torch_decoder",
            "import torch\nfrom ...network.transformer import Transformer\nfrom ..search.beam import step",
        ),
        ("dragoman.model.decoding.engine", "from . import training"),  # not the room
        ("dragoman.model.network.operations", "from dragoman.model.config import ModelConfig"),
        ("dragoman.model.config_check", "import dragoman.model.network"),  # only begins like model.config
        ("dragoman.model.a", "'import server'  # import training"),
    ],
)
def test_the_checker_allows(module: str, source: str) -> None:
    assert find_violations(module, read_imports(source, module=module)) == []


def test_the_checker_follows_imports_through_other_modules() -> None:
    imports = {"a": {"b"}, "b": {"c", "a"}, "c": set(), "d": {"e"}}
    assert find_reachable("a", imports) == {"a", "b", "c"}

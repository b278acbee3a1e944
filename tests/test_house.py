"""The house rules: who may import whom, what lies where. They read the sources, so that nothing need be installed."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("model", "training", "server")


class Rule(NamedTuple):
    """Modules `who` must not import modules `never`, except those of `except_in`; a package stands for all in it."""

    who: tuple[str, ...]
    never: tuple[str, ...]
    except_in: tuple[str, ...] = ()


RULES = (
    # training → model ← server, and only dragoman.py sees all.
    Rule(who=("model",), never=("training", "server", "dragoman")),
    Rule(who=("training",), never=("server", "dragoman")),
    Rule(who=("server",), never=("training", "dragoman")),
    # config ← attention ← transformer ← decoding
    Rule(who=("model.config",), never=("model.attention", "model.transformer", "model.decoding")),
    Rule(who=("model.attention",), never=("model.transformer", "model.decoding")),
    Rule(who=("model.transformer",), never=("model.decoding",)),
    # gRPC stays at the edge of server; torch stays out of it.
    Rule(
        who=("dragoman", *ROOMS),
        never=("grpc", "grpc_channelz", "grpc_health", "grpc_reflection", "server.pb"),
        except_in=(
            "server.contract",
            "server.app",
            "server.registration",
            "server.client",
            "server.google",
            "server.health",
            "server.serving_health",
            "server.access",
            "server.pb",
        ),
    ),
    Rule(who=("server",), never=("torch",)),
    # Decoding runs on the host: only the torch decoder and the scorer compute with torch, and only loading knows it.
    Rule(
        who=("model.decoding",),
        never=(
            "torch",
            "model.attention",
            "model.transformer",
            "model.storage",
            "model.quantization",
            "model.decoding.torch_decoder",
            "model.decoding.torch_memory",
        ),
        except_in=tuple(f"model.decoding.{name}" for name in ("torch_decoder", "torch_memory", "scoring", "loading")),
    ),
)

NETWORK = ("model.config", "model.attention", "model.transformer")


def is_inside(module: str, parents: tuple[str, ...]) -> bool:
    """Whether `module` is one of `parents` or lies in one of them: model.decoding.beam is inside model."""
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
    paths = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
    for path in [ROOT / "dragoman.py", *paths]:
        if path.exists():
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
    code = "import sys, model.decoding.engine; assert 'torch' not in sys.modules, 'torch was imported'"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("module", NETWORK)
def test_the_network_does_not_reach_decoding_through_others(module: str, imports: dict[str, set[str]]) -> None:
    reached = find_reachable(module, imports)
    assert {name for name in reached if is_inside(name, ("model.decoding",))} == set()


def test_all_rooms_are_read(imports: dict[str, set[str]]) -> None:
    assert {module.split(".")[0] for module in imports} >= {room for room in ROOMS if any((ROOT / room).glob("*.py"))}
    assert "model.errors" in imports


def test_proto_holds_proto_files_alone() -> None:
    # With a Python file in it, proto/ would shadow the package of proto-plus, which Google's clients import.
    strangers = [path for path in (ROOT / "proto").rglob("*") if path.is_file() and path.suffix != ".proto"]
    assert strangers == []


def test_help_does_not_import_torch() -> None:
    code = """
import sys
import dragoman
sys.argv = ["dragoman", "--help"]
try:
    dragoman.main()
except SystemExit as end:
    assert not end.code, end.code
assert "torch" not in sys.modules, "torch was imported"
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "translate" in done.stdout


# The checker itself, on made-up modules.


@pytest.mark.parametrize(
    ("module", "source", "violation"),
    [
        ("model.bundle", "import training", "model.bundle imports training"),
        ("model.bundle", "from server.queueing.worker import Worker", "model.bundle imports server.queueing.worker"),
        ("model", "import dragoman", "model imports dragoman"),
        ("training.trainer", "import server.client as client", "training.trainer imports server.client"),
        ("server.queueing.worker", "from training import corpus", "server.queueing.worker imports training"),
        ("server.queueing.worker", "import torch.nn.functional", "server.queueing.worker imports torch.nn.functional"),
        ("server.queueing.scheduler", "def f():\n    import torch", "server.queueing.scheduler imports torch"),
        (
            "server.queueing.worker",
            "class A:\n    def f(self):\n        from torch import nn",
            "server.queueing.worker imports torch.nn",
        ),
        ("model.decoding.search", "import torch", "model.decoding.search imports torch"),
        (
            "model.decoding.engine",
            "from .torch_decoder import TorchDecoder",
            "model.decoding.engine imports model.decoding.torch_decoder",
        ),
        ("model.decoding.native.decoder", "import torch", "model.decoding.native.decoder imports torch"),
        ("model.decoding.combining", "import model.storage", "model.decoding.combining imports model.storage"),
        ("server.queueing.worker", "import grpc.aio", "server.queueing.worker imports grpc.aio"),
        (
            "server.scheduler",
            "from .pb.dragoman.v1 import x_pb2",
            "server.scheduler imports server.pb.dragoman.v1",
        ),
        ("server", "from . import pb", "server imports server.pb"),
        ("dragoman", "def serve():\n    import grpc", "dragoman imports grpc"),
        ("model.transformer", "from model import decoding", "model.transformer imports model.decoding"),
        ("model.transformer", "from .decoding.beam import step", "model.transformer imports model.decoding.beam"),
        ("model.attention", "from . import transformer", "model.attention imports model.transformer"),
        ("model.config", "from model.attention import MultiHead", "model.config imports model.attention"),
        ("model.a", "if TYPE_CHECKING:\n    import server", "model.a imports server"),
        ("model.a", "import importlib\nimportlib.import_module('server.app')", "model.a imports server.app"),
        ("model.a", "__import__('training')", "model.a imports training"),
    ],
)
def test_the_checker_finds(module: str, source: str, violation: str) -> None:
    is_package = "." not in module
    assert violation in find_violations(module, read_imports(source, module=module, is_package=is_package))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("dragoman", "import model.bundle, training.trainer, server.app, torch"),
        ("training.trainer", "from model.decoding.engine import Engine"),
        ("server.queueing.worker", "from model.decoding import engine"),
        ("server.queueing.worker", "import torchlike, grpclike"),  # a name that only begins alike
        ("server.app", "import grpc\nfrom server.pb.dragoman.v1 import translation_pb2_grpc"),
        ("server.pb.dragoman.v1.translation_pb2_grpc", "import grpc"),
        ("model.decoding.torch_decoder", "import torch\nfrom ..transformer import Transformer\nfrom .beam import step"),
        ("model.decoding.engine", "from . import training"),  # model.decoding.training, not the room
        ("model.attention", "from model.config import ModelConfig"),
        ("model.config_check", "import model.attention"),  # only begins like model.config
        ("model.a", "'import server'  # import training"),
    ],
)
def test_the_checker_allows(module: str, source: str) -> None:
    assert find_violations(module, read_imports(source, module=module)) == []


def test_the_checker_follows_imports_through_other_modules() -> None:
    imports = {"a": {"b"}, "b": {"c", "a"}, "c": set(), "d": {"e"}}
    assert find_reachable("a", imports) == {"a", "b", "c"}

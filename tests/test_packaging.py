"""What an installation brings: one import name, all data, and nothing that needs torch but what says so."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from zipfile import ZipFile

import pytest

from dragoman.command_line import EXTRAS
from dragoman.model.decoding.decoders.native.build import DECODING, PACKAGED_FOLDER, find_compiler, library_name
from dragoman.model.decoding.decoders.native.processors import variants_of_family
from dragoman.training.learning.native.library import KERNELS
from tests.test_house import iterate_sources, read_imports

ROOT = Path(__file__).parents[1]
ROOMS = ("model", "server", "training", "translation")
OWN_MODULE = "raise AssertionError('a module of the user was imported')\n"
BUILD = """
import sys
from setuptools import build_meta
getattr(build_meta, "build_" + sys.argv[1])(sys.argv[2])
"""
WITHOUT_TORCH = """
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {missing}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
import sys
sys.meta_path.insert(0, Missing())
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources that building may write into."""
    folder = tmp_path_factory.mktemp("checkout")
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("dragoman", "proto", *ROOMS):
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=ignored)
    for name in (
        "pyproject.toml",
        "setup.py",
        "MANIFEST.in",
        "README.md",
        "LICENSE",
        "constraints.txt",
        "CHANGELOG.md",
    ):
        shutil.copy(ROOT / name, folder)
    return folder


def build(checkout: Path, kind: str, output: Path) -> Path:
    """The one file that building makes, without a network."""
    output.mkdir()
    command = [sys.executable, "-c", BUILD, kind, str(output)]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    (built,) = output.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(checkout, "wheel", tmp_path_factory.mktemp("wheel") / "output")


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the wheel is unpacked."""
    folder = tmp_path_factory.mktemp("site")
    with ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture
def own_folder(tmp_path: Path) -> Path:
    """A folder of a user who has modules named like our rooms, and a clone beside them."""
    for room in ROOMS:
        (tmp_path / f"{room}.py").write_text(OWN_MODULE)
    (tmp_path / "dragoman").mkdir()
    for name in ("dragoman", *ROOMS):
        (tmp_path / "dragoman" / name).symlink_to(ROOT / name)
    return tmp_path


def run(
    site: Path, folder: Path, *arguments: object, missing: tuple[str, ...] = ()
) -> "subprocess.CompletedProcess[str]":
    """Runs Python in the user's folder; the packages of `missing` are not there."""
    (site / "sitecustomize.py").write_text(WITHOUT_TORCH.format(missing=set(missing) or "()"))
    environment = os.environ | {"PYTHONPATH": str(site)}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


def source_files() -> set[str]:
    """All files of the packages, without those for who deploys from a checkout and for readers of the sources."""
    found = set()
    for name in ("dragoman", *ROOMS):
        for path in (ROOT / name).rglob("*"):
            relative = path.relative_to(ROOT)
            is_read = relative.name in ("README.md", "page.png")
            if path.is_file() and "__pycache__" not in relative.parts and not is_read:
                found.add(str(relative if name == "dragoman" else "dragoman" / relative))
    found.add("dragoman/model/bundles/en-de/README.md")  # the model's card
    left_out = ("dragoman/server/deploy/", "dragoman/training/measured/")
    return {name for name in found if not name.startswith(left_out)}


def test_the_wheel_has_one_name_and_every_file(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {name.split("/")[0] for name in names} == {"dragoman", "dragoman-0.1.0.dist-info"}
    assert {name for name in names if name.startswith("dragoman/")} == source_files()


def test_the_wheel_of_the_source_distribution_is_the_same(checkout: Path, wheel: Path, tmp_path: Path) -> None:
    with tarfile.open(build(checkout, "sdist", tmp_path / "sdist")) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.glob("dragoman-*")
    assert (unpacked / "proto").is_dir()
    assert not (unpacked / "tests").exists()
    with ZipFile(build(unpacked, "wheel", tmp_path / "wheel")) as second, ZipFile(wheel) as first:
        assert sorted(second.namelist()) == sorted(first.namelist())


def test_a_wheel_can_bring_compiled_kernels(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For every kind of processor of the family, under the names by which they are sought."""
    monkeypatch.setenv("DRAGOMAN_WHEEL_KERNELS", "1")
    monkeypatch.setenv("CXX", "sh -c 'for last; do :; done; echo > \"$last\"' sh")  # compiles in no time
    built = build(shutil.copytree(checkout, tmp_path / "checkout", symlinks=True), "wheel", tmp_path / "wheel")
    machine = re.sub("[-.]", "_", sysconfig.get_platform())
    assert built.name == f"dragoman-0.1.0-py3-none-{machine}.whl"
    folder = f"{PACKAGED_FOLDER.relative_to(ROOT)}/"
    due = {library_name(variant, kernels) for variant in variants_of_family() for kernels in (DECODING, KERNELS)}
    with ZipFile(built) as archive:
        assert {name for name in archive.namelist() if name.startswith(folder)} == {folder + name for name in due}


def test_an_editable_installation_names_the_checkout(checkout: Path, tmp_path: Path) -> None:
    with ZipFile(build(checkout, "editable", tmp_path / "editable")) as archive:
        links = [name for name in archive.namelist() if name.endswith((".pth", ".py"))]
        # By a path: a finder of setuptools would be asked after a folder called dragoman beside the user's script.
        assert [name.endswith(".pth") for name in links] == [True]
        assert Path(archive.read(links[0]).decode().strip()).resolve() == checkout.resolve()


def test_modules_of_the_user_do_not_matter(site: Path, own_folder: Path) -> None:
    (own_folder / "script.py").write_text(
        "import dragoman\n"
        "for name in dragoman.__all__: getattr(dragoman, name)\n"
        "print(dragoman.Translator.load('en-de').translate('Good morning.', to='de')[0].text)\n"
        "print(dragoman.__file__)\n"
    )
    done = run(site, own_folder, "script.py")
    translation, place = done.stdout.splitlines()
    assert place == str(site / "dragoman" / "__init__.py")
    done = run(site, own_folder, "-m", "dragoman", "translate", "--to", "de", "Good morning.")
    said = [line for line in done.stderr.splitlines() if "compil" not in line]  # the kernels are, or cannot be
    assert (done.stdout, said) == (f"{translation}\n", [])
    done = run(site, own_folder, "-m", "dragoman", "serve", "--check")
    assert f"from {site}" in done.stdout
    assert run(site, own_folder, "-m", "dragoman", "--version").stdout == "dragoman 0.1.0\n"


NOT_LOOKED_AT = {"dragoman", "google", "typing_extensions"}
"""Ourselves, a name that many share, and what type checkers alone import."""

NEEDS_COMPILER = pytest.mark.skipif(not find_compiler(), reason="without torch, translating needs a C++ compiler")

TRAIN_PACKAGES = ("torch", "jinja2", "matplotlib", "tensorboard")


@pytest.mark.parametrize(
    "command",
    [
        "models",
        "serve --check",
        "evaluate --hypothesis a --reference a",
        pytest.param("translate --to de --input a --output b", marks=NEEDS_COMPILER),
        pytest.param("score en-de --to de --source a --target a", marks=NEEDS_COMPILER),
        pytest.param(
            "synthesize --model en-de --to de --input a --output-source c --output-target d", marks=NEEDS_COMPILER
        ),
    ],
)
def test_commands_that_need_no_torch(site: Path, tmp_path: Path, command: str) -> None:
    (tmp_path / "a").write_text("Good morning.\n")
    done = run(site, tmp_path, "-m", "dragoman", *command.split(" "), missing=TRAIN_PACKAGES)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("command", "package"),
    [("train run.toml", "torch"), ("average en-de en-de --output x", "torch"), ("report x", "jinja2")],
)
def test_commands_that_need_an_extra_name_it(site: Path, tmp_path: Path, command: str, package: str) -> None:
    (tmp_path / "a").write_text("Good morning.\n")
    files = "{ en = 'a', de = 'a' }"  # the configuration is read before the package is needed
    (tmp_path / "run.toml").write_text(f"[data]\ndirections = ['en-de']\ndev = {files}\ntrain = [{files}]\n")
    done = run(site, tmp_path, "-m", "dragoman", *command.split(" "), missing=TRAIN_PACKAGES)
    name = command.split(" ")[0]
    reason = f"dragoman: dragoman {name} needs the package {package}: pip install 'dragoman[train]'\n"
    assert (done.returncode, done.stderr.splitlines(keepends=True)[-1]) == (2, reason)
    assert "Traceback" not in done.stderr


def test_without_compiler_and_torch_both_remedies_are_named(site: Path, tmp_path: Path) -> None:
    code = "import os; os.environ.update(CXX='none', PATH='none', DRAGOMAN_KERNELS='empty'); import runpy; "
    code += "runpy.run_module('dragoman', run_name='__main__')"
    remedy = "translating needs a C++ compiler or torch: install g++ or clang++, or pip install 'dragoman[train]'"
    done = run(site, tmp_path, "-c", code, "translate", "--to", "de", "a", missing=TRAIN_PACKAGES)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == f"dragoman: {remedy}"
    options = ["translate", "--to", "de", "a", "--precision", "bfloat16"]
    done = run(site, tmp_path, "-m", "dragoman", *options, missing=TRAIN_PACKAGES)
    reason = "computing in bfloat16 on the device cpu needs torch: pip install 'dragoman[train]'"
    assert done.stderr == f"dragoman: {reason}\n"


def test_the_client_needs_neither_torch_nor_unix(site: Path, tmp_path: Path) -> None:
    code = "import dragoman; print(dragoman.Client, dragoman.AsyncClient, dragoman.Tls, dragoman.Translation)"
    unix = ("fcntl", "resource", "termios", "pwd", "grp")
    done = run(site, tmp_path, "-c", code, missing=(*TRAIN_PACKAGES, *unix))
    assert done.returncode == 0, done.stderr


def test_the_extras_have_what_commands_name() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    for package, extra in EXTRAS.items():
        assert any(requirement.replace("-", "_").startswith(package) for requirement in extras[extra])
        assert not any(requirement.startswith(package) for requirement in project["dependencies"])


def test_every_package_that_is_imported_is_asked_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    asked = [
        *project["dependencies"],
        *(line for name in extras if name not in ("dev", "bench") for line in extras[name]),
    ]
    asked_names = {canonical_name(re.split(r"[\[<>=]", line)[0]) for line in asked}
    imported = set()
    for module, path in iterate_sources():
        imported |= read_imports(path.read_text("utf-8"), module=module, is_package=path.name == "__init__.py")
    missing = {}
    for name in {name.split(".")[0] for name in imported} - sys.stdlib_module_names - NOT_LOOKED_AT:
        bringing = {canonical_name(found) for found in packages_distributions().get(name, [name])}
        if not bringing & asked_names:
            missing[name] = bringing
    assert missing == {}


def canonical_name(name: str) -> str:
    return re.sub("[-_.]+", "-", name).lower()

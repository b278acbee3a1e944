"""What pyproject.toml cannot say: how a wheel gets compiled kernels.

With $DRAGOMAN_WHEEL_KERNELS=1, as cibuildwheel sets it, a wheel has them for every kind of processor of this machine's
family. One wheel serves every Python: the kernels are opened by ctypes. Without it a wheel has the sources alone, which
are compiled where they are first used.
"""

import importlib
import os
import sys
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

HAS_KERNELS = os.environ.get("DRAGOMAN_WHEEL_KERNELS", "") not in ("", "0")
NATIVE = "dragoman.model.decoding.decoders.native"


class BuildPackages(build_py):
    def run(self) -> None:
        super().run()
        if not HAS_KERNELS or self.editable_mode:
            return
        root = Path(__file__).resolve().parent
        sys.path.insert(0, str(root))
        build = importlib.import_module(f"{NATIVE}.build")
        training = importlib.import_module("dragoman.training.learning.native.library")
        folder = Path(self.build_lib).resolve().joinpath(*NATIVE.split("."), build.PACKAGED_FOLDER.name)
        compiler = build.find_compiler()
        if compiler is None:
            raise SystemExit(build.NO_COMPILER)
        for kernels in (build.DECODING, training.KERNELS):
            for variant in build.variants_of_family():
                build.compile_library(variant, compiler, folder, kernels).chmod(0o755)


class Wheel(bdist_wheel):
    def get_tag(self) -> tuple[str, str, str]:
        return ("py3", "none", super().get_tag()[2])


class WithLibraries(Distribution):
    def has_ext_modules(self) -> bool:
        return HAS_KERNELS


setup(distclass=WithLibraries, cmdclass={"build_py": BuildPackages, "bdist_wheel": Wheel})

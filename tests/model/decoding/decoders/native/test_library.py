"""Loading the kernels: damaged libraries, every kind of processor, and doing without."""

import logging
import re
import subprocess
from collections.abc import Callable
from ctypes import sizeof
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dragoman.model.bundle import read_config
from dragoman.model.decoding.decoders.native import build, decoder, processors
from dragoman.model.decoding.decoders.native.build import (
    ProcessorError,
    compile_library,
    find_compiler,
    kernel_folder,
    library_name,
    open_library,
)
from dragoman.model.decoding.decoders.native.library import SIGNATURES, STRUCTURES, Rows, load_library
from dragoman.model.decoding.decoders.native.processors import VARIANTS, Variant, processor_features, variants_of_family
from dragoman.model.decoding.decoders.torch_decoder import TorchDecoder
from dragoman.model.decoding.loading import load_decoder
from dragoman.model.errors import InvalidInputError
from dragoman.translation.translator import Translator
from tests.model.decoding.decoders.native.networks import (
    PRECISIONS,
    Play,
    Sentence,
    all_of,
    assert_close,
    extensions_of,
    listed,
    log_probs_of,
    make_decoder,
    make_network,
    make_twin,
)
from tests.model.decoding.engines.engines import decoder_of

pytestmark = pytest.mark.skipif(not find_compiler(), reason="needs a C++ compiler")

load_anew = load_library.__wrapped__
"""Without what it remembers of an earlier call."""

FUNCTIONS = sorted(set(re.findall(r"\bdragoman_(\w+)\(", (build.DECODING.folder / "api.cpp").read_text())))


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The library of a stand-in with all functions, which compiles in a moment."""
    sources = tmp_path / "sources"
    sources.mkdir()
    lines = [f'extern "C" int dragoman_{name}() {{ return 0; }}' for name in FUNCTIONS if name != "sizes"]
    sizes = ", ".join(str(sizeof(structure)) for structure in STRUCTURES)
    lines.append(
        f'extern "C" int dragoman_sizes(long long* found) {{ long long sizes[] = {{{sizes}}}; '
        f"for (int i = 0; i < {len(STRUCTURES)}; ++i) found[i] = sizes[i]; return {len(STRUCTURES)}; }}"
    )
    (sources / "api.cpp").write_text("\n".join(lines))
    monkeypatch.setattr(build, "DECODING", replace(build.DECODING, folder=sources))
    monkeypatch.setenv("DRAGOMAN_KERNELS", str(tmp_path / "kernels"))
    library = build.find_library(build.DECODING)
    assert library is not None
    return library


@pytest.fixture(autouse=True)
def any_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever variant the tests are run with."""
    monkeypatch.delenv("DRAGOMAN_PROCESSOR", raising=False)


@pytest.fixture(autouse=True)
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(build, "private_folder", lambda: tmp_path / "private")
    return tmp_path / "private"


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"nonsense" * 1000])
def test_a_damaged_library_is_compiled_anew(content: bytes, stand_in: Path, caplog: pytest.LogCaptureFixture) -> None:
    stand_in.write_bytes(content)
    caplog.clear()
    assert load_anew() is not None
    (record,) = caplog.records
    assert record.getMessage().startswith("compiling the kernels")
    caplog.clear()
    assert load_anew() is not None
    assert not caplog.records


def test_a_folder_from_which_nothing_can_be_loaded_is_left_for_the_private_one(
    stand_in: Path, private: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    opened: list[Path] = []

    def open_(path: Path, *_: object) -> Path:
        opened.append(path)
        if path == stand_in:
            raise OSError(f"{path}: failed to map segment from shared object")
        return path

    monkeypatch.setattr(build, "open_library", open_)
    caplog.clear()
    due = private / stand_in.name
    assert load_anew() == due
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "the compiled kernels cannot be loaded",
        f"compiling the kernels for translating into {private}, once, about ten seconds",
    ]
    monkeypatch.setenv("CXX", "false")  # nothing is compiled again
    assert load_anew() == due
    assert opened == [stand_in, due, stand_in, due]


def test_a_damaged_library_that_cannot_be_compiled_anew_is_done_without(
    stand_in: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stand_in.write_bytes(b"")
    monkeypatch.setenv("CXX", "false")
    assert load_anew() is None
    assert "false ended with 1" in caplog.records[-1].getMessage()


def test_a_library_that_lacks_a_function_is_done_without(
    stand_in: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    api = stand_in.parents[1] / "sources" / "api.cpp"
    api.write_text(api.read_text().replace("dragoman_extend", "dragoman_bend"))
    assert load_anew() is None
    reasons = [record.getMessage() for record in caplog.records if "cannot be loaded" in record.getMessage()]
    assert len(reasons) == 2
    assert all("dragoman_extend" in reason for reason in reasons)


def test_a_library_with_structures_of_another_size_is_done_without(
    stand_in: Path, caplog: pytest.LogCaptureFixture
) -> None:
    api = stand_in.parents[1] / "sources" / "api.cpp"
    api.write_text(api.read_text().replace(str(sizeof(Rows)), str(sizeof(Rows) + 4)))
    assert load_anew() is None
    reasons = [record.getMessage() for record in caplog.records if "cannot be loaded" in record.getMessage()]
    assert len(reasons) == 2
    assert all("its structures have" in reason for reason in reasons)


# Kinds of processors


@pytest.fixture
def lacking(stand_in: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes the libraries of one variant say that the processor lacks their instructions, though Linux lists all."""
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    every = frozenset(feature for variant in VARIANTS for feature in variant.features)
    monkeypatch.setattr(processors, "processor_features", lambda: every)
    monkeypatch.setattr(build, "_compile", compile_for_any)
    open_really = build.open_library

    def lack(*names: str) -> None:
        def open_(path: Path, *rest: Any) -> str:
            name = next(variant.name for variant in VARIANTS if f"-x86_64-{variant.name}-" in path.name)
            if name in names:
                raise ProcessorError("the processor lacks some of its instructions")
            open_really(path, *rest)
            return name

        monkeypatch.setattr(build, "open_library", open_)

    return lack


def compile_for_any(_: Variant, compiler: list[str], kernels: build.Kernels, output: Path) -> None:
    subprocess.run([*compiler, "-shared", "-fPIC", str(kernels.folder / "api.cpp"), "-o", str(output)], check=True)


@pytest.mark.parametrize(
    ("lacks", "due"),
    [
        ((), "avx512-vnni"),
        (("avx512-vnni",), "avx2-vnni"),
        (("avx512-vnni", "avx2-vnni"), "avx2"),
        (("avx512-vnni", "avx2-vnni", "avx2"), "plain"),
    ],
)
def test_the_processor_has_the_last_word(
    lacks: tuple[str, ...], due: str, lacking: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    """An emulator hands on what its host's processor can do."""
    lacking(*lacks)
    caplog.clear()
    assert load_anew() == due
    warnings = [record.getMessage() for record in caplog.records if "about ten seconds" not in record.getMessage()]
    slower = ["this processor has no AVX2: translating takes about twice as long as with it"]
    assert warnings == (slower if due == "plain" else [])


def test_a_variant_that_was_asked_for_by_name_is_the_one_or_none(
    lacking: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking("avx2")
    monkeypatch.setenv("DRAGOMAN_PROCESSOR", "plain")
    assert load_anew() == "plain"
    monkeypatch.setenv("DRAGOMAN_PROCESSOR", "avx2")
    with pytest.raises(InvalidInputError, match="is avx2, but the processor lacks some of its instructions"):
        load_anew()


def test_a_library_says_whether_the_processor_can_run_it(stand_in: Path) -> None:
    api = stand_in.parents[1] / "sources" / "api.cpp"
    lacks = "dragoman_lacks_instructions() { return"
    assert f"{lacks} 0;" in api.read_text()
    api.write_text(api.read_text().replace(f"{lacks} 0;", f"{lacks} 1;"))
    library = build.find_library(build.DECODING)
    assert library is not None
    with pytest.raises(ProcessorError, match="lacks some of its instructions"):
        open_library(library, SIGNATURES, STRUCTURES)


def can_run(variant: Variant) -> bool:
    return variant in variants_of_family() and variant.features <= processor_features()


@pytest.mark.parametrize(
    "variant",
    [
        pytest.param(
            one, marks=pytest.mark.skipif(not can_run(one), reason="this processor cannot run it"), id=one.name
        )
        for one in VARIANTS
    ],
)
def test_every_variant_agrees_with_the_network(variant: Variant, monkeypatch: pytest.MonkeyPatch) -> None:
    library = kernel_folder() / library_name(variant, build.DECODING)
    compiler = find_compiler()
    if not library.exists():
        assert compiler is not None
        compile_library(variant, compiler, kernel_folder(), build.DECODING)
    opened = open_library(library, SIGNATURES, STRUCTURES)
    monkeypatch.setattr(decoder, "load_library", lambda: opened)
    network = make_network()
    for precision in PRECISIONS:
        kernels, twin, play = make_decoder(network, precision), make_twin(network, precision), Play()
        sources = ([9, 3], [*range(5, 45), 3], [7, 5, 6, 8, 3])
        play.admit(kernels, sentences=[Sentence(slot, ids, beam_size=1 + 2 * slot) for slot, ids in enumerate(sources)])
        found, due = [], []
        for _ in range(20):
            rows = play.rows()
            kernels.advance(rows)
            log_probs, extensions = kernels.log_probs(rows, all_of(rows)), kernels.extend(rows, all_of(rows))
            for index, sentence in enumerate(play.in_order()):
                own = log_probs[rows.offsets[index] : rows.offsets[index + 1]].astype(np.float64)
                best = [one[0] for one in extensions_of(own, sentence)]
                np.testing.assert_allclose([one[0] for one in listed(extensions, index)], best, atol=1e-5)
                found.append(own)
                due.append(log_probs_of(twin, sentence))
            play.branch()
        assert_close(np.concatenate(found), np.concatenate(due), precision)


# Doing without


@pytest.fixture
def without_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "load_library", lambda: None)


@pytest.mark.usefixtures("without_kernels")
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_without_kernels_torch_decodes(precision: decoder.Precision, tiny_bundle: Path) -> None:
    assert isinstance(load_decoder(tiny_bundle, read_config(tiny_bundle), precision=precision), TorchDecoder)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_torch_finds_the_same_hypotheses(
    precision: decoder.Precision, tiny_bundle: Path, tiny_sentences: list[str], request: pytest.FixtureRequest
) -> None:
    with_kernels = Translator.load(tiny_bundle, precision=precision)
    assert isinstance(decoder_of(with_kernels.engine), decoder.NativeDecoder)
    request.getfixturevalue("without_kernels")
    with_torch = Translator.load(tiny_bundle, precision=precision)
    assert isinstance(decoder_of(with_torch.engine), TorchDecoder)
    found, due = (
        [
            hypothesis
            for translation in translator.translate(tiny_sentences[::2], "de", n_best=3, max_target_length=20)
            for hypothesis in translation.hypotheses
        ]
        for translator in (with_kernels, with_torch)
    )
    assert [one.pieces for one in found] == [one.pieces for one in due]
    errors = np.abs([one.score - other.score for one, other in zip(found, due, strict=True)])
    assert np.mean(errors < 1e-5) > 0.75  # see networks.assert_close
    assert errors.max() < (1e-5 if precision == "float32" else 0.1)


def test_a_reason_is_logged_once(
    stand_in: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stand_in.unlink()
    monkeypatch.setenv("CXX", "false")
    load_library.cache_clear()
    try:
        with caplog.at_level(logging.DEBUG):
            assert not decoder.is_available()
            assert not decoder.is_available()
        assert len([record for record in caplog.records if "false ended with 1" in record.getMessage()]) == 1
    finally:
        load_library.cache_clear()

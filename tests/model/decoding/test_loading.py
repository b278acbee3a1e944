"""Bundles become decoders and ensembles; what cannot be had is told."""

import json
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from dragoman.model.bundle import BundleScore, read_config
from dragoman.model.config import Direction
from dragoman.model.decoding.decoders.native import decoder as native
from dragoman.model.decoding.loading import (
    Precision,
    default_slots,
    device_memory,
    device_of_replica,
    load_decoder,
    open_model,
)
from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.model.shortlist import CandidateLists, Shortlist
from dragoman.translation.translator import Translator
from tests.pieces import EOS_ID

ROOT = Path(__file__).parents[3]
needs_kernels = pytest.mark.skipif(not native.is_available(), reason="the kernels cannot be compiled here")


def changed_copy(bundle: Path, folder: Path, **changes: Any) -> Path:
    """A copy of a bundle whose config.json says something else."""
    shutil.copytree(bundle, folder)
    config = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_the_precision_must_be_one_that_there_is(tiny_bundle: Path) -> None:
    with pytest.raises(InvalidInputError, match='no precision "int4": choose among auto, float32, bfloat16, float16'):
        load_decoder(tiny_bundle, read_config(tiny_bundle), precision=cast(Precision, "int4"))


@pytest.mark.parametrize("number", [0, -1])
def test_there_must_be_a_slot_and_a_thread(tiny_bundle: Path, number: int) -> None:
    with pytest.raises(InvalidInputError, match=f"max_slots is {number}, but must be at least 1"):
        Translator.load(tiny_bundle, max_slots=number)
    with pytest.raises(InvalidInputError, match=f"num_threads is {number}, but must be at least 1"):
        Translator.load(tiny_bundle, num_threads=number)


@pytest.mark.parametrize("precision", ["auto", "float32", "bfloat16", "float16", "int8"])
def test_every_precision_translates_on_a_processor(tiny_bundle: Path, precision: Precision) -> None:
    translator = Translator.load(tiny_bundle, precision=precision, max_slots=2)
    assert translator.engine.max_slots == 2
    (translation,) = translator.translate("The dog sees the tree.", "de", beam_size=2, max_target_length=6)
    assert translation.score < 0


@pytest.mark.parametrize("precision", ["auto", "float32"])
def test_a_device_that_there_is_not_is_told(tiny_bundle: Path, precision: Precision) -> None:
    with pytest.raises(InvalidInputError, match='the device "abacus" cannot be used: ') as failure:
        Translator.load(tiny_bundle, precision=precision, device="abacus")
    assert "\n" not in str(failure.value)


@needs_kernels
def test_translating_on_a_processor_needs_no_torch(tiny_bundle: Path) -> None:
    code = f"""
import sys
from dragoman.translation.translator import Translator
assert Translator.load({str(tiny_bundle)!r}).translate("The dog. The tree.", "de", max_target_length=6)
assert "torch" not in sys.modules, "torch was imported"
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_shortlist_is_used_only_where_asked_for(tiny_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="the bundle has no shortlist"):
        Translator.load(tiny_bundle, use_shortlist=True)
    bundle = changed_copy(tiny_bundle, tmp_path / "tiny")
    shape = read_config(bundle).vocabulary
    target = Translator.load(bundle).vocabulary.target
    allowed = sorted([EOS_ID, *target.encode("Hund Haus")])
    nothing = np.zeros(shape.source_size + 1, np.int64)
    candidates = CandidateLists(np.array(allowed), nothing, np.zeros(0, np.int64))
    Shortlist({Direction("en", "de"): candidates}, shape).write(bundle)
    pieces = set(target.pieces(allowed))
    for use_shortlist in (False, True):
        translator = Translator.load(bundle, precision="float32", use_shortlist=use_shortlist)
        (translation,) = translator.translate("The dog sees the tree.", "de", max_target_length=12)
        assert (set(translation.hypotheses[0].pieces) <= pieces) is use_shortlist


def test_translations_with_a_shortlist_are_of_another_revision(tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = changed_copy(tiny_bundle, tmp_path / "tiny")
    shape = read_config(bundle).vocabulary
    revisions = [open_model([bundle]).revision]
    for always in ([EOS_ID], [EOS_ID, 20]):
        candidates = CandidateLists(np.array(always), np.zeros(shape.source_size + 1, np.int64), np.zeros(0, np.int64))
        Shortlist({Direction("en", "de"): candidates}, shape).write(bundle)
        revisions.append(open_model([bundle], use_shortlist=True).revision)
    assert len(set(revisions)) == 3
    assert all(len(revision) == 16 for revision in revisions)
    assert open_model([bundle]).revision == revisions[0]


# Ensembles


def test_an_ensemble_does_what_all_of_it_do(tiny_bundle: Path, tmp_path: Path) -> None:
    score = BundleScore(direction=Direction("en", "de"), test_set="t", metric="BLEU", score=1.0, signature="s")
    other = changed_copy(
        tiny_bundle,
        tmp_path / "other",
        name="other",
        directions=[{"source": "fr", "target": "de"}, {"source": "en", "target": "de"}],
        scores=[asdict(score)],
    )
    first = read_config(tiny_bundle)
    model = open_model([tiny_bundle, other])
    assert model.info.name == "tiny+other"
    assert model.info.directions == (Direction("en", "de"),)
    assert model.info.num_parameters == 2 * first.num_parameters
    assert model.info.scores == ()
    assert len(model.revision) == 16
    assert model.revision != open_model([tiny_bundle]).revision


def test_an_ensemble_of_the_same_bundle_translates_as_it_does(tiny_bundle: Path, tiny_sentences: list[str]) -> None:
    alone = Translator.load(tiny_bundle, precision="float32")
    twice = Translator.load([tiny_bundle, tiny_bundle], precision="float32")
    for one, two in zip(
        alone.translate(tiny_sentences[:8], "de", max_target_length=12),
        twice.translate(tiny_sentences[:8], "de", max_target_length=12),
        strict=True,
    ):
        assert two.text == one.text
        assert two.score == pytest.approx(one.score, abs=1e-4)


def test_an_ensemble_needs_one_vocabulary(tiny_bundle: Path, tmp_path: Path) -> None:
    other = changed_copy(tiny_bundle, tmp_path / "other")
    path = other / "vocabulary.model"
    path.write_bytes(path.read_bytes() + b"\x9a\x06\x00")  # a field that SentencePiece does not know
    with pytest.raises(
        InvalidInputError, match=r"tiny and .*other have different vocabularies: they do not go together"
    ):
        open_model([tiny_bundle, other])


def test_an_ensemble_needs_a_direction_in_common(tiny_bundle: Path, tmp_path: Path) -> None:
    other = changed_copy(tiny_bundle, tmp_path / "other", directions=[{"source": "fr", "target": "de"}])
    with pytest.raises(InvalidInputError, match=r"tiny and .*other have no direction in common"):
        open_model([tiny_bundle, other])


def test_an_ensemble_of_nothing_is_none(tiny_bundle: Path) -> None:
    with pytest.raises(InvalidInputError, match="no bundle is given"):
        Translator.load([])
    with pytest.raises(NotFoundError, match="nowhere"):
        Translator.load([tiny_bundle, "nowhere"])


# Devices


def test_slots_off_a_processor_do_not_depend_on_the_hosts_processors() -> None:
    assert [default_slots("cpu", threads) for threads in (1, 4)] == [64, 256]
    assert default_slots("cuda", 1) == default_slots("cuda:1", 96) == 256
    sizes = {gibibytes: default_slots("cuda", 1, gibibytes << 30) for gibibytes in (2, 8, 16, 24, 40, 80)}
    assert sizes == {2: 64, 8: 128, 16: 256, 24: 384, 40: 640, 80: 1024}
    assert device_memory("meta") is None


def test_replicas_take_turns_at_the_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    class Two:
        @staticmethod
        def device_count() -> int:
            return 2

    monkeypatch.setattr("torch.get_device_module", lambda _: Two)
    assert [device_of_replica("cuda", number) for number in range(3)] == ["cuda:0", "cuda:1", "cuda:0"]
    assert [device_of_replica(device, 1) for device in ("cpu", "cuda:7")] == ["cpu", "cuda:7"]


def test_an_unknown_device_is_left_to_be_refused() -> None:
    assert device_of_replica("abacus", 1) == "abacus"

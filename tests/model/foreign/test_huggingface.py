"""Models of transformers compute what transformers computes."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from dragoman.model.bundle import read_config, read_vocabulary
from dragoman.model.config import Direction
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import InvalidInputError
from dragoman.model.foreign.importing import import_model
from dragoman.model.foreign.model import ImportOptions
from dragoman.model.network.storage import load_network
from dragoman.model.weights import read_weights
from dragoman.training.card import model_card
from dragoman.translation.languages import canonical_language
from dragoman.translation.translator import Translator
from tests.architectures import transformer_shape
from tests.model.foreign.huggingface_models import KINDS, make_tensors, write_json, write_model
from tests.model.foreign.marian_models import GOLDEN
from tests.reference_beam import reference_search

EN_FR = Direction("en", "fr")
TRANSFORMERS: dict[str, Any] = json.loads((GOLDEN / "huggingface.json").read_text("utf-8"))
"""What transformers 5.24 says of each model and text: source ids; logits behind the start, the forced piece, 7 and 9;
hypotheses with their scores, beam 4, at most 12 pieces."""

ANY = ImportOptions(sources=("en",), tag=canonical_language)


def convert(folder: Path, bundle: Path, options: ImportOptions = ANY) -> Path:
    import_model(folder, bundle, options, model_card)
    return bundle


@pytest.mark.parametrize("kind", KINDS)
def test_logits_and_hypotheses_are_those_of_transformers(kind: str, tmp_path: Path) -> None:
    targets = ("fr",) if kind != "marian-targets" else ()
    options = ImportOptions(sources=("en",), targets=targets, tag=canonical_language)
    bundle = convert(write_model(tmp_path / "model", kind), tmp_path / "bundle", options)
    info = read_config(bundle)
    vocabulary, network = read_vocabulary(bundle, info), load_network(bundle, info)
    frame = vocabulary.frame(EN_FR)
    search = SearchOptions(
        beam_size=4, n_best=4, length_penalty=0.0, min_target_length=1 + len(frame.target), max_target_length=12
    )
    for text, expected in zip(TRANSFORMERS["texts"], TRANSFORMERS[kind], strict=True):
        source = frame.enclose(vocabulary.source.encode(text))
        assert list(source) == expected["source"]
        given = torch.tensor([[vocabulary.shape.start_id, *frame.target, 7, 9]])
        ids = torch.tensor([list(source)])
        with torch.inference_mode():
            logits = network(ids, torch.ones_like(ids, dtype=torch.bool), given)[0, -1]
        assert logits.tolist() == pytest.approx(expected["logits"][-1], abs=1e-4)
        found = reference_search(network, source, search, 12, vocabulary.forbidden_ids(), prefix_ids=frame.target)
        silent = {vocabulary.shape.eos_id, vocabulary.shape.pad_id}
        due = [[piece for piece in ids[1:] if piece not in silent] for ids, _ in expected["n_best"]]
        assert [list(one.token_ids) for one in found] == due
        assert [one.score for one in found] == pytest.approx([score for _, score in expected["n_best"]], abs=1e-3)


def test_target_languages_of_the_vocabulary_become_directions(tmp_path: Path) -> None:
    bundle = convert(write_model(tmp_path / "model", "marian-targets"), tmp_path / "bundle")
    assert [str(direction) for direction in read_config(bundle).directions] == ["en→fr", "en→de", "en→zh"]


@pytest.mark.parametrize(
    ("kind", "count", "some"),
    [("m2m100", 20, "af→zh"), ("nllb", 42, "ace-Latn→zh-Hant"), ("mbart", 12, "ar→de")],
)
def test_all_directions_of_a_many_to_many_model(kind: str, count: int, some: str, tmp_path: Path) -> None:
    options = ImportOptions(tag=canonical_language)
    bundle = convert(write_model(tmp_path / "model", kind), tmp_path / "bundle", options)
    directions = [str(direction) for direction in read_config(bundle).directions]
    assert len(directions) == count
    assert some in directions


def test_two_hundred_directions_in_one_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = [f"{first}{second}x_Latn" for first in "abcdefghijkl" for second in "abcdefghijklmnopq"]
    monkeypatch.setattr("tests.model.foreign.huggingface_models.NLLB_LANGUAGES", [*codes, "eng_Latn"])
    folder = write_model(tmp_path / "model", "nllb")
    with pytest.raises(InvalidInputError, match="choose with --from and --to"):
        convert(folder, tmp_path / "bundle", ImportOptions(tag=canonical_language))
    bundle = convert(folder, tmp_path / "bundle")
    info = read_config(bundle)
    assert len(info.directions) == 204
    vocabulary = read_vocabulary(bundle, info)
    frames = {vocabulary.frame(direction).target for direction in info.directions}
    assert len(frames) == 204


def test_positions_of_marian(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", "marian")
    options = ImportOptions(sources=("en",), targets=("de",), positions="marian")
    architecture = transformer_shape(read_config(convert(folder, tmp_path / "bundle", options)).architecture)
    assert (architecture.position_exponent, architecture.norm_epsilon) == ("half-minus-one", 1e-6)
    assert "of Marian, in which the model was trained" in (tmp_path / "bundle" / "README.md").read_text("utf-8")


def test_pickles_of_tensors_alone(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", "marian")
    tensors = make_tensors("marian")
    (folder / "model.safetensors").unlink()
    torch.save({name: torch.from_numpy(values) for name, values in tensors.items()}, folder / "pytorch_model.bin")
    bundle = convert(folder, tmp_path / "bundle")
    weights = read_weights(bundle, read_config(bundle))
    name = "model.decoder.layers.1.encoder_attn.k_proj.weight"
    assert np.array_equal(weights["decoder_layers.1.cross_attention.key.weight"].values, tensors[name])


class _Evil:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return (print, ("ran",))


def test_nothing_but_tensors_is_unpickled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_model(tmp_path / "model", "marian")
    (folder / "model.safetensors").unlink()
    torch.save({"model.shared.weight": _Evil()}, folder / "pytorch_model.bin")
    with pytest.raises(InvalidInputError, match=r"pytorch_model\.bin: no file of tensors alone") as caught:
        convert(folder, tmp_path / "bundle")
    assert "\n" not in str(caught.value)
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(_Evil()))
    with pytest.raises(InvalidInputError, match=r"pytorch_model\.bin"):
        convert(folder, tmp_path / "bundle")
    assert "ran" not in capsys.readouterr().out


def test_half_precision_and_parts(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", "m2m100")
    tensors = {name: values.astype(np.float16) for name, values in load_file(folder / "model.safetensors").items()}
    (folder / "model.safetensors").unlink()
    halves = [dict(list(tensors.items())[::2]), dict(list(tensors.items())[1::2])]
    for number, half in enumerate(halves):
        save_file(half, folder / f"model-{number}.safetensors")
    places = {name: f"model-{number}.safetensors" for number, half in enumerate(halves) for name in half}
    write_json(folder / "model.safetensors.index.json", {"weight_map": places})
    assert read_config(convert(folder, tmp_path / "bundle")).storage == "float16"


def test_the_licence_is_that_of_the_model_s_card(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", "marian")
    (folder / "README.md").write_text("---\nlanguage: en\nlicense: cc-by-4.0\n---\n# x\n")
    card = (convert(folder, tmp_path / "bundle") / "README.md").read_text("utf-8")
    assert "Licence: cc-by-4.0." in card


def test_it_translates(tmp_path: Path) -> None:
    bundle = convert(write_model(tmp_path / "model", "nllb"), tmp_path / "bundle")
    translator = Translator.load(bundle, precision="float32", num_threads=1)
    (translation,) = translator.translate("the sea is calm", "fr", beam_size=2, max_target_length=12)
    assert "fra_Latn" not in translation.hypotheses[0].text


def edit(name: str, **changes: Any) -> Callable[[Path], None]:
    """Changes keys of a JSON file; None removes one."""

    def change(folder: Path) -> None:
        content = json.loads((folder / name).read_text("utf-8")) | changes
        write_json(folder / name, {key: value for key, value in content.items() if value is not None})

    return change


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def retensor(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        tensors = make_tensors("marian")
        change(tensors)
        save_file(tensors, folder / "model.safetensors")

    return apply


def cut(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).write_bytes((folder / name).read_bytes()[:200])

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (edit("config.json", model_type="fsmt"), "FSMT"),
        (edit("config.json", model_type="nllb-moe"), "mixture of experts"),
        (edit("config.json", model_type="bert"), "model_type bert: supported are"),
        (edit("config.json", model_type=None, model={}, transforms=[]), "Eole"),
        (edit("config.json", activation_function="mish"), "activation_function mish"),
        (edit("config.json", encoder_ffn_dim=12), "encoder_ffn_dim is 12, but decoder_ffn_dim is 24"),
        (edit("config.json", encoder_layers=10**9), "encoder_layers is 1000000000"),
        (edit("config.json", encoder_layers=1), "variant that is not supported: encoder.layers.1"),
        (edit("config.json", encoder_layers=3), "lacks the tensor model.encoder.layers.2"),
        (edit("config.json", d_model="wide"), "d_model"),
        (edit("config.json", d_model=32), "has the shape"),
        (edit("config.json", eos_token_id=4000), "eos_token_id is 4000"),
        (edit("tokenizer_config.json", unk_token="<unknown>"), 'lacks the piece "<unknown>"'),
        (edit("vocab.json", **{"▁s": 400}), "its ids are not 0, 1, 2"),
        (without("vocab.json"), "lacks vocab.json"),
        (without("source.spm"), "lacks source.spm"),
        (without("model.safetensors"), "neither model.safetensors nor"),
        (cut("model.safetensors"), "model.safetensors: damaged"),
        (cut("source.spm"), "not a SentencePiece model"),
        (cut("config.json"), "no JSON"),
        (retensor(lambda tensors: tensors["model.shared.weight"].fill(np.nan)), "no number|finite"),
        (retensor(lambda tensors: tensors.update({"model.decoder.adapter": np.ones(3)})), "decoder.adapter"),
    ],
    ids=str,
)
def test_what_is_damaged_or_not_supported_is_named(
    change: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    folder = write_model(tmp_path / "model", "marian")
    change(folder)
    with pytest.raises(InvalidInputError, match=message) as caught:
        convert(folder, tmp_path / "bundle")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "bundle").exists()

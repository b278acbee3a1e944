"""Bundles exported to CTranslate2 find the same hypotheses there."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import pytest
import torch

import dragoman
from dragoman.command_line import main
from dragoman.model.bundle import BundleConfig, find_bundle, read_config, read_vocabulary, write_bundle
from dragoman.model.codec import Codec
from dragoman.model.config import ArchitectureConfig, Direction
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import DragomanError, InvalidInputError
from dragoman.model.foreign.export import export_ctranslate2
from dragoman.model.foreign.importing import import_model
from dragoman.model.foreign.model import ImportOptions
from dragoman.model.network.network import Network, num_parameters
from dragoman.model.network.storage import load_network, pack_weights
from dragoman.model.network.transformer import Transformer
from dragoman.model.shortlist import read_shortlist
from dragoman.model.vocabulary import PieceModelOptions, Vocabulary, train_piece_model
from dragoman.model.weights import StoredTensor, read_weights
from dragoman.training.card import model_card
from dragoman.translation.languages import canonical_language
from tests.model.foreign.huggingface_models import write_model
from tests.model.network.variants import VARIANTS
from tests.pieces import BOS_ID, EOS_ID, encode_source
from tests.reference_beam import reference_beam_search, reference_search

EN_DE = Direction("en", "de")
SUMS = 1e-9
"""A length penalty with which CTranslate2 compares sums of log probabilities without stopping early."""

NBest = list[tuple[list[str], float]]


def translate_there(model: Path, sources: Sequence[Sequence[str]], **options: Any) -> list[NBest]:
    """CTranslate2's n-best lists, as pieces and scores."""
    translator = ctranslate2.Translator(str(model), compute_type="float32", intra_threads=1)
    results = translator.translate_batch(sources, return_scores=True, **options)
    return [list(zip(result.hypotheses, result.scores, strict=True)) for result in results]


def source_pieces(vocabulary: Codec, texts: Sequence[str]) -> list[list[str]]:
    """What CTranslate2 is to be given for texts to translate into German: it adds the end of sentence itself."""
    return [list(vocabulary.source.pieces(encode_source(vocabulary, text, EN_DE)[:-1])) for text in texts]


@torch.inference_mode()
def first_end_log_prob(network: Network, source_ids: Sequence[int]) -> float:
    """log(1 - P(end of sentence at the first position)): both searches rule that end out, and CTranslate2 alone shares
    its probability out among the other pieces."""
    source = torch.tensor([list(source_ids)])
    logits = network(source, torch.ones_like(source, dtype=torch.bool), torch.tensor([[BOS_ID]]))
    return float(torch.log1p(-logits[0, 0].softmax(dim=0)[EOS_ID]))


def assert_same(ours: NBest, theirs: NBest, *, error: float = 1e-4) -> None:
    assert [pieces for pieces, _ in ours] == [pieces for pieces, _ in theirs]
    assert [score for _, score in ours] == pytest.approx([score for _, score in theirs], abs=error)


def write_random_bundle(folder: Path, vocabulary: Vocabulary, **shape: Any) -> Transformer:
    """A bundle with random weights, sharp enough for the hypotheses to differ; en→de."""
    architecture = ArchitectureConfig(d_model=16, d_ff=32, num_encoder_layers=2, max_target_length=48, **shape)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = Transformer(architecture, vocabulary.shape).eval()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(0.4 * torch.randn_like(parameter))
    config = BundleConfig(
        name="random",
        directions=(EN_DE,),
        architecture=architecture,
        vocabulary=vocabulary.shape,
        storage="float32",
        num_parameters=num_parameters(network),
    )
    write_bundle(folder, config, vocabulary, pack_weights(network, config.storage), "# random\n")
    return network


def assert_finds_the_same(
    bundle: Path, model: Path, network: Network, texts: Sequence[str], *, error: float = 1e-4
) -> None:
    """CTranslate2 and the oracle, which our engine is compared with elsewhere, both without forbidden pieces."""
    vocabulary = read_vocabulary(bundle, read_config(bundle))
    theirs = translate_there(
        model,
        source_pieces(vocabulary, texts),
        beam_size=3,
        num_hypotheses=3,
        length_penalty=SUMS,
        max_decoding_length=12,
    )
    options = SearchOptions(beam_size=3, n_best=3, length_penalty=0.0)
    for text, their_n_best in zip(texts, theirs, strict=True):
        source_ids = encode_source(vocabulary, text, EN_DE)
        shared = first_end_log_prob(network, source_ids)
        hypotheses = reference_beam_search(network, source_ids, options, 12)
        ours = [(list(vocabulary.target.pieces(each.token_ids)), each.score - shared) for each in hypotheses]
        assert_same(ours, their_n_best, error=error)


def test_the_tiny_bundle_finds_the_same_hypotheses(
    tiny_bundle: Path, tiny_sentences: list[str], tmp_path: Path
) -> None:
    export_ctranslate2(tiny_bundle, tmp_path / "model")
    network = load_network(tiny_bundle, read_config(tiny_bundle))
    assert_finds_the_same(tiny_bundle, tmp_path / "model", network, tiny_sentences[:20])


@pytest.mark.parametrize(
    ("normalization", "tied_embeddings", "joint", "num_heads", "size_of_heads"),
    [
        ("pre", "none", False, 2, 8),
        ("post", "target", False, 4, 4),
        ("post", "all", True, 2, 12),  # heads together wider than d_model, and narrower
        ("pre", "all", True, 3, 4),
    ],
)
def test_every_shape_finds_the_same_hypotheses(
    tiny_vocabulary: Vocabulary,
    tiny_sentences: list[str],
    tmp_path: Path,
    normalization: str,
    tied_embeddings: str,
    joint: bool,
    num_heads: int,
    size_of_heads: int,
) -> None:
    options = PieceModelOptions(size=330, type="bpe")
    target = tiny_vocabulary.target if joint else train_piece_model(tiny_sentences[1::2], options, languages=[])
    network = write_random_bundle(
        tmp_path / "bundle",
        Vocabulary(tiny_vocabulary.source, target),
        normalization=normalization,
        tied_embeddings=tied_embeddings,
        num_heads=num_heads,
        d_key=size_of_heads,
        d_value=size_of_heads,
        num_decoder_layers=1,
    )
    export_ctranslate2(tmp_path / "bundle", tmp_path / "model")
    assert_finds_the_same(tmp_path / "bundle", tmp_path / "model", network, tiny_sentences[:10])


@pytest.mark.parametrize("name", [name for name, changes in VARIANTS.items() if changes.get("decoder_mixer") != "ssru"])
def test_every_variant_finds_the_same_hypotheses(
    name: str, tiny_vocabulary: Vocabulary, tiny_sentences: list[str], tmp_path: Path
) -> None:
    sizes = {"num_heads": 2, "d_key": 8, "d_value": 8, "num_decoder_layers": 1}
    joint = Vocabulary(tiny_vocabulary.source, tiny_vocabulary.source)
    network = write_random_bundle(tmp_path / "bundle", joint, **sizes, **VARIANTS[name])
    export_ctranslate2(tmp_path / "bundle", tmp_path / "model")
    error = 1e-4 if network.config.final_norm or network.config.normalization == "post" else 2e-3  # of large logits
    assert_finds_the_same(tmp_path / "bundle", tmp_path / "model", network, tiny_sentences[:5], error=error)


def test_an_ssru_cannot_be_expressed(tiny_vocabulary: Vocabulary, tmp_path: Path) -> None:
    write_random_bundle(
        tmp_path / "bundle",
        tiny_vocabulary,
        num_heads=2,
        d_key=8,
        d_value=8,
        num_decoder_layers=1,
        decoder_mixer="ssru",
        tied_embeddings="none",
    )
    with pytest.raises(InvalidInputError, match="CTranslate2 cannot express this model: its decoder has an SSRU"):
        export_ctranslate2(tmp_path / "bundle", tmp_path / "model")
    assert not (tmp_path / "model").exists()


SHIPPED_TEXTS = [
    "Good morning.",
    "Where is the train station?",
    "I have never seen such a beautiful house before.",
    "She told me that she would come tomorrow.",
    "Tom is not as old as he looks.",
    "How much does this cost?",
]


@pytest.fixture(scope="module")
def shipped_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle en-de as CTranslate2 has it."""
    model = tmp_path_factory.mktemp("shipped") / "model"
    export_ctranslate2(find_bundle("en-de"), model)
    return model


@pytest.mark.parametrize(("our_penalty", "their_penalty"), [(0.0, SUMS), (1.0, 1.0), (0.6, 0.6)])
def test_the_shipped_bundle_finds_the_same_hypotheses(
    shipped_model: Path, our_penalty: float, their_penalty: float
) -> None:
    bundle = find_bundle("en-de")
    config = read_config(bundle)
    vocabulary, network = read_vocabulary(bundle, config), load_network(bundle, config)
    translations = dragoman.Translator.load("en-de", precision="float32").translate(
        SHIPPED_TEXTS, "de", beam_size=4, n_best=4, length_penalty=our_penalty, length_normalization="average"
    )
    theirs = translate_there(
        shipped_model,
        source_pieces(vocabulary, SHIPPED_TEXTS),
        beam_size=4,
        num_hypotheses=4,
        length_penalty=their_penalty,
    )
    for translation, their_n_best in zip(translations, theirs, strict=True):
        shared = first_end_log_prob(network, encode_source(vocabulary, translation.source, EN_DE))
        ours = [
            (list(each.pieces), each.score - shared / (len(each.pieces) + 1) ** our_penalty)
            for each in translation.hypotheses
        ]
        assert_same(ours, their_n_best)


def test_the_readme_shows_a_working_example(
    shipped_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = (shipped_model / "README.md").read_text(encoding="utf-8")
    assert "`<2de>`, `<2en>`" in readme
    _, code, _ = readme.replace("```python", "```").split("```")
    monkeypatch.chdir(shipped_model)
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out == "Guten Morgen!\n"


def test_the_folder_holds_the_piece_models_of_the_bundle(shipped_model: Path, tmp_path: Path) -> None:
    assert (shipped_model / "vocabulary.model").read_bytes() == (find_bundle("en-de") / "vocabulary.model").read_bytes()


def test_a_shortlist_restricts_the_pieces(tmp_path: Path) -> None:
    export_ctranslate2(find_bundle("en-de"), tmp_path / "model", shortlist=EN_DE)
    config = read_config(find_bundle("en-de"))
    vocabulary, shortlist = read_vocabulary(find_bundle("en-de"), config), read_shortlist(find_bundle("en-de"), config)
    theirs = translate_there(
        tmp_path / "model",
        source_pieces(vocabulary, SHIPPED_TEXTS),
        beam_size=4,
        num_hypotheses=4,
        max_batch_size=1,  # it takes the union over a batch
        use_vmap=True,
    )
    for text, n_best in zip(SHIPPED_TEXTS, theirs, strict=True):
        allowed = set(
            vocabulary.target.pieces(shortlist.allowed_ids(encode_source(vocabulary, text, EN_DE), EN_DE).tolist())
        )
        assert all(allowed.issuperset(pieces) for pieces, _ in n_best)
    assert "`use_vmap=True` is faster for en→de" in (tmp_path / "model" / "README.md").read_text(encoding="utf-8")


def test_a_shortlist_that_the_bundle_lacks_is_an_error(tiny_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(DragomanError, match="the bundle has no shortlist"):
        export_ctranslate2(tiny_bundle, tmp_path / "model", shortlist=EN_DE)
    with pytest.raises(DragomanError, match="there is no shortlist for de→fr"):
        export_ctranslate2(find_bundle("en-de"), tmp_path / "model", shortlist=Direction("de", "fr"))
    assert not (tmp_path / "model").exists()


def test_the_command_writes_the_folder(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model"
    monkeypatch.setattr(
        sys,
        "argv",
        ["dragoman", "export", str(tiny_bundle), str(model), "--to", "ctranslate2", "--quantization", "int8"],
    )
    for status, message in ((0, "written; its README.md shows how"), (2, "exists already")):
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code == status
        assert f"{model}: {message}" in "".join(capsys.readouterr())


def test_int8_weights_are_a_quarter_of_the_size(tiny_bundle: Path, tmp_path: Path) -> None:
    export_ctranslate2(tiny_bundle, tmp_path / "floats")
    export_ctranslate2(tiny_bundle, tmp_path / "integers", quantization="int8")
    floats, integers = ((tmp_path / name / "model.bin").stat().st_size for name in ("floats", "integers"))
    assert integers < 0.5 * floats  # of the tiny model's, many are scales, biases and positions
    translated = translate_there(tmp_path / "integers", [["<2de>", "▁The", "▁dog"]], max_decoding_length=8)
    assert translated[0][0][0] != []


def test_a_model_with_keys_and_values_of_different_size_cannot_be_expressed(
    tiny_vocabulary: Vocabulary, tmp_path: Path
) -> None:
    write_random_bundle(tmp_path / "bundle", tiny_vocabulary, num_heads=2, d_key=4, d_value=8, num_decoder_layers=1)
    with pytest.raises(InvalidInputError, match=r"CTranslate2 cannot express .* d_key 4 .* d_value 8"):
        export_ctranslate2(tmp_path / "bundle", tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_folder_with_something_in_it_stays_as_it_is(tiny_bundle: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    export_ctranslate2(tiny_bundle, model)  # an empty one is taken
    first = (model / "model.bin").read_bytes()
    with pytest.raises(InvalidInputError, match="model: exists already; choose another folder, or give --overwrite"):
        export_ctranslate2(tiny_bundle, model, quantization="int8")
    assert (model / "model.bin").read_bytes() == first
    export_ctranslate2(tiny_bundle, model, quantization="int8", overwrite=True)
    assert (model / "model.bin").read_bytes() != first
    with pytest.raises(InvalidInputError, match="exists and is no CTranslate2 model: it will not be replaced by one"):
        export_ctranslate2(tiny_bundle, tmp_path, overwrite=True)


def test_an_unknown_quantization_is_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="quantization is int4, but must be one of float32, float16"):
        export_ctranslate2(tiny_bundle, tmp_path / "model", quantization="int4")  # type: ignore[arg-type]


def test_without_the_package_an_error_tells_how_to_install_it(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    monkeypatch.setitem(sys.modules, "ctranslate2.specs", None)
    with pytest.raises(DragomanError, match=r"needs the package ctranslate2: pip install 'dragoman\[ctranslate2\]'"):
        export_ctranslate2(tiny_bundle, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_failed_write_leaves_nothing_half(tiny_bundle: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("in the way")
    with pytest.raises(DragomanError, match="the model cannot be written"):
        export_ctranslate2(tiny_bundle, file / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_model_with_a_parameter_that_has_no_place_there_is_refused(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = read_weights(tiny_bundle, read_config(tiny_bundle)) | {
        "output_projection.bias": StoredTensor(np.zeros(4, np.float32))
    }
    monkeypatch.setattr("dragoman.model.foreign.export.read_weights", lambda *_: weights)
    with pytest.raises(InvalidInputError, match=r"this model: it has no place for output_projection\.bias$"):
        export_ctranslate2(tiny_bundle, tmp_path / "model")


@pytest.mark.parametrize("kind", ["marian-targets", "m2m100", "nllb-legacy"])
def test_imported_models_are_exported_with_their_framing(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ImportOptions(sources=("en",), targets=("fr", "de"), tag=canonical_language)
    import_model(write_model(tmp_path / "source", kind), tmp_path / "bundle", options, model_card)
    export_ctranslate2(tmp_path / "bundle", tmp_path / "model")
    readme = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    _, code, _ = readme.replace("```python", "```").split("```")
    monkeypatch.chdir(tmp_path / "model")
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out
    info, network = (
        read_config(tmp_path / "bundle"),
        load_network(tmp_path / "bundle", read_config(tmp_path / "bundle")),
    )
    vocabulary = read_vocabulary(tmp_path / "bundle", info)
    frame = vocabulary.frame(Direction("en", "de"))
    source = frame.enclose(vocabulary.source.encode("the sea is calm"))
    pieces = list(vocabulary.source.pieces(source))
    theirs = translate_there(
        tmp_path / "model",
        [pieces if kind == "nllb-legacy" else pieces[:-1]],
        target_prefix=[list(vocabulary.target.pieces(frame.target))],
        beam_size=3,
        num_hypotheses=3,
        length_penalty=SUMS,
        max_decoding_length=8,
        suppress_sequences=[[piece] for piece in vocabulary.target.pieces(vocabulary.forbidden_ids())],
    )
    for hypothesis, _ in theirs[0]:
        assert hypothesis[: len(frame.target)] == list(vocabulary.target.pieces(frame.target))
    best = [vocabulary.target.piece_id(piece) for piece in theirs[0][0][0]]
    search = SearchOptions(beam_size=3, length_penalty=0.0, min_target_length=1 + len(frame.target))
    (ours,) = reference_search(network, source, search, 8, vocabulary.forbidden_ids(), prefix_ids=frame.target)
    assert list(ours.token_ids) == best

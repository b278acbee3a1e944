"""The configuration of a training run: one tree of frozen tables, read from TOML, any key overridden by --set."""

import os
import re
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from dragoman.model.config import ArchitectureConfig, Direction, FilePath, StrictModel
from dragoman.model.config_files import apply_environment, apply_overrides, read_toml, validate_tree
from dragoman.model.errors import InvalidInputError
from dragoman.training.evaluation.metrics import DEFAULT_TOKENIZER, check_tokenizer_name
from dragoman.training.run.initialization import inherit_from_bundle

_LANGUAGE_CODE = re.compile(r"[A-Za-z]{1,8}([-_][A-Za-z0-9]{1,8})*")
"""As long as those of BCP 47, so that a misspelt option of a corpus is no language."""


class CorpusConfig(StrictModel):
    """A parallel corpus: the file of each language, by the language's code; line N of each means the same."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, FilePath] = Field(init=False)

    repeat: int = Field(1, ge=1, description="How often an epoch has each pair, such as to favour human translations.")
    directions: tuple[str, ...] = Field(
        (),
        strict=False,
        description="Of the run's directions those that learn from it, as from synthetic text only one should; if none "
        "is given, all that it has both languages of.",
    )

    @model_validator(mode="after")
    def _other_keys_are_languages(self) -> Self:
        for key in self.__pydantic_extra__:
            if not _LANGUAGE_CODE.fullmatch(key):
                raise ValueError(f"{key} is neither an option of a corpus nor a language's code")
        if len(set(self.directions)) < len(self.directions):
            raise ValueError("directions has one of them twice")
        return self

    @property
    def files(self) -> dict[str, Path]:
        return dict(self.__pydantic_extra__)

    def taught(self, directions: Sequence[Direction]) -> list[Direction]:
        """Which of the run's directions learn from this corpus."""
        wanted = [Direction.parse(direction) for direction in self.directions]
        return [direction for direction in spoken_by(self.files, directions) if not wanted or direction in wanted]


def spoken_by(languages: Container[str], directions: Sequence[Direction]) -> list[Direction]:
    """The directions between these languages."""
    return [direction for direction in directions if direction.source in languages and direction.target in languages]


class DataConfig(StrictModel):
    """The parallel corpus. Paths are relative to the folder where the command runs; .gz is unpacked as it is read."""

    directions: tuple[str, ...] = Field(min_length=1, strict=False, description='What to learn: ["en-de", "de-en"].')
    train: tuple[CorpusConfig, ...] = Field((), strict=False, description="Corpora: a file for each language.")
    dev: dict[str, FilePath] = Field({}, description="Held-out sentences for validation: a file for each language.")
    max_length: int = Field(128, ge=1, description="Pairs with more pieces on a side are left out, and counted.")
    shuffle_pairs: int = Field(262_144, ge=1024, description="Pairs that are shuffled at a time, and held in memory.")
    sampling_temperature: float = Field(
        1.0,
        ge=1,
        allow_inf_nan=False,
        description="1: an epoch has every pair once. More: as many pairs, but corpora and directions get shares in "
        "proportion to size^(1/temperature), so that small ones count for more.",
    )

    @property
    def parsed_directions(self) -> tuple[Direction, ...]:
        return tuple(Direction.parse(direction) for direction in self.directions)

    @property
    def languages(self) -> tuple[str, ...]:
        """All languages of all directions, sorted."""
        return tuple(
            sorted({code for direction in self.parsed_directions for code in (direction.source, direction.target)})
        )

    @model_validator(mode="after")
    def _directions_are_clear_and_have_files(self) -> Self:
        try:
            directions = self.parsed_directions
        except InvalidInputError as error:
            raise ValueError(str(error)) from error
        for number, direction in enumerate(directions):
            if direction in directions[:number]:
                raise ValueError(f"{direction} is there twice")
        for number, corpus in enumerate(self.train):
            _check_directions(corpus, directions, f"train.{number}")
        for direction in directions:
            if not any(spoken_by(corpus.files, [direction]) for corpus in self.train):
                raise ValueError(f"no corpus in train has both languages of {direction}")
            if not any(direction in corpus.taught(directions) for corpus in self.train):
                raise ValueError(
                    f"every corpus in train that has both languages of {direction} is for other directions"
                )
            if not spoken_by(self.dev, [direction]):
                raise ValueError(f"dev lacks a language of {direction}")
        for number, corpus in enumerate(self.train):
            if not spoken_by(corpus.files, directions):
                raise ValueError(f"train.{number} has not both languages of any direction")
        return self


def _check_directions(corpus: CorpusConfig, directions: Sequence[Direction], name: str) -> None:
    """Raises ValueError unless a corpus's own directions are the run's and between its languages."""
    for wanted in corpus.directions:
        try:
            direction = Direction.parse(wanted)
        except InvalidInputError as error:
            raise ValueError(f"{name}.directions: {error}") from error
        if direction not in directions:
            raise ValueError(f"{name}.directions: {direction} is none of the run's directions")
        if not spoken_by(corpus.files, [direction]):
            raise ValueError(f"{name} lacks a language of {direction}")


class SubwordRegularizationConfig(StrictModel):
    """Other pieces for the same text in every epoch, drawn at random. Of a unigram vocabulary, alpha is the power of
    the probabilities that segmentations are drawn with (Kudo 2018): the smaller, the more random, 0.1 to 0.5 being
    usual. Of a BPE vocabulary it is the share of merges left out (BPE-dropout, Provilkov et al. 2020), usually 0.1."""

    source_alpha: float = Field(0.0, ge=0, le=1, description="Of the source side; 0: always the best segmentation.")
    target_alpha: float = Field(0.0, ge=0, le=1, description="Of the target side; 0: always the best segmentation.")


class VocabularyConfig(StrictModel):
    """SentencePiece models: given as files, or learnt from the training corpus."""

    size: int = Field(8000, ge=300, description="Pieces, of each side if the vocabulary is not joint.")
    type: Literal["unigram", "bpe"] = "unigram"
    joint: bool = Field(True, description="One vocabulary for both sides.")
    byte_fallback: bool = Field(True, description="Spell unseen characters as UTF-8 bytes rather than as unknown.")
    character_coverage: float = Field(0.9999, gt=0, le=1)
    source_file: FilePath | None = Field(None, description="A SentencePiece model to use; for both sides if joint.")
    target_file: FilePath | None = Field(None, description="The target side's model if the vocabulary is not joint.")

    @model_validator(mode="after")
    def _files_fit_together(self) -> Self:
        if self.target_file is not None and (self.joint or self.source_file is None):
            raise ValueError("target_file goes with source_file and joint = false")
        if self.source_file is not None and not self.joint and self.target_file is None:
            raise ValueError("source_file with joint = false needs target_file too")
        return self


class OptimizationConfig(StrictModel):
    """How the weights are learnt: Adam with warm-up and inverse-square-root decay, as in Vaswani et al. (2017), or with
    another schedule and weight decay (Loshchilov and Hutter 2019)."""

    max_updates: int = Field(100_000, ge=1)
    optimizer: Literal["adamw", "muon"] = Field(
        "adamw", description="muon: for the layers' matrices, with AdamW for embeddings, biases and norms."
    )
    batch_tokens: int = Field(4096, ge=16, description="Padded pieces of a batch, on its longer side.")
    accumulation: int = Field(1, ge=1, description="Batches to one update.")
    learning_rate: float = Field(1e-3, gt=0, description="The peak, reached at the end of the warm-up.")
    warmup_updates: int = Field(4000, ge=1)
    schedule: Literal["inverse_square_root", "linear", "cosine"] = Field(
        "inverse_square_root", description="How the learning rate falls after the warm-up."
    )
    final_learning_rate_ratio: float = Field(
        0.0, ge=0, le=1, description="linear and cosine fall to this share of the peak at max_updates."
    )
    weight_decay: float = Field(0.0, ge=0, description="Of matrices, as in AdamW; biases and norms are left alone.")
    adam_beta1: float = Field(0.9, ge=0, lt=1)
    adam_beta2: float = Field(0.98, ge=0, lt=1)
    adam_epsilon: float = Field(1e-9, gt=0)
    clip_norm: float = Field(1.0, ge=0, description="Largest norm of the gradient; 0 clips nothing.")
    precision: Literal["bfloat16", "float32"] = Field("bfloat16", description="Of the matrix products.")
    log_every: int = Field(50, ge=1, description="Updates between two lines of metrics.")
    checkpoint_every: int = Field(500, ge=1, description="Updates between two checkpoints.")
    keep_checkpoints: int = Field(8, ge=1, description="The newest that are kept; the best ones for averaging too.")
    sharding: Literal["none", "full"] = Field(
        "none",
        description="Of weights, gradients and optimizer among the processes: none (DDP) keeps all in each, full "
        "(FSDP2) a part in each, for networks that a device alone cannot hold.",
    )


class StabilityConfig(StrictModel):
    """What happens when a loss or gradient is no number, or a gradient leaps: the update is left out; after several in
    a row the run goes back to its newest checkpoint and goes on with the data that follows."""

    spike_factor: float = Field(
        10.0,
        ge=0,
        description="Largest ratio of a gradient's norm to the median of the updates before; 0: any.",
    )
    bad_updates: int = Field(3, ge=1, description="Updates left out in a row before the run goes back.")
    rollbacks: int = Field(3, ge=0, description="Times that a run goes back before it gives up.")


class ObjectiveConfig(StrictModel):
    """What is minimized."""

    label_smoothing: float = Field(0.1, ge=0, lt=1, description="Mass spread evenly over all pieces.")
    r_drop: float = Field(
        0.0, ge=0, description="α of R-Drop: two passes under different dropout are to agree; twice the work. 0: off."
    )
    source_word_dropout: float = Field(0.0, ge=0, lt=1, description="Share of source pieces made unknown.")
    target_word_dropout: float = Field(0.0, ge=0, lt=1, description="Share of the decoder's input made unknown.")
    guided_alignment: float = Field(
        0.0, ge=0, description="Weight of the attention's cross-entropy against IBM Model 1's alignment. 0: off."
    )


class ValidationConfig(StrictModel):
    """BLEU on the dev set through the real beam search."""

    every: int = Field(1000, ge=1, description="Updates between two validations; a checkpoint is saved before.")
    max_sentences: int = Field(500, ge=1, description="Dev sentences used, of each direction.")
    beam_size: int = Field(4, ge=1, le=32)
    length_penalty: float = Field(1.0, ge=0, le=10)
    precision: Literal["auto", "float32", "bfloat16", "float16", "int8"] = Field(
        "auto", description="What the search computes in; auto: what a bundle is served in on such a device."
    )
    tokenize: str = Field(
        DEFAULT_TOKENIZER,
        description="sacreBLEU's, for all directions: zh, ja-mecab or char for text without spaces, none for a corpus "
        "that is tokenized.",
    )
    patience: int = Field(10, ge=1, description="Validations without a better BLEU after which the run stops.")

    @field_validator("tokenize")
    @classmethod
    def _is_a_tokenizer(cls, name: str) -> str:
        try:
            check_tokenizer_name(name)
        except InvalidInputError as error:
            raise ValueError(str(error)) from error
        return name


class AveragingConfig(StrictModel):
    """Means of weights: at the end that of several checkpoints, kept if its dev BLEU is better than the best's; and on
    the way an exponential moving average, which then is what is validated and kept."""

    checkpoints: int = Field(5, ge=1, description="1 averages nothing.")
    select: Literal["last", "best"] = "last"
    ema_decay: float = Field(
        0.0, ge=0, lt=1, description="Of the exponential moving average after its warm-up, such as 0.999; 0: none."
    )


class InitializationConfig(StrictModel):
    """What a run begins with in place of random weights: fine-tuning."""

    bundle: str | None = Field(
        None,
        min_length=1,
        description="A bundle's folder or a shipped bundle's name. Weights, vocabulary and architecture are its own; "
        "dropout may differ, and there may be fewer layers: some of its own, evenly spread.",
    )


class BundleOptions(StrictModel):
    """What the bundle says of itself and how it stores its weights."""

    name: str = Field("model", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    description: str = ""
    data: str = Field("", description="What it was trained on, with the attribution that its licence asks for.")
    licence: str = ""
    storage: Literal["int8", "float16", "float32"] = "float16"


class RunConfig(StrictModel):
    """Everything that decides a run."""

    run_folder: FilePath
    seed: int = Field(1, ge=0)
    initialization: InitializationConfig = InitializationConfig()
    data: DataConfig
    vocabulary: VocabularyConfig = VocabularyConfig()
    subword_regularization: SubwordRegularizationConfig = SubwordRegularizationConfig()
    architecture: ArchitectureConfig
    objective: ObjectiveConfig = ObjectiveConfig()
    optimization: OptimizationConfig = OptimizationConfig()
    validation: ValidationConfig = ValidationConfig()
    stability: StabilityConfig = StabilityConfig()
    averaging: AveragingConfig = AveragingConfig()
    bundle: BundleOptions = BundleOptions()

    @model_validator(mode="after")
    def _tables_agree(self) -> Self:
        architecture = self.architecture
        if architecture.tied_embeddings == "all" and not self.vocabulary.joint:
            raise ValueError('architecture.tied_embeddings = "all" needs vocabulary.joint = true')
        room = min(architecture.max_source_length - 2, architecture.max_target_length - 1)
        if self.data.max_length > room:
            raise ValueError(
                f"data.max_length {self.data.max_length} does not fit the architecture, with room for {room} pieces"
            )
        return self


def load_run_config(path: Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Reads a run's configuration; `overrides` are "table.key=value" in TOML syntax, a bare word being a string.
    Variables such as DRAGOMAN_DATA__MAX_LENGTH count before the file, and behind `overrides`.

    The run folder defaults to runs/ and the file's name. Fine-tuning takes the architecture and the vocabulary's shape
    from the bundle. Raises NotFoundError for a missing file and InvalidInputError
    that names the dotted key, or the line, at fault.
    """
    tree = read_toml(path)
    tree.setdefault("run_folder", f"runs/{path.stem}")
    variables = apply_environment(tree, RunConfig, os.environ)
    apply_overrides(tree, overrides, example="optimization.max_updates=2000")
    return validate_tree(RunConfig, inherit_from_bundle(tree), origin=" and ".join((str(path), *variables)))

"""The configuration of a training run: one tree of frozen tables, read from TOML, any key overridden by --set."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from dragoman.model.bundle import CONFIG_FILE
from dragoman.model.config import Architecture, ArchitectureConfig, LanguageModelConfig
from dragoman.model.config_files import (
    FilePath,
    StrictModel,
    apply_environment,
    apply_overrides,
    read_toml,
    validate_tree,
)
from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.training.corpus.language_names import name_languages
from dragoman.training.evaluation.metrics import DEFAULT_TOKENIZER, check_tokenizer_name
from dragoman.training.presets import complete_by_size
from dragoman.training.run.initialization import inherit_from_bundle
from dragoman.training.text_config import AugmentationConfig, DataConfig, SubwordRegularizationConfig, VocabularyConfig


class OptimizationConfig(StrictModel):
    """How the weights are learnt: Adam with warm-up and inverse-square-root decay, as in Vaswani et al. (2017), or with
    another schedule and weight decay (Loshchilov and Hutter 2019)."""

    max_updates: int = Field(100_000, ge=1, description="Updates of the whole run.")
    optimizer: Literal["adamw", "muon"] = Field(
        "adamw", description="muon: Muon for the layers' matrices, AdamW for embeddings, biases and norms."
    )
    batch_tokens: int = Field(4096, ge=16, description="Pieces of a batch on its longer side, padding included.")
    accumulation: int = Field(1, ge=1, description="Batches per update.")
    learning_rate: float = Field(1e-3, gt=0, description="Peak learning rate, reached at the end of the warm-up.")
    warmup_share: float = Field(
        0.04,
        gt=0,
        le=1,
        description="Share of max_updates in which the learning rate rises, if warmup_updates is not set.",
    )
    warmup_updates: int = Field(
        4000,
        ge=1,
        description="Updates in which the learning rate rises to its peak; by default warmup_share of max_updates.",
        json_schema_extra={"default": None},
    )
    schedule: Literal["inverse_square_root", "linear", "cosine"] = Field(
        "inverse_square_root", description="How the learning rate falls after the warm-up."
    )
    final_learning_rate_ratio: float = Field(
        0.0, ge=0, le=1, description="Share of the peak to which linear and cosine fall at max_updates."
    )
    weight_decay: float = Field(0.0, ge=0, description="Decay of matrices, as in AdamW; biases and norms do not decay.")
    adam_beta1: float = Field(0.9, ge=0, lt=1, description="Decay of AdamW's mean of gradients.")
    adam_beta2: float = Field(0.98, ge=0, lt=1, description="Decay of AdamW's mean of squared gradients.")
    adam_epsilon: float = Field(1e-9, gt=0, description="Added to AdamW's divisor.")
    clip_norm: float = Field(1.0, ge=0, description="Norm to which larger gradients are clipped; 0: no clipping.")
    precision: Literal["bfloat16", "float32"] = Field("bfloat16", description="Precision of the matrix products.")
    log_every: int = Field(50, ge=1, description="Updates between two lines of metrics.")
    checkpoint_every: int = Field(500, ge=1, description="Updates between two checkpoints.")
    keep_checkpoints: int = Field(8, ge=1, description="Newest checkpoints kept, besides the best ones for averaging.")
    sharding: Literal["none", "full"] = Field(
        "none",
        description="Weights, gradients and optimizer state are kept whole in each process (none, DDP) or split among "
        "the processes (full, FSDP2), for networks that one device cannot hold.",
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_warmup(cls, values: Any) -> Any:
        if not isinstance(values, dict) or "warmup_updates" in values:
            return values
        fields = cls.model_fields
        share, updates = (values.get(key, fields[key].default) for key in ("warmup_share", "max_updates"))
        if isinstance(share, int | float) and isinstance(updates, int) and 0 < share <= 1:
            values = values | {"warmup_updates": max(1, round(share * updates))}
        return values


class StabilityConfig(StrictModel):
    """Handling of bad updates, whose loss or gradient is NaN or infinite, or whose gradient's norm leaps. The run skips
    them; after several in a row it rolls back to its newest checkpoint and continues with the data that follows."""

    spike_factor: float = Field(
        10.0,
        ge=0,
        description="Largest ratio of a gradient's norm to the median of the updates before; 0: no limit.",
    )
    bad_updates: int = Field(3, ge=1, description="Bad updates in a row before the run rolls back.")
    rollbacks: int = Field(3, ge=0, description="Rollbacks before the run gives up.")


class ObjectiveConfig(StrictModel):
    """The loss."""

    label_smoothing: float = Field(0.1, ge=0, lt=1, description="Probability mass spread evenly over all pieces.")
    r_drop: float = Field(
        0.0, ge=0, description="α of R-Drop: weight of the divergence of two passes; twice the work. 0: off."
    )
    source_word_dropout: float = Field(0.0, ge=0, lt=1, description="Share of source pieces replaced by unknown.")
    target_word_dropout: float = Field(0.0, ge=0, lt=1, description="Share of the decoder's input replaced by unknown.")
    guided_alignment: float = Field(
        0.0, ge=0, description="Weight of the attention's cross-entropy with IBM Model 1's alignment. 0: off."
    )


class ValidationConfig(StrictModel):
    """BLEU of the beam search on the dev set."""

    every: int = Field(1000, ge=1, description="Updates between two validations; each follows a checkpoint.")
    max_sentences: int = Field(500, ge=1, description="Dev sentences used for each direction.")
    beam_size: int = Field(4, ge=1, le=32, description="Hypotheses that the search keeps.")
    length_penalty: float = Field(1.0, ge=0, le=10, description="Above 0: favours longer translations.")
    precision: Literal["auto", "float32", "bfloat16", "float16", "int8"] = Field(
        "auto", description="Precision of the search; auto: that of serving on the same kind of device."
    )
    tokenize: str = Field(
        DEFAULT_TOKENIZER,
        description="sacreBLEU's tokenizer for all directions: zh, ja-mecab or char for text without spaces, none for "
        "a tokenized corpus.",
    )
    patience: int = Field(
        10,
        ge=1,
        description="Validations without a better BLEU before the run stops. As long as BLEU is below 1, where it says "
        "little, the lower dev loss is better.",
    )

    @field_validator("tokenize")
    @classmethod
    def _is_a_tokenizer(cls, name: str) -> str:
        try:
            check_tokenizer_name(name)
        except InvalidInputError as error:
            raise ValueError(str(error)) from error
        return name


class AveragingConfig(StrictModel):
    """Means of weights. At the end of the run, the mean of several checkpoints replaces the best bundle if its dev BLEU
    is better. During the run, an exponential moving average, if there is one, is validated and kept."""

    checkpoints: int = Field(5, ge=1, description="Checkpoints averaged at the end; 1: none.")
    select: Literal["last", "best"] = Field(
        "last", description="The newest checkpoints, or those of the best validations."
    )
    ema_decay: float = Field(
        0.0, ge=0, lt=1, description="Decay of the moving average after its warm-up, such as 0.999; 0: no average."
    )
    initial_shares: tuple[Annotated[float, Field(ge=0, lt=1)], ...] = Field(
        (),
        strict=False,
        description="Shares of the initial bundle's weights in means with the run's, such as [0.5, 0.3, 0]. "
        "Validations measure the mean with the first share; the end of the run tries the others. The bundle's share "
        "keeps what it knew (Wortsman et al. 2022).",
    )


class InitializationConfig(StrictModel):
    """Fine-tuning and growth: the bundle that a run begins with, instead of random weights."""

    bundle: str | None = Field(
        None,
        min_length=1,
        description="Folder of a bundle or name of a shipped one, which gives weights, vocabulary and architecture. "
        "Dropout and decoder_mixer may differ. There may be fewer layers: some of the bundle's, evenly spread; or, in "
        "pre-norm, more layers and a larger d_ff, which compute nothing new at first.",
    )
    vocabulary: Literal["keep", "extend", "replace"] = Field(
        "keep",
        description="keep: the bundle's vocabulary, without a table [vocabulary]. extend: its pieces, and new ones "
        "behind them, vocabulary.size in all. replace: another one. New pieces begin as the mean of those that spelt "
        "them.",
    )


class BundleOptions(StrictModel):
    """The bundle's description of itself, and its storage of the weights."""

    name: str = Field("model", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="The bundle's name.")
    description: str = Field("", description="A sentence about the model, for its card.")
    data: str = Field("", description="Training data, with the attribution that its licence requires.")
    licence: str = Field("", description="Licence of the model, for its card.")
    storage: Literal["int8", "float16", "float32"] = Field(
        "float16", description="Number format of the stored weights; int8 is half as large as float16."
    )


class RunConfig(StrictModel):
    """Everything that determines a run."""

    run_folder: FilePath = Field(
        description="Folder of everything that the run writes; by default runs/ and the configuration file's name."
    )
    seed: int = Field(1, ge=0, description="Seed of the initial weights, the order of the data, and dropout.")
    initialization: InitializationConfig = InitializationConfig()
    data: DataConfig
    vocabulary: VocabularyConfig = VocabularyConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    subword_regularization: SubwordRegularizationConfig = SubwordRegularizationConfig()
    architecture: Architecture = ArchitectureConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    optimization: OptimizationConfig = OptimizationConfig()
    validation: ValidationConfig = ValidationConfig()
    stability: StabilityConfig = StabilityConfig()
    averaging: AveragingConfig = AveragingConfig()
    bundle: BundleOptions = BundleOptions()

    @model_validator(mode="after")
    def _tables_agree(self) -> Self:
        architecture = self.architecture
        begin = self.initialization
        if begin.vocabulary != "keep" and begin.bundle is None:
            raise ValueError(f'initialization.vocabulary = "{begin.vocabulary}" needs initialization.bundle')
        if begin.vocabulary == "extend" and (self.vocabulary.source_file is not None or not self.vocabulary.joint):
            raise ValueError(
                'initialization.vocabulary = "extend" goes with neither vocabulary.source_file nor joint = false'
            )
        if self.averaging.initial_shares and begin.bundle is None:
            raise ValueError("averaging.initial_shares needs initialization.bundle, whose weights they are of")
        limited = [name for name, dev in self.data.dev_sets.items() if dev.max_loss is not None]
        if limited and begin.bundle is None:
            raise ValueError(f"data.dev.{limited[0]}.max_loss needs initialization.bundle, whose BLEU it is about")
        self._directions_fit_the_kind()
        if self.objective.guided_alignment and not architecture.has_attention:
            raise ValueError("objective.guided_alignment needs a network with attention to the source")
        architecture.check_vocabulary(joint=self.vocabulary.joint)
        room = min(architecture.source_limit - 2, architecture.max_target_length - 1)
        if self.data.max_length > room:
            raise ValueError(
                f"data.max_length {self.data.max_length} does not fit the architecture, with room for {room} pieces"
            )
        return self

    def _directions_fit_the_kind(self) -> None:
        is_model = isinstance(self.architecture, LanguageModelConfig)
        for direction in self.data.parsed_directions:
            if is_model and (direction.source != direction.target or len(self.data.directions) > 1):
                raise ValueError(
                    f'data.directions: a language model learns one language, such as ["{direction.target}"]'
                )
            if not is_model and direction.source == direction.target:
                raise ValueError(
                    f'data.directions: {direction.source} alone is for architecture.kind = "language-model"; write '
                    'a direction like "en-de"'
                )


def load_run_config(
    path: Path, overrides: Sequence[str] = (), *, say: Callable[[str], None] | None = None
) -> RunConfig:
    """Reads a run's configuration; `overrides` are "table.key=value" in TOML syntax, a bare word being a string.
    Environment variables such as DRAGOMAN_DATA__MAX_LENGTH override the file; `overrides` override both.

    The run folder defaults to runs/ and the file's name. Fine-tuning takes the architecture and the vocabulary's shape
    from the bundle; another run's sizes and settings, where nobody gives them, are chosen by the number of sentence
    pairs, which `say` hears. Raises NotFoundError for a missing file, and InvalidInputError that names the dotted key,
    or the line, at fault.
    """
    tree = read_toml(path)
    tree.setdefault("run_folder", f"runs/{path.stem}")
    variables = apply_environment(tree, RunConfig, os.environ)
    apply_overrides(tree, overrides, example="optimization.max_updates=2000")
    name_languages(tree)
    if (chosen := complete_by_size(tree)) and say is not None:
        say(chosen)
    return validate_tree(RunConfig, inherit_from_bundle(tree), origin=" and ".join((str(path), *variables)))


def load_begun_config(folder: Path, overrides: Sequence[str] = ()) -> RunConfig:
    """The configuration of a run that has begun, from its folder alone, with overrides like `load_run_config`.

    Raises NotFoundError for a folder without a run, and InvalidInputError that names the file or the key at fault.
    """
    path = folder / CONFIG_FILE
    try:
        tree = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise NotFoundError(
            f"{path}: no such file: there is no run to resume, or it ended before its first update; begin it with its "
            "configuration"
        ) from error
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"{path}: cannot be read: {error}") from error
    tree["run_folder"] = str(folder)
    planned = _warmup_and_updates(tree)
    apply_overrides(tree, overrides, example="optimization.max_updates=2000")
    warmup, updates = _warmup_and_updates(tree)
    if warmup == planned[0] and updates != planned[1]:  # the warm-up is counted anew, as a share of the new number
        share = tree["optimization"].get("warmup_share")
        if isinstance(share, float) and warmup == max(1, round(share * planned[1])):
            del tree["optimization"]["warmup_updates"]
    return validate_tree(RunConfig, tree, origin=str(path))


def _warmup_and_updates(tree: Mapping[str, Any]) -> tuple[Any, Any]:
    options = tree.get("optimization", {})
    return options.get("warmup_updates"), options.get("max_updates")

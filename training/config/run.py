"""The configuration of a training run: one tree of frozen tables, read from TOML, any key overridden by --set."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from dragoman.model.config import ArchitectureConfig, FilePath, StrictModel
from dragoman.model.config_files import apply_overrides, read_toml, validate_tree
from dragoman.model.errors import InvalidInputError
from dragoman.training.config.data import DataConfig, SubwordRegularizationConfig, VocabularyConfig
from dragoman.training.evaluation.metrics import DEFAULT_TOKENIZER, check_tokenizer_name
from dragoman.training.run.initialization import inherit_from_bundle


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
        description="A gradient's norm above so many times the median of the updates before; 0: any will do.",
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
    tokenize: str = Field(
        DEFAULT_TOKENIZER,
        description="sacreBLEU's, for all directions: zh, ja-mecab or char for text without spaces, none for a corpus "
        "that is tokenized.",
    )
    patience: int = Field(10, ge=1, description="Stops after so many validations without a better BLEU.")

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

    The run folder defaults to runs/ and the file's name. Fine-tuning takes the architecture and the vocabulary's shape
    from the bundle. Raises NotFoundError for a missing file and InvalidInputError
    that names the dotted key, or the line, at fault.
    """
    tree = read_toml(path)
    tree.setdefault("run_folder", f"runs/{path.stem}")
    apply_overrides(tree, overrides, example="optimization.max_updates=2000")
    return validate_tree(RunConfig, inherit_from_bundle(tree), origin=str(path))

"""What the server's configuration says about a model."""

from pydantic import Field

from dragoman.model.config_files import StrictModel
from dragoman.model.decoding.loading import Precision


class LoadingConfig(StrictModel):
    """How a model is loaded."""

    replicas: int = Field(
        0, ge=0, le=256, description="Engine processes of each model; 0: threads of the server's own process."
    )
    max_slots: int | None = Field(
        None,
        ge=1,
        le=4096,
        description="Sentences that a model decodes at once; by default 64 for each thread, 256 on a GPU.",
    )
    max_cached_positions: int | None = Field(
        None,
        ge=1,
        description="Bounds a model's memory: source pieces plus beams times target pieces of all its sentences.",
    )
    precision: Precision = Field("auto", description="Number format; auto: int8 on the CPU, bfloat16 on a GPU.")
    device: str = Field("cpu", min_length=1, description="cpu, or a device of torch, such as cuda.")
    stall_seconds: float = Field(
        30.0,
        gt=0,
        le=86400,
        description="An engine that takes longer for one step is given up, and the model is loaded again.",
    )
    shortlist: bool = Field(False, description="Use the bundle's lexical shortlist: faster, nearly the same.")


class ModelConfig(LoadingConfig):
    """A model to serve."""

    bundle: str = Field(min_length=1, description="A bundle's folder, or a shipped bundle's name.")
    language_model: str | None = Field(
        None,
        min_length=1,
        description="The folder of a language model that has a say in the search of calls with a fusion_weight.",
    )
    name: str | None = Field(
        None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$", description="Name for clients; by default the bundle's own."
    )
    pinned: bool = Field(
        False, description="Load the model at the start and never unload it, whatever server.max_memory_bytes says."
    )

"""A model's architecture, vocabulary shape and translation directions, as frozen data. Free of torch."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from dragoman.model.errors import InvalidInputError


class StrictModel(BaseModel):
    """Base of every configuration table: frozen, and an unknown key or a wrong type is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, protected_namespaces=())


FilePath = Annotated[Path, Field(strict=False)]
"""Of a configuration, where it is written as a string."""

_IN_WORDS = {
    "extra_forbidden": "unknown key",
    # Pydantic's messages for these name Python types, which TOML and JSON do not have.
    "tuple_type": "should be a list, in square brackets",
    "model_type": "should be a table, in JSON an object",
    "dict_type": "should be a table, in JSON an object",
    "path_type": "should be a path, in quotes",
}


def describe_validation_error(error: ValidationError, known_keys: Sequence[str] = ()) -> str:
    """One line that names each dotted key at fault, and of an unknown one the nearest of the known keys. Places in
    parentheses, the tags of a union, are no part of a key."""
    problems = []
    for problem in error.errors():
        key = ".".join(str(place) for place in problem["loc"] if not str(place).startswith("("))
        message = _IN_WORDS.get(problem["type"]) or problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden" and (near := _nearest_key(problem["loc"], known_keys)):
            message += f", perhaps {near}"
        problems.append(f"{key}: {message}" if key else message)
    return "; ".join(problems)


def _nearest_key(place: Sequence[str | int], known_keys: Sequence[str]) -> str | None:
    """The known key of the same table, or else of any table, that an unknown key most resembles; None if none does."""
    names = [str(part) for part in place if not isinstance(part, int)]
    table = "".join(f"{name}." for name in names[:-1])
    own = {key.removeprefix(table): key for key in known_keys if key.startswith(table)}
    others = {key.rpartition(".")[2]: key for key in known_keys}
    for candidates in (own, others):
        if near := difflib.get_close_matches(names[-1], candidates, n=1, cutoff=0.75):
            return candidates[near[0]]
    return None


@dataclass(frozen=True, slots=True, order=True)
class Direction:
    """A source and a target language, named as in the corpora ("en", "de", "pt-BR"); written "en→de"."""

    source: str
    target: str

    def __str__(self) -> str:
        return f"{self.source}→{self.target}"

    @classmethod
    def parse(cls, text: str) -> "Direction":
        """Reads "en→de" or "en-de"; a tag with a hyphen of its own ("en→pt-BR") needs the arrow.

        Raises InvalidInputError for anything else.
        """
        separator = "→" if "→" in text else "-"
        parts = text.split(separator)
        if len(parts) != 2 or not all(parts):
            raise InvalidInputError(f'"{text}" is no translation direction; write it like "en-de" or "en→pt-BR"')
        return cls(*parts)


Activation = Literal["relu", "swish", "gelu", "gelu-tanh", "gelu-sigmoid"]

MAX_WIDTH = 65_536
"""Most numbers of a vector. An int8 product sums products of two bytes in 32 bits; 66,311 of them always fit."""

MAX_LAYERS = 256
MAX_POSITIONS = 65_536
MAX_PIECES = 1 << 22
MAX_TABLE = 1 << 28
"""Most numbers of the table of positions, 1 GiB; no file bounds it, since it is computed."""


class ArchitectureConfig(StrictModel):
    """The shape of the encoder–decoder Transformer; the defaults are the base model of Vaswani et al. (2017), but
    pre-norm, which trains without its care for the learning rate.

    `d_key` and `d_value` are per head and default to `d_model / num_heads`; they need not equal each other.
    Every number has a bound, so that a small file cannot take all memory.

    The variants are those of models that other toolkits train. What the defaults leave out, older bundles leave out.
    `normalization` places the layer norms of the sublayers; `final_norm` and `embedding_norm` add some. The decoder's
    first input is at the first position even where it is a vector of zeros.
    """

    d_model: int = Field(512, gt=0, le=MAX_WIDTH, description="Width of the states between layers.")
    d_ff: int = Field(2048, gt=0, le=MAX_WIDTH, description="Width of the feed-forward networks' hidden layers.")
    num_heads: int = Field(8, gt=0, le=MAX_WIDTH, description="Heads of each attention.")
    d_key: int = Field(gt=0, le=MAX_WIDTH, description="Width of a head's queries and keys: d_model / num_heads.")
    d_value: int = Field(gt=0, le=MAX_WIDTH, description="Width of a head's values: d_model / num_heads.")
    num_encoder_layers: int = Field(6, ge=1, le=MAX_LAYERS, description="Layers that read the source.")
    num_decoder_layers: int = Field(
        6, ge=1, le=MAX_LAYERS, description="Layers that write the target; fewer make translating faster."
    )
    normalization: Literal["pre", "post"] = Field(
        "pre", description="Layer norm before each sublayer (Xiong et al. 2020) or after its residual, as in the paper."
    )
    final_norm: bool = Field(
        default_factory=lambda values: values.get("normalization") == "pre",
        description="Layer norm of each stack's result: by default in pre-norm alone, where no layer has done it.",
    )
    embedding_norm: bool = Field(False, description="Layer norm of the embeddings with their positions.")
    norm_epsilon: float = Field(1e-5, gt=0, le=1, description="Added to the variance in every layer norm.")
    activation: Activation = Field(
        "relu",
        description="Of the feed-forward networks; swish: x σ(x); gelu: x Φ(x); gelu-tanh and gelu-sigmoid, "
        "x σ(1.702 x), are its approximations.",
    )
    tied_embeddings: Literal["all", "target", "source", "none"] = Field(
        "all",
        description="all: source, target and output share one matrix; target: target and output do; source: source and "
        "target do. all and source need a joint vocabulary.",
    )
    output_bias: bool = Field(False, description="Whether each target piece's logit has a bias.")
    scale_embeddings: bool = Field(True, description="Whether embeddings are multiplied by √d_model.")
    positions: Literal["interleaved", "half-split", "learnt"] = Field(
        "interleaved",
        description="interleaved: a sine and a cosine in turn, as in the paper; half-split: all sines, then all "
        "cosines; learnt: a vector for each position, of source and target apart.",
    )
    position_exponent: Literal["half", "half-minus-one"] = Field(
        "half",
        description="Pair i of d_model / 2 has the frequency 10000 to the power of -i / (d_model / 2), or of "
        "-i / (d_model / 2 - 1).",
    )
    first_position: int = Field(0, ge=0, le=2, description="Position of the first piece; 0 if positions are learnt.")
    decoder_start: Literal["piece", "zero"] = Field(
        "piece", description="Embedding that the decoder begins with: that of a piece, or a vector of zeros."
    )
    decoder_mixer: Literal["attention", "ssru"] = Field(
        "attention",
        description="How the decoder looks back on the target: by self-attention, or by a recurrent unit, the SSRU "
        "(Kim et al. 2019).",
    )
    dropout: float = Field(0.1, ge=0, lt=1, description="Dropout of embeddings and of every sublayer's output.")
    attention_dropout: float = Field(0.0, ge=0, lt=1, description="On attention weights.")
    feed_forward_dropout: float = Field(
        0.0, ge=0, lt=1, description="Dropout of the feed-forward network's hidden layer."
    )
    max_source_length: int = Field(
        256, ge=2, le=MAX_POSITIONS, description="Most source pieces, tag and end of sentence included."
    )
    max_target_length: int = Field(
        256, ge=2, le=MAX_POSITIONS, description="Most target pieces, the end of sentence included."
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_head_sizes(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        d_model, num_heads = values.get("d_model", 512), values.get("num_heads", 8)
        missing = [key for key in ("d_key", "d_value") if key not in values]
        if missing and isinstance(d_model, int) and isinstance(num_heads, int) and num_heads > 0:
            if d_model % num_heads:
                raise ValueError(
                    f"d_model {d_model} is no multiple of num_heads {num_heads}: set {' and '.join(missing)}"
                )
            values = values | dict.fromkeys(missing, d_model // num_heads)
        return values

    @field_validator("d_model")
    @classmethod
    def _even_for_sinusoids(cls, d_model: int) -> int:
        if d_model % 2:
            raise ValueError("must be even: positions are pairs of a sine and a cosine")
        return d_model

    @field_validator("d_key", "d_value")
    @classmethod
    def _all_heads_fit(cls, width: int, info: ValidationInfo) -> int:
        num_heads = info.data.get("num_heads", 1)
        if num_heads * width > MAX_WIDTH:
            raise ValueError(f"{num_heads} heads of {width} are wider than {MAX_WIDTH:,}")
        return width

    @model_validator(mode="after")
    def _positions_agree(self) -> Self:
        if self.positions == "learnt" and self.first_position:
            raise ValueError("first_position must be 0 if positions are learnt: the first piece's vector comes first")
        if self.position_exponent == "half-minus-one" and self.d_model < 4:
            raise ValueError('position_exponent = "half-minus-one" needs d_model = 4 or more')
        return self

    def check_vocabulary(self, *, joint: bool) -> None:
        """Raises ValueError if source and target share a matrix, but no pieces."""
        if self.tied_embeddings in ("all", "source") and not joint:
            raise ValueError(f'architecture.tied_embeddings = "{self.tied_embeddings}" needs vocabulary.joint = true')

    @field_validator("max_source_length", "max_target_length")
    @classmethod
    def _positions_fit(cls, length: int, info: ValidationInfo) -> int:
        d_model = info.data.get("d_model", 1)
        if length * d_model > MAX_TABLE:
            raise ValueError(f"{length:,} positions of d_model {d_model} have more than {MAX_TABLE:,} numbers")
        return length


class VocabularyShape(StrictModel):
    """A vocabulary's sizes and special ids, all that network and search need of it; see `model.codec.Codec`.

    The ids' defaults are those of the vocabularies that Dragoman trains; older bundles do not state them.
    """

    source_size: int = Field(gt=0, le=MAX_PIECES)
    target_size: int = Field(gt=0, le=MAX_PIECES)
    joint: bool = Field(description="Source and target have the same pieces.")
    pad_id: int = Field(
        0, ge=0, description="Piece that pads shorter sequences; always masked, so any piece of both sides will do."
    )
    unk_id: int = Field(1, ge=0, description="The unknown piece, on both sides.")
    start_id: int = Field(2, ge=0, description="The target piece that the decoder is fed first.")
    eos_id: int = Field(3, ge=0, description="The target piece that ends a sentence.")

    @model_validator(mode="after")
    def _joint_sizes_agree(self) -> Self:
        if self.joint and self.source_size != self.target_size:
            raise ValueError(f"a joint vocabulary cannot have {self.source_size} and {self.target_size} pieces")
        return self

    @model_validator(mode="after")
    def _special_ids_exist(self) -> Self:
        smaller = min(self.source_size, self.target_size)
        for name, size in (
            ("pad_id", smaller),
            ("unk_id", smaller),
            ("start_id", self.target_size),
            ("eos_id", self.target_size),
        ):
            if getattr(self, name) >= size:
                raise ValueError(f"{name} is {getattr(self, name)}, but there are {size} pieces")
        return self

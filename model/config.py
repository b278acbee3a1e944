"""A model's architecture, vocabulary shape and translation directions, as frozen data. Free of torch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal

from dragoman.model.errors import InvalidInputError
from dragoman.model.tables import TABLE, KeyFault, check_fields, told


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

_COMPUTED: dict[str, Any] = {"default": None}
"""In the schema of a key whose default comes from others."""

_KIND = (
    "transformer: encoder and decoder with attention alone; recurrent: encoder and decoder of LSTMs or GRUs; "
    "language-model: the next piece of a text in one language."
)


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """What networks of every kind have. Every number has a bound, so that a small file cannot take all memory.

    `kind` says which class describes the network; where it is missing, as in older bundles, the first of `KINDS` does.
    """

    KINDS: ClassVar[dict[str, type["Architecture"]]] = {}
    """The classes by their kinds."""

    NAME: ClassVar[str] = ""
    """A class's own kind."""

    d_model: int = field(default=512, metadata=told("Width of the states between layers.", gt=0, le=MAX_WIDTH))
    output_bias: bool = field(default=False, metadata=told("Whether each target piece's logit has a bias."))
    dropout: float = field(
        default=0.1, metadata=told("Dropout of embeddings and of every sublayer's output.", ge=0, lt=1)
    )
    max_target_length: int = field(
        default=256, metadata=told("Most target pieces, the end of sentence included.", ge=2, le=MAX_POSITIONS)
    )

    __pydantic_config__ = TABLE

    def __init_subclass__(cls, kind: str = "") -> None:
        if kind:
            cls.NAME = kind
            cls.KINDS[kind] = cls

    @property
    def source_limit(self) -> int:
        """Most source pieces; of a network without a source, those of its text."""
        return self.max_target_length

    @property
    def has_attention(self) -> bool:
        """Whether the decoder looks at the source, so that translations have an alignment."""
        return False

    def check_vocabulary(self, *, joint: bool) -> None:
        """Raises ValueError for a vocabulary that the network cannot have."""

    @classmethod
    def class_of(cls, written: Mapping[str, Any]) -> type["Architecture"]:
        """The class that describes a table. Raises KeyFault for an unknown kind, and for a key of other kinds alone."""
        if cls is not Architecture:
            return cls
        kind = written.get("kind", next(iter(cls.KINDS)))
        if not isinstance(kind, str) or kind not in cls.KINDS:
            raise KeyFault("kind", f"is {kind!r}, but should be {' or '.join(map(repr, cls.KINDS))}")
        own = {one.name for one in fields(cls.KINDS[kind])}
        for key in written:
            others = [f'"{name}"' for name, other in cls.KINDS.items() if key in {one.name for one in fields(other)}]
            if key not in own and others:
                raise KeyFault(key, f'is for the kind {" or ".join(others)}, but kind is "{kind}"')
        return cls.KINDS[kind]

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Callable[[Any], Any]) -> Any:
        """For pydantic, which knows neither the first kind nor the other kinds' keys."""
        if cls is not Architecture:
            return handler(source)
        from pydantic_core import core_schema

        def check(value: Any) -> Any:
            if isinstance(value, Mapping):
                cls.class_of(value)
            return value

        def tag(value: Any) -> str:
            kind = (
                value.get("kind", next(iter(cls.KINDS))) if isinstance(value, Mapping) else getattr(value, "kind", "")
            )
            return f"({kind})"

        choices = {f"({kind})": handler(one) for kind, one in cls.KINDS.items()}
        union = core_schema.tagged_union_schema(
            choices,
            tag,
            custom_error_type="no_architecture",
            custom_error_message="should be a table, in JSON an object",
        )
        return core_schema.no_info_before_validator_function(check, union)


@dataclass(frozen=True, kw_only=True)
class _Translating(Architecture):
    """What networks that read a source have."""

    tied_embeddings: Literal["all", "target", "source", "none"] = field(
        default="all",
        metadata={
            "description": "all: source, target and output share one matrix; target: target and output do; source: "
            "source and target do. all and source need a joint vocabulary."
        },
    )
    num_encoder_layers: int = field(default=6, metadata=told("Layers that read the source.", ge=1, le=MAX_LAYERS))
    num_decoder_layers: int = field(
        default=6, metadata=told("Layers that write the target; fewer make translating faster.", ge=1, le=MAX_LAYERS)
    )
    max_source_length: int = field(
        default=256, metadata=told("Most source pieces, tag and end of sentence included.", ge=2, le=MAX_POSITIONS)
    )

    @property
    def source_limit(self) -> int:
        return self.max_source_length

    @property
    def has_attention(self) -> bool:
        return True

    def check_vocabulary(self, *, joint: bool) -> None:
        """Raises ValueError if source and target share a matrix, but no pieces."""
        if self.tied_embeddings in ("all", "source") and not joint:
            raise ValueError(f'architecture.tied_embeddings = "{self.tied_embeddings}" needs vocabulary.joint = true')


@dataclass(frozen=True, kw_only=True)
class TransformerLayers(Architecture):
    """The layers of a Transformer.

    `d_key` and `d_value` are per head and default to `d_model / num_heads`; they need not equal each other.

    The variants are those of models that other toolkits train. What the defaults leave out, older bundles leave out.
    `normalization` places the layer norms of the sublayers; `final_norm` and `embedding_norm` add some.
    """

    d_ff: int = field(
        default=2048, metadata=told("Width of the feed-forward networks' hidden layers.", gt=0, le=MAX_WIDTH)
    )
    num_heads: int = field(default=8, metadata=told("Heads of each attention.", gt=0, le=MAX_WIDTH))
    d_key: int = field(  # type: ignore[assignment]
        default=None,
        metadata=told(
            "Width of a head's queries and keys: d_model / num_heads.", gt=0, le=MAX_WIDTH, json_schema_extra=_COMPUTED
        ),
    )
    d_value: int = field(  # type: ignore[assignment]
        default=None,
        metadata=told(
            "Width of a head's values: d_model / num_heads.", gt=0, le=MAX_WIDTH, json_schema_extra=_COMPUTED
        ),
    )
    normalization: Literal["pre", "post"] = field(
        default="pre",
        metadata={
            "description": "Layer norm before each sublayer (Xiong et al. 2020) or after its residual, as in the paper."
        },
    )
    final_norm: bool = field(  # type: ignore[assignment]
        default=None,
        metadata=told(
            "Layer norm of each stack's result: by default in pre-norm alone, where no layer has done it.",
            json_schema_extra=_COMPUTED,
        ),
    )
    embedding_norm: bool = field(default=False, metadata=told("Layer norm of the embeddings with their positions."))
    norm_epsilon: float = field(default=1e-5, metadata=told("Added to the variance in every layer norm.", gt=0, le=1))
    activation: Activation = field(
        default="relu",
        metadata={
            "description": "Of the feed-forward networks; swish: x σ(x); gelu: x Φ(x); gelu-tanh and gelu-sigmoid, "
            "x σ(1.702 x), are its approximations."
        },
    )
    scale_embeddings: bool = field(default=True, metadata=told("Whether embeddings are multiplied by √d_model."))
    positions: Literal["interleaved", "half-split", "learnt"] = field(
        default="interleaved",
        metadata={
            "description": "interleaved: a sine and a cosine in turn, as in the paper; half-split: all sines, then all "
            "cosines; learnt: a vector for each position, of source and target apart."
        },
    )
    position_exponent: Literal["half", "half-minus-one"] = field(
        default="half",
        metadata={
            "description": "Pair i of d_model / 2 has the frequency 10000 to the power of -i / (d_model / 2), or of "
            "-i / (d_model / 2 - 1)."
        },
    )
    first_position: int = field(
        default=0, metadata=told("Position of the first piece; 0 if positions are learnt.", ge=0, le=2)
    )
    attention_dropout: float = field(default=0.0, metadata=told("On attention weights.", ge=0, lt=1))
    feed_forward_dropout: float = field(
        default=0.0, metadata=told("Dropout of the feed-forward network's hidden layer.", ge=0, lt=1)
    )

    def __post_init__(self) -> None:
        computed: dict[str, Any] = {"final_norm": self.normalization == "pre"}
        missing = [key for key in ("d_key", "d_value") if getattr(self, key) is None]
        if missing and type(self.d_model) is type(self.num_heads) is int and self.num_heads > 0:
            if self.d_model % self.num_heads:
                raise ValueError(
                    f"d_model {self.d_model} is no multiple of num_heads {self.num_heads}: set {' and '.join(missing)}"
                )
            computed |= dict.fromkeys(missing, self.d_model // self.num_heads)
        for key, value in computed.items():
            if getattr(self, key) is None:
                object.__setattr__(self, key, value)
        check_fields(self)
        self._check_fields_together()

    def _check_fields_together(self) -> None:
        if self.d_model % 2:
            raise KeyFault("d_model", "must be even: positions are pairs of a sine and a cosine")
        for key in ("d_key", "d_value"):
            if self.num_heads * getattr(self, key) > MAX_WIDTH:
                raise KeyFault(key, f"{self.num_heads} heads of {getattr(self, key)} are wider than {MAX_WIDTH:,}")
        for key, length in (("max_source_length", self.source_limit), ("max_target_length", self.max_target_length)):
            if length * self.d_model > MAX_TABLE:
                raise KeyFault(
                    key, f"{length:,} positions of d_model {self.d_model} have more than {MAX_TABLE:,} numbers"
                )
        if self.positions == "learnt" and self.first_position:
            raise ValueError("first_position must be 0 if positions are learnt: the first piece's vector comes first")
        if self.position_exponent == "half-minus-one" and self.d_model < 4:
            raise ValueError('position_exponent = "half-minus-one" needs d_model = 4 or more')


@dataclass(frozen=True, kw_only=True)
class ArchitectureConfig(_Translating, TransformerLayers, kind="transformer"):
    """The shape of the encoder–decoder Transformer; the defaults are the base model of Vaswani et al. (2017), but
    pre-norm, which trains without its care for the learning rate. The decoder's first input is at the first position
    even where it is a vector of zeros."""

    kind: Literal["transformer"] = field(default="transformer", metadata={"description": _KIND})
    decoder_start: Literal["piece", "zero"] = field(
        default="piece",
        metadata={"description": "Embedding that the decoder begins with: that of a piece, or a vector of zeros."},
    )
    decoder_mixer: Literal["attention", "ssru"] = field(
        default="attention",
        metadata={
            "description": "How the decoder looks back on the target: by self-attention, or by a recurrent unit, the "
            "SSRU (Kim et al. 2019)."
        },
    )


@dataclass(frozen=True, kw_only=True)
class RecurrentConfig(_Translating, kind="recurrent"):
    """The shape of a recurrent encoder–decoder: the encoder reads the source in both directions (Bahdanau et al. 2015),
    and its last hidden state begins the decoder. Without attention nothing else passes (Sutskever et al. 2014)."""

    kind: Literal["recurrent"] = field(metadata={"description": _KIND})
    num_encoder_layers: int = field(default=1, metadata=told("Layers that read the source.", ge=1, le=MAX_LAYERS))
    num_decoder_layers: int = field(default=1, metadata=told("Layers that write the target.", ge=1, le=MAX_LAYERS))
    cell: Literal["lstm", "gru"] = field(
        default="lstm",
        metadata={
            "description": "lstm: long short-term memory (Hochreiter and Schmidhuber 1997); gru: gated recurrent unit "
            "(Cho et al. 2014)."
        },
    )
    attention: Literal["none", "additive", "multiplicative"] = field(
        default="additive",
        metadata={
            "description": "none: the encoder's last hidden state is all that the decoder gets; additive: as in "
            "Bahdanau et al. (2015); multiplicative: as in Luong et al. (2015), general, with input feeding."
        },
    )

    def __post_init__(self) -> None:
        check_fields(self)
        if self.d_model % 2:
            raise KeyFault("d_model", "must be even: each direction of the encoder has one half")

    @property
    def has_attention(self) -> bool:
        return self.attention != "none"

    @property
    def num_states(self) -> int:
        """Vectors of d_model numbers that a decoder layer keeps: the hidden state and, of an LSTM, the cell's."""
        return 2 if self.cell == "lstm" else 1


@dataclass(frozen=True, kw_only=True)
class LanguageModelConfig(TransformerLayers, kind="language-model"):
    """The shape of an autoregressive language model: a Transformer's decoder without a source, which says what the next
    piece of a text may be. `max_target_length` is that of a text."""

    kind: Literal["language-model"] = field(metadata={"description": _KIND})
    num_layers: int = field(default=6, metadata=told("Layers of a language model.", ge=1, le=MAX_LAYERS))
    tied_embeddings: Literal["target", "none"] = field(
        default="target", metadata={"description": "target: embedding and output share one matrix."}
    )

    def check_vocabulary(self, *, joint: bool) -> None:
        """Raises ValueError for two vocabularies, of which it would use one alone."""
        if not joint:
            raise ValueError("a language model has one vocabulary: vocabulary.joint = true")


@dataclass(frozen=True, kw_only=True)
class VocabularyShape:
    """A vocabulary's sizes and special ids, all that network and search need of it; see `model.codec.Codec`.

    The ids' defaults are those of the vocabularies that Dragoman trains; older bundles do not state them.
    """

    source_size: int = field(metadata=told(gt=0, le=MAX_PIECES))
    target_size: int = field(metadata=told(gt=0, le=MAX_PIECES))
    joint: bool = field(metadata=told("Source and target have the same pieces."))
    pad_id: int = field(
        default=0,
        metadata=told("Piece that pads shorter sequences; always masked, so any piece of both sides will do.", ge=0),
    )
    unk_id: int = field(default=1, metadata=told("The unknown piece, on both sides.", ge=0))
    start_id: int = field(default=2, metadata=told("The target piece that the decoder is fed first.", ge=0))
    eos_id: int = field(default=3, metadata=told("The target piece that ends a sentence.", ge=0))

    __pydantic_config__ = TABLE

    def __post_init__(self) -> None:
        check_fields(self)
        if self.joint and self.source_size != self.target_size:
            raise ValueError(f"a joint vocabulary cannot have {self.source_size} and {self.target_size} pieces")
        smaller = min(self.source_size, self.target_size)
        for name, size in (
            ("pad_id", smaller),
            ("unk_id", smaller),
            ("start_id", self.target_size),
            ("eos_id", self.target_size),
        ):
            if getattr(self, name) >= size:
                raise ValueError(f"{name} is {getattr(self, name)}, but there are {size} pieces")

import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Priority(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PRIORITY_UNSPECIFIED: _ClassVar[Priority]
    PRIORITY_INTERACTIVE: _ClassVar[Priority]
    PRIORITY_BATCH: _ClassVar[Priority]

class TextFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TEXT_FORMAT_UNSPECIFIED: _ClassVar[TextFormat]
    TEXT_FORMAT_PLAIN: _ClassVar[TextFormat]
    TEXT_FORMAT_HTML: _ClassVar[TextFormat]

class LengthNormalization(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LENGTH_NORMALIZATION_UNSPECIFIED: _ClassVar[LengthNormalization]
    LENGTH_NORMALIZATION_GNMT: _ClassVar[LengthNormalization]
    LENGTH_NORMALIZATION_AVERAGE: _ClassVar[LengthNormalization]

class GlossaryFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GLOSSARY_FORMAT_UNSPECIFIED: _ClassVar[GlossaryFormat]
    GLOSSARY_FORMAT_TSV: _ClassVar[GlossaryFormat]
    GLOSSARY_FORMAT_CSV: _ClassVar[GlossaryFormat]
    GLOSSARY_FORMAT_TBX: _ClassVar[GlossaryFormat]

class WarningKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WARNING_KIND_UNSPECIFIED: _ClassVar[WarningKind]
    WARNING_KIND_FIGURE_DIFFERS: _ClassVar[WarningKind]
    WARNING_KIND_SPAN_LOST: _ClassVar[WarningKind]
    WARNING_KIND_REPEATS: _ClassVar[WarningKind]
    WARNING_KIND_UNTRANSLATED: _ClassVar[WarningKind]
    WARNING_KIND_WRONG_LANGUAGE: _ClassVar[WarningKind]
    WARNING_KIND_MUCH_SHORTER: _ClassVar[WarningKind]
    WARNING_KIND_MUCH_LONGER: _ClassVar[WarningKind]
    WARNING_KIND_CUT_OFF: _ClassVar[WarningKind]
    WARNING_KIND_UNKNOWN_CHARACTERS: _ClassVar[WarningKind]

class FinishReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FINISH_REASON_UNSPECIFIED: _ClassVar[FinishReason]
    FINISH_REASON_END_OF_SENTENCE: _ClassVar[FinishReason]
    FINISH_REASON_LENGTH: _ClassVar[FinishReason]

class ModelState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODEL_STATE_UNSPECIFIED: _ClassVar[ModelState]
    MODEL_STATE_LOADED: _ClassVar[ModelState]
    MODEL_STATE_UNLOADED: _ClassVar[ModelState]
    MODEL_STATE_LOADING: _ClassVar[ModelState]
    MODEL_STATE_FAILED: _ClassVar[ModelState]
PRIORITY_UNSPECIFIED: Priority
PRIORITY_INTERACTIVE: Priority
PRIORITY_BATCH: Priority
TEXT_FORMAT_UNSPECIFIED: TextFormat
TEXT_FORMAT_PLAIN: TextFormat
TEXT_FORMAT_HTML: TextFormat
LENGTH_NORMALIZATION_UNSPECIFIED: LengthNormalization
LENGTH_NORMALIZATION_GNMT: LengthNormalization
LENGTH_NORMALIZATION_AVERAGE: LengthNormalization
GLOSSARY_FORMAT_UNSPECIFIED: GlossaryFormat
GLOSSARY_FORMAT_TSV: GlossaryFormat
GLOSSARY_FORMAT_CSV: GlossaryFormat
GLOSSARY_FORMAT_TBX: GlossaryFormat
WARNING_KIND_UNSPECIFIED: WarningKind
WARNING_KIND_FIGURE_DIFFERS: WarningKind
WARNING_KIND_SPAN_LOST: WarningKind
WARNING_KIND_REPEATS: WarningKind
WARNING_KIND_UNTRANSLATED: WarningKind
WARNING_KIND_WRONG_LANGUAGE: WarningKind
WARNING_KIND_MUCH_SHORTER: WarningKind
WARNING_KIND_MUCH_LONGER: WarningKind
WARNING_KIND_CUT_OFF: WarningKind
WARNING_KIND_UNKNOWN_CHARACTERS: WarningKind
FINISH_REASON_UNSPECIFIED: FinishReason
FINISH_REASON_END_OF_SENTENCE: FinishReason
FINISH_REASON_LENGTH: FinishReason
MODEL_STATE_UNSPECIFIED: ModelState
MODEL_STATE_LOADED: ModelState
MODEL_STATE_UNLOADED: ModelState
MODEL_STATE_LOADING: ModelState
MODEL_STATE_FAILED: ModelState

class TranslateRequest(_message.Message):
    __slots__ = ("texts", "source_language_code", "target_language_code", "model", "search_options", "return_options", "split_sentences", "priority", "text_format", "join_lines", "protect", "localize_figures", "terms", "glossary")
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    TARGET_LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SEARCH_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    RETURN_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    SPLIT_SENTENCES_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    TEXT_FORMAT_FIELD_NUMBER: _ClassVar[int]
    JOIN_LINES_FIELD_NUMBER: _ClassVar[int]
    PROTECT_FIELD_NUMBER: _ClassVar[int]
    LOCALIZE_FIGURES_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    GLOSSARY_FIELD_NUMBER: _ClassVar[int]
    texts: _containers.RepeatedScalarFieldContainer[str]
    source_language_code: str
    target_language_code: str
    model: str
    search_options: SearchOptions
    return_options: ReturnOptions
    split_sentences: bool
    priority: Priority
    text_format: TextFormat
    join_lines: bool
    protect: bool
    localize_figures: bool
    terms: _containers.RepeatedCompositeFieldContainer[Term]
    glossary: str
    def __init__(self, texts: _Optional[_Iterable[str]] = ..., source_language_code: _Optional[str] = ..., target_language_code: _Optional[str] = ..., model: _Optional[str] = ..., search_options: _Optional[_Union[SearchOptions, _Mapping]] = ..., return_options: _Optional[_Union[ReturnOptions, _Mapping]] = ..., split_sentences: _Optional[bool] = ..., priority: _Optional[_Union[Priority, str]] = ..., text_format: _Optional[_Union[TextFormat, str]] = ..., join_lines: _Optional[bool] = ..., protect: _Optional[bool] = ..., localize_figures: _Optional[bool] = ..., terms: _Optional[_Iterable[_Union[Term, _Mapping]]] = ..., glossary: _Optional[str] = ...) -> None: ...

class SearchOptions(_message.Message):
    __slots__ = ("beam_size", "n_best", "length_penalty", "max_target_length", "length_normalization", "coverage_penalty", "min_target_length", "no_repeat_ngram_size", "target_prefix", "suppressed_pieces", "sampling_temperature", "sampling_top_k", "sampling_top_p", "seed", "max_retries", "fusion_weight")
    BEAM_SIZE_FIELD_NUMBER: _ClassVar[int]
    N_BEST_FIELD_NUMBER: _ClassVar[int]
    LENGTH_PENALTY_FIELD_NUMBER: _ClassVar[int]
    MAX_TARGET_LENGTH_FIELD_NUMBER: _ClassVar[int]
    LENGTH_NORMALIZATION_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_PENALTY_FIELD_NUMBER: _ClassVar[int]
    MIN_TARGET_LENGTH_FIELD_NUMBER: _ClassVar[int]
    NO_REPEAT_NGRAM_SIZE_FIELD_NUMBER: _ClassVar[int]
    TARGET_PREFIX_FIELD_NUMBER: _ClassVar[int]
    SUPPRESSED_PIECES_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_TOP_K_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_TOP_P_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    MAX_RETRIES_FIELD_NUMBER: _ClassVar[int]
    FUSION_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    beam_size: int
    n_best: int
    length_penalty: float
    max_target_length: int
    length_normalization: LengthNormalization
    coverage_penalty: float
    min_target_length: int
    no_repeat_ngram_size: int
    target_prefix: str
    suppressed_pieces: _containers.RepeatedScalarFieldContainer[str]
    sampling_temperature: float
    sampling_top_k: int
    sampling_top_p: float
    seed: int
    max_retries: int
    fusion_weight: float
    def __init__(self, beam_size: _Optional[int] = ..., n_best: _Optional[int] = ..., length_penalty: _Optional[float] = ..., max_target_length: _Optional[int] = ..., length_normalization: _Optional[_Union[LengthNormalization, str]] = ..., coverage_penalty: _Optional[float] = ..., min_target_length: _Optional[int] = ..., no_repeat_ngram_size: _Optional[int] = ..., target_prefix: _Optional[str] = ..., suppressed_pieces: _Optional[_Iterable[str]] = ..., sampling_temperature: _Optional[float] = ..., sampling_top_k: _Optional[int] = ..., sampling_top_p: _Optional[float] = ..., seed: _Optional[int] = ..., max_retries: _Optional[int] = ..., fusion_weight: _Optional[float] = ...) -> None: ...

class ReturnOptions(_message.Message):
    __slots__ = ("pieces", "token_log_probs", "attention", "alignment", "sentences")
    PIECES_FIELD_NUMBER: _ClassVar[int]
    TOKEN_LOG_PROBS_FIELD_NUMBER: _ClassVar[int]
    ATTENTION_FIELD_NUMBER: _ClassVar[int]
    ALIGNMENT_FIELD_NUMBER: _ClassVar[int]
    SENTENCES_FIELD_NUMBER: _ClassVar[int]
    pieces: bool
    token_log_probs: bool
    attention: bool
    alignment: bool
    sentences: bool
    def __init__(self, pieces: _Optional[bool] = ..., token_log_probs: _Optional[bool] = ..., attention: _Optional[bool] = ..., alignment: _Optional[bool] = ..., sentences: _Optional[bool] = ...) -> None: ...

class TranslateResponse(_message.Message):
    __slots__ = ("translations", "model", "source_language_code", "revision")
    TRANSLATIONS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SOURCE_LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    translations: _containers.RepeatedCompositeFieldContainer[Translation]
    model: str
    source_language_code: str
    revision: str
    def __init__(self, translations: _Optional[_Iterable[_Union[Translation, _Mapping]]] = ..., model: _Optional[str] = ..., source_language_code: _Optional[str] = ..., revision: _Optional[str] = ...) -> None: ...

class Translation(_message.Message):
    __slots__ = ("hypotheses", "source_pieces", "error", "detected_language_code", "already_in_target_language", "model", "revision", "approved")
    HYPOTHESES_FIELD_NUMBER: _ClassVar[int]
    SOURCE_PIECES_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    DETECTED_LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    ALREADY_IN_TARGET_LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    APPROVED_FIELD_NUMBER: _ClassVar[int]
    hypotheses: _containers.RepeatedCompositeFieldContainer[Hypothesis]
    source_pieces: _containers.RepeatedScalarFieldContainer[str]
    error: TextError
    detected_language_code: str
    already_in_target_language: bool
    model: str
    revision: str
    approved: bool
    def __init__(self, hypotheses: _Optional[_Iterable[_Union[Hypothesis, _Mapping]]] = ..., source_pieces: _Optional[_Iterable[str]] = ..., error: _Optional[_Union[TextError, _Mapping]] = ..., detected_language_code: _Optional[str] = ..., already_in_target_language: _Optional[bool] = ..., model: _Optional[str] = ..., revision: _Optional[str] = ..., approved: _Optional[bool] = ...) -> None: ...

class TextError(_message.Message):
    __slots__ = ("code", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: int
    message: str
    def __init__(self, code: _Optional[int] = ..., message: _Optional[str] = ...) -> None: ...

class TranslateStreamRequest(_message.Message):
    __slots__ = ("config", "items")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    config: TranslateStreamConfig
    items: TranslateStreamItems
    def __init__(self, config: _Optional[_Union[TranslateStreamConfig, _Mapping]] = ..., items: _Optional[_Union[TranslateStreamItems, _Mapping]] = ...) -> None: ...

class TranslateStreamItems(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[TranslateStreamItem]
    def __init__(self, items: _Optional[_Iterable[_Union[TranslateStreamItem, _Mapping]]] = ...) -> None: ...

class TranslateStreamConfig(_message.Message):
    __slots__ = ("source_language_code", "target_language_code", "model", "search_options", "return_options", "split_sentences", "priority", "text_format", "join_lines", "protect", "localize_figures", "terms", "glossary")
    SOURCE_LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    TARGET_LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SEARCH_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    RETURN_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    SPLIT_SENTENCES_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    TEXT_FORMAT_FIELD_NUMBER: _ClassVar[int]
    JOIN_LINES_FIELD_NUMBER: _ClassVar[int]
    PROTECT_FIELD_NUMBER: _ClassVar[int]
    LOCALIZE_FIGURES_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    GLOSSARY_FIELD_NUMBER: _ClassVar[int]
    source_language_code: str
    target_language_code: str
    model: str
    search_options: SearchOptions
    return_options: ReturnOptions
    split_sentences: bool
    priority: Priority
    text_format: TextFormat
    join_lines: bool
    protect: bool
    localize_figures: bool
    terms: _containers.RepeatedCompositeFieldContainer[Term]
    glossary: str
    def __init__(self, source_language_code: _Optional[str] = ..., target_language_code: _Optional[str] = ..., model: _Optional[str] = ..., search_options: _Optional[_Union[SearchOptions, _Mapping]] = ..., return_options: _Optional[_Union[ReturnOptions, _Mapping]] = ..., split_sentences: _Optional[bool] = ..., priority: _Optional[_Union[Priority, str]] = ..., text_format: _Optional[_Union[TextFormat, str]] = ..., join_lines: _Optional[bool] = ..., protect: _Optional[bool] = ..., localize_figures: _Optional[bool] = ..., terms: _Optional[_Iterable[_Union[Term, _Mapping]]] = ..., glossary: _Optional[str] = ...) -> None: ...

class TranslateStreamItem(_message.Message):
    __slots__ = ("id", "text")
    ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    id: int
    text: str
    def __init__(self, id: _Optional[int] = ..., text: _Optional[str] = ...) -> None: ...

class TranslateStreamResponse(_message.Message):
    __slots__ = ("started", "results")
    STARTED_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    started: TranslateStreamStarted
    results: _containers.RepeatedCompositeFieldContainer[TranslateStreamResult]
    def __init__(self, started: _Optional[_Union[TranslateStreamStarted, _Mapping]] = ..., results: _Optional[_Iterable[_Union[TranslateStreamResult, _Mapping]]] = ...) -> None: ...

class TranslateStreamStarted(_message.Message):
    __slots__ = ("model", "source_language_code", "revision")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SOURCE_LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    model: str
    source_language_code: str
    revision: str
    def __init__(self, model: _Optional[str] = ..., source_language_code: _Optional[str] = ..., revision: _Optional[str] = ...) -> None: ...

class TranslateStreamResult(_message.Message):
    __slots__ = ("id", "translation")
    ID_FIELD_NUMBER: _ClassVar[int]
    TRANSLATION_FIELD_NUMBER: _ClassVar[int]
    id: int
    translation: Translation
    def __init__(self, id: _Optional[int] = ..., translation: _Optional[_Union[Translation, _Mapping]] = ...) -> None: ...

class TranslateCallsRequest(_message.Message):
    __slots__ = ("config", "calls", "cancelled_ids")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_IDS_FIELD_NUMBER: _ClassVar[int]
    config: TranslateStreamConfig
    calls: _containers.RepeatedCompositeFieldContainer[TranslateCall]
    cancelled_ids: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, config: _Optional[_Union[TranslateStreamConfig, _Mapping]] = ..., calls: _Optional[_Iterable[_Union[TranslateCall, _Mapping]]] = ..., cancelled_ids: _Optional[_Iterable[int]] = ...) -> None: ...

class TranslateCall(_message.Message):
    __slots__ = ("id", "text", "request_id", "timeout_milliseconds")
    ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MILLISECONDS_FIELD_NUMBER: _ClassVar[int]
    id: int
    text: str
    request_id: str
    timeout_milliseconds: int
    def __init__(self, id: _Optional[int] = ..., text: _Optional[str] = ..., request_id: _Optional[str] = ..., timeout_milliseconds: _Optional[int] = ...) -> None: ...

class TranslateCallsResponse(_message.Message):
    __slots__ = ("server", "results")
    SERVER_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    server: str
    results: _containers.RepeatedCompositeFieldContainer[TranslateCallResult]
    def __init__(self, server: _Optional[str] = ..., results: _Optional[_Iterable[_Union[TranslateCallResult, _Mapping]]] = ...) -> None: ...

class TranslateCallResult(_message.Message):
    __slots__ = ("id", "response", "error")
    ID_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    id: int
    response: TranslateResponse
    error: CallError
    def __init__(self, id: _Optional[int] = ..., response: _Optional[_Union[TranslateResponse, _Mapping]] = ..., error: _Optional[_Union[CallError, _Mapping]] = ...) -> None: ...

class CallError(_message.Message):
    __slots__ = ("code", "message", "reason", "retry_milliseconds")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    RETRY_MILLISECONDS_FIELD_NUMBER: _ClassVar[int]
    code: int
    message: str
    reason: str
    retry_milliseconds: int
    def __init__(self, code: _Optional[int] = ..., message: _Optional[str] = ..., reason: _Optional[str] = ..., retry_milliseconds: _Optional[int] = ...) -> None: ...

class TranslateLiveRequest(_message.Message):
    __slots__ = ("text", "source_language_code", "target_language_code", "model", "search_options", "return_options", "split_sentences", "priority", "text_format", "join_lines", "protect", "localize_figures", "terms", "glossary")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    TARGET_LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SEARCH_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    RETURN_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    SPLIT_SENTENCES_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    TEXT_FORMAT_FIELD_NUMBER: _ClassVar[int]
    JOIN_LINES_FIELD_NUMBER: _ClassVar[int]
    PROTECT_FIELD_NUMBER: _ClassVar[int]
    LOCALIZE_FIGURES_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    GLOSSARY_FIELD_NUMBER: _ClassVar[int]
    text: str
    source_language_code: str
    target_language_code: str
    model: str
    search_options: SearchOptions
    return_options: ReturnOptions
    split_sentences: bool
    priority: Priority
    text_format: TextFormat
    join_lines: bool
    protect: bool
    localize_figures: bool
    terms: _containers.RepeatedCompositeFieldContainer[Term]
    glossary: str
    def __init__(self, text: _Optional[str] = ..., source_language_code: _Optional[str] = ..., target_language_code: _Optional[str] = ..., model: _Optional[str] = ..., search_options: _Optional[_Union[SearchOptions, _Mapping]] = ..., return_options: _Optional[_Union[ReturnOptions, _Mapping]] = ..., split_sentences: _Optional[bool] = ..., priority: _Optional[_Union[Priority, str]] = ..., text_format: _Optional[_Union[TextFormat, str]] = ..., join_lines: _Optional[bool] = ..., protect: _Optional[bool] = ..., localize_figures: _Optional[bool] = ..., terms: _Optional[_Iterable[_Union[Term, _Mapping]]] = ..., glossary: _Optional[str] = ...) -> None: ...

class TranslateLiveResponse(_message.Message):
    __slots__ = ("stable_text", "unstable_text", "translation", "started")
    STABLE_TEXT_FIELD_NUMBER: _ClassVar[int]
    UNSTABLE_TEXT_FIELD_NUMBER: _ClassVar[int]
    TRANSLATION_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    stable_text: str
    unstable_text: str
    translation: Translation
    started: TranslateStreamStarted
    def __init__(self, stable_text: _Optional[str] = ..., unstable_text: _Optional[str] = ..., translation: _Optional[_Union[Translation, _Mapping]] = ..., started: _Optional[_Union[TranslateStreamStarted, _Mapping]] = ...) -> None: ...

class ScoreRequest(_message.Message):
    __slots__ = ("pairs", "source_language_code", "target_language_code", "model", "scoring_options", "return_options", "priority")
    PAIRS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    TARGET_LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SCORING_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    RETURN_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    pairs: _containers.RepeatedCompositeFieldContainer[TextPair]
    source_language_code: str
    target_language_code: str
    model: str
    scoring_options: ScoringOptions
    return_options: ReturnOptions
    priority: Priority
    def __init__(self, pairs: _Optional[_Iterable[_Union[TextPair, _Mapping]]] = ..., source_language_code: _Optional[str] = ..., target_language_code: _Optional[str] = ..., model: _Optional[str] = ..., scoring_options: _Optional[_Union[ScoringOptions, _Mapping]] = ..., return_options: _Optional[_Union[ReturnOptions, _Mapping]] = ..., priority: _Optional[_Union[Priority, str]] = ...) -> None: ...

class ScoringOptions(_message.Message):
    __slots__ = ("length_penalty", "length_normalization", "coverage_penalty")
    LENGTH_PENALTY_FIELD_NUMBER: _ClassVar[int]
    LENGTH_NORMALIZATION_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_PENALTY_FIELD_NUMBER: _ClassVar[int]
    length_penalty: float
    length_normalization: LengthNormalization
    coverage_penalty: float
    def __init__(self, length_penalty: _Optional[float] = ..., length_normalization: _Optional[_Union[LengthNormalization, str]] = ..., coverage_penalty: _Optional[float] = ...) -> None: ...

class TextPair(_message.Message):
    __slots__ = ("source", "target")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    source: str
    target: str
    def __init__(self, source: _Optional[str] = ..., target: _Optional[str] = ...) -> None: ...

class ScoreResponse(_message.Message):
    __slots__ = ("scores", "model", "source_language_code", "revision")
    SCORES_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SOURCE_LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    scores: _containers.RepeatedCompositeFieldContainer[TranslationScore]
    model: str
    source_language_code: str
    revision: str
    def __init__(self, scores: _Optional[_Iterable[_Union[TranslationScore, _Mapping]]] = ..., model: _Optional[str] = ..., source_language_code: _Optional[str] = ..., revision: _Optional[str] = ...) -> None: ...

class TranslationScore(_message.Message):
    __slots__ = ("score", "log_prob", "pieces", "token_log_probs", "attention", "alignment", "source_pieces", "error")
    SCORE_FIELD_NUMBER: _ClassVar[int]
    LOG_PROB_FIELD_NUMBER: _ClassVar[int]
    PIECES_FIELD_NUMBER: _ClassVar[int]
    TOKEN_LOG_PROBS_FIELD_NUMBER: _ClassVar[int]
    ATTENTION_FIELD_NUMBER: _ClassVar[int]
    ALIGNMENT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_PIECES_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    score: float
    log_prob: float
    pieces: _containers.RepeatedScalarFieldContainer[str]
    token_log_probs: _containers.RepeatedScalarFieldContainer[float]
    attention: Attention
    alignment: _containers.RepeatedCompositeFieldContainer[AlignedSpans]
    source_pieces: _containers.RepeatedScalarFieldContainer[str]
    error: TextError
    def __init__(self, score: _Optional[float] = ..., log_prob: _Optional[float] = ..., pieces: _Optional[_Iterable[str]] = ..., token_log_probs: _Optional[_Iterable[float]] = ..., attention: _Optional[_Union[Attention, _Mapping]] = ..., alignment: _Optional[_Iterable[_Union[AlignedSpans, _Mapping]]] = ..., source_pieces: _Optional[_Iterable[str]] = ..., error: _Optional[_Union[TextError, _Mapping]] = ...) -> None: ...

class DetectLanguageRequest(_message.Message):
    __slots__ = ("texts", "max_candidates")
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    MAX_CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    texts: _containers.RepeatedScalarFieldContainer[str]
    max_candidates: int
    def __init__(self, texts: _Optional[_Iterable[str]] = ..., max_candidates: _Optional[int] = ...) -> None: ...

class DetectLanguageResponse(_message.Message):
    __slots__ = ("detections",)
    DETECTIONS_FIELD_NUMBER: _ClassVar[int]
    detections: _containers.RepeatedCompositeFieldContainer[LanguageDetection]
    def __init__(self, detections: _Optional[_Iterable[_Union[LanguageDetection, _Mapping]]] = ...) -> None: ...

class LanguageDetection(_message.Message):
    __slots__ = ("candidates", "error")
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    candidates: _containers.RepeatedCompositeFieldContainer[LanguageCandidate]
    error: TextError
    def __init__(self, candidates: _Optional[_Iterable[_Union[LanguageCandidate, _Mapping]]] = ..., error: _Optional[_Union[TextError, _Mapping]] = ...) -> None: ...

class LanguageCandidate(_message.Message):
    __slots__ = ("language_code", "confidence")
    LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    language_code: str
    confidence: float
    def __init__(self, language_code: _Optional[str] = ..., confidence: _Optional[float] = ...) -> None: ...

class Hypothesis(_message.Message):
    __slots__ = ("text", "score", "pieces", "token_log_probs", "attention", "alignment", "finish_reason", "warnings", "quality", "terms", "sentences")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    PIECES_FIELD_NUMBER: _ClassVar[int]
    TOKEN_LOG_PROBS_FIELD_NUMBER: _ClassVar[int]
    ATTENTION_FIELD_NUMBER: _ClassVar[int]
    ALIGNMENT_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    SENTENCES_FIELD_NUMBER: _ClassVar[int]
    text: str
    score: float
    pieces: _containers.RepeatedScalarFieldContainer[str]
    token_log_probs: _containers.RepeatedScalarFieldContainer[float]
    attention: Attention
    alignment: _containers.RepeatedCompositeFieldContainer[AlignedSpans]
    finish_reason: FinishReason
    warnings: _containers.RepeatedCompositeFieldContainer[TranslationWarning]
    quality: float
    terms: _containers.RepeatedCompositeFieldContainer[TermOutcome]
    sentences: _containers.RepeatedCompositeFieldContainer[AlignedSpans]
    def __init__(self, text: _Optional[str] = ..., score: _Optional[float] = ..., pieces: _Optional[_Iterable[str]] = ..., token_log_probs: _Optional[_Iterable[float]] = ..., attention: _Optional[_Union[Attention, _Mapping]] = ..., alignment: _Optional[_Iterable[_Union[AlignedSpans, _Mapping]]] = ..., finish_reason: _Optional[_Union[FinishReason, str]] = ..., warnings: _Optional[_Iterable[_Union[TranslationWarning, _Mapping]]] = ..., quality: _Optional[float] = ..., terms: _Optional[_Iterable[_Union[TermOutcome, _Mapping]]] = ..., sentences: _Optional[_Iterable[_Union[AlignedSpans, _Mapping]]] = ...) -> None: ...

class Term(_message.Message):
    __slots__ = ("source", "targets", "do_not_translate", "match_case")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    DO_NOT_TRANSLATE_FIELD_NUMBER: _ClassVar[int]
    MATCH_CASE_FIELD_NUMBER: _ClassVar[int]
    source: str
    targets: _containers.RepeatedScalarFieldContainer[str]
    do_not_translate: bool
    match_case: bool
    def __init__(self, source: _Optional[str] = ..., targets: _Optional[_Iterable[str]] = ..., do_not_translate: _Optional[bool] = ..., match_case: _Optional[bool] = ...) -> None: ...

class TermOutcome(_message.Message):
    __slots__ = ("source", "target", "span", "reason")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    SPAN_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    source: str
    target: str
    span: Span
    reason: str
    def __init__(self, source: _Optional[str] = ..., target: _Optional[str] = ..., span: _Optional[_Union[Span, _Mapping]] = ..., reason: _Optional[str] = ...) -> None: ...

class Glossary(_message.Message):
    __slots__ = ("name", "language_codes", "entry_count")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_CODES_FIELD_NUMBER: _ClassVar[int]
    ENTRY_COUNT_FIELD_NUMBER: _ClassVar[int]
    name: str
    language_codes: _containers.RepeatedScalarFieldContainer[str]
    entry_count: int
    def __init__(self, name: _Optional[str] = ..., language_codes: _Optional[_Iterable[str]] = ..., entry_count: _Optional[int] = ...) -> None: ...

class CreateGlossaryRequest(_message.Message):
    __slots__ = ("name", "content", "format")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    name: str
    content: bytes
    format: GlossaryFormat
    def __init__(self, name: _Optional[str] = ..., content: _Optional[bytes] = ..., format: _Optional[_Union[GlossaryFormat, str]] = ...) -> None: ...

class CreateGlossaryResponse(_message.Message):
    __slots__ = ("glossary",)
    GLOSSARY_FIELD_NUMBER: _ClassVar[int]
    glossary: Glossary
    def __init__(self, glossary: _Optional[_Union[Glossary, _Mapping]] = ...) -> None: ...

class GetGlossaryRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetGlossaryResponse(_message.Message):
    __slots__ = ("glossary", "content")
    GLOSSARY_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    glossary: Glossary
    content: bytes
    def __init__(self, glossary: _Optional[_Union[Glossary, _Mapping]] = ..., content: _Optional[bytes] = ...) -> None: ...

class ListGlossariesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListGlossariesResponse(_message.Message):
    __slots__ = ("glossaries",)
    GLOSSARIES_FIELD_NUMBER: _ClassVar[int]
    glossaries: _containers.RepeatedCompositeFieldContainer[Glossary]
    def __init__(self, glossaries: _Optional[_Iterable[_Union[Glossary, _Mapping]]] = ...) -> None: ...

class DeleteGlossaryRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DeleteGlossaryResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class TranslationWarning(_message.Message):
    __slots__ = ("kind", "source", "target")
    KIND_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    kind: WarningKind
    source: Span
    target: Span
    def __init__(self, kind: _Optional[_Union[WarningKind, str]] = ..., source: _Optional[_Union[Span, _Mapping]] = ..., target: _Optional[_Union[Span, _Mapping]] = ...) -> None: ...

class Attention(_message.Message):
    __slots__ = ("source_piece_count", "weights")
    SOURCE_PIECE_COUNT_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    source_piece_count: int
    weights: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, source_piece_count: _Optional[int] = ..., weights: _Optional[_Iterable[float]] = ...) -> None: ...

class AlignedSpans(_message.Message):
    __slots__ = ("source", "target")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    source: Span
    target: Span
    def __init__(self, source: _Optional[_Union[Span, _Mapping]] = ..., target: _Optional[_Union[Span, _Mapping]] = ...) -> None: ...

class Span(_message.Message):
    __slots__ = ("begin", "end")
    BEGIN_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    begin: int
    end: int
    def __init__(self, begin: _Optional[int] = ..., end: _Optional[int] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models", "next_page_token", "pivoted_language_pairs")
    MODELS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PIVOTED_LANGUAGE_PAIRS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    next_page_token: str
    pivoted_language_pairs: _containers.RepeatedCompositeFieldContainer[LanguagePair]
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., pivoted_language_pairs: _Optional[_Iterable[_Union[LanguagePair, _Mapping]]] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("name", "language_pairs", "max_source_length", "parameter_count", "scores", "revision", "description", "data", "license", "card", "max_target_length", "state")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_PAIRS_FIELD_NUMBER: _ClassVar[int]
    MAX_SOURCE_LENGTH_FIELD_NUMBER: _ClassVar[int]
    PARAMETER_COUNT_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    LICENSE_FIELD_NUMBER: _ClassVar[int]
    CARD_FIELD_NUMBER: _ClassVar[int]
    MAX_TARGET_LENGTH_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    name: str
    language_pairs: _containers.RepeatedCompositeFieldContainer[LanguagePair]
    max_source_length: int
    parameter_count: int
    scores: _containers.RepeatedCompositeFieldContainer[EvaluationScore]
    revision: str
    description: str
    data: str
    license: str
    card: str
    max_target_length: int
    state: ModelState
    def __init__(self, name: _Optional[str] = ..., language_pairs: _Optional[_Iterable[_Union[LanguagePair, _Mapping]]] = ..., max_source_length: _Optional[int] = ..., parameter_count: _Optional[int] = ..., scores: _Optional[_Iterable[_Union[EvaluationScore, _Mapping]]] = ..., revision: _Optional[str] = ..., description: _Optional[str] = ..., data: _Optional[str] = ..., license: _Optional[str] = ..., card: _Optional[str] = ..., max_target_length: _Optional[int] = ..., state: _Optional[_Union[ModelState, str]] = ...) -> None: ...

class GetModelRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetModelResponse(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: Model
    def __init__(self, model: _Optional[_Union[Model, _Mapping]] = ...) -> None: ...

class GetUsageRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetUsageResponse(_message.Message):
    __slots__ = ("day", "month")
    DAY_FIELD_NUMBER: _ClassVar[int]
    MONTH_FIELD_NUMBER: _ClassVar[int]
    day: UsagePeriod
    month: UsagePeriod
    def __init__(self, day: _Optional[_Union[UsagePeriod, _Mapping]] = ..., month: _Optional[_Union[UsagePeriod, _Mapping]] = ...) -> None: ...

class UsagePeriod(_message.Message):
    __slots__ = ("start_time", "end_time", "character_count", "call_count", "character_limit", "call_limit")
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    CHARACTER_COUNT_FIELD_NUMBER: _ClassVar[int]
    CALL_COUNT_FIELD_NUMBER: _ClassVar[int]
    CHARACTER_LIMIT_FIELD_NUMBER: _ClassVar[int]
    CALL_LIMIT_FIELD_NUMBER: _ClassVar[int]
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    character_count: int
    call_count: int
    character_limit: int
    call_limit: int
    def __init__(self, start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., character_count: _Optional[int] = ..., call_count: _Optional[int] = ..., character_limit: _Optional[int] = ..., call_limit: _Optional[int] = ...) -> None: ...

class GetServerRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetServerResponse(_message.Message):
    __slots__ = ("version", "limits", "features")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    version: str
    limits: Limits
    features: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, version: _Optional[str] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ..., features: _Optional[_Iterable[str]] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("max_texts", "max_text_length", "max_sentences", "max_message_bytes", "max_text_pieces")
    MAX_TEXTS_FIELD_NUMBER: _ClassVar[int]
    MAX_TEXT_LENGTH_FIELD_NUMBER: _ClassVar[int]
    MAX_SENTENCES_FIELD_NUMBER: _ClassVar[int]
    MAX_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_TEXT_PIECES_FIELD_NUMBER: _ClassVar[int]
    max_texts: int
    max_text_length: int
    max_sentences: int
    max_message_bytes: int
    max_text_pieces: int
    def __init__(self, max_texts: _Optional[int] = ..., max_text_length: _Optional[int] = ..., max_sentences: _Optional[int] = ..., max_message_bytes: _Optional[int] = ..., max_text_pieces: _Optional[int] = ...) -> None: ...

class LanguagePair(_message.Message):
    __slots__ = ("source_language_code", "target_language_code")
    SOURCE_LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    TARGET_LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    source_language_code: str
    target_language_code: str
    def __init__(self, source_language_code: _Optional[str] = ..., target_language_code: _Optional[str] = ...) -> None: ...

class EvaluationScore(_message.Message):
    __slots__ = ("language_pair", "test_set", "metric", "score", "signature")
    LANGUAGE_PAIR_FIELD_NUMBER: _ClassVar[int]
    TEST_SET_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    language_pair: LanguagePair
    test_set: str
    metric: str
    score: float
    signature: str
    def __init__(self, language_pair: _Optional[_Union[LanguagePair, _Mapping]] = ..., test_set: _Optional[str] = ..., metric: _Optional[str] = ..., score: _Optional[float] = ..., signature: _Optional[str] = ...) -> None: ...

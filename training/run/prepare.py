"""From a configuration to the trainer's material: the corpora as text, the vocabulary and the dev set."""

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from dragoman.model.bundle import read_codec
from dragoman.model.codec import Codec
from dragoman.model.config import Direction
from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.model.files import read_bytes, write_atomically
from dragoman.model.vocabulary import PieceModel, PieceModelOptions, Vocabulary, train_piece_model
from dragoman.training.config import RunConfig
from dragoman.training.corpus.cache import ParallelFiles
from dragoman.training.corpus.corpus_config import CorpusConfig
from dragoman.training.corpus.pairs import ParallelText, check_same_length, read_parallel
from dragoman.training.corpus.streams.records import Shards, find_shards
from dragoman.training.corpus.streams.sample import write_sample
from dragoman.training.corpus.text_file import TextFile, inspect_text
from dragoman.training.evaluation.metrics import tokenizer_warning
from dragoman.training.learning.lexicon import learn_lexicon
from dragoman.training.text_config import DevSetConfig, VocabularyConfig
from dragoman.training.vocabulary.coverage import find_rare_characters
from dragoman.training.vocabulary.extension import extend_piece_model
from dragoman.training.vocabulary.normalization import nfc_rules, write_rules
from dragoman.translation.batch.lines import read_lines

MAX_VOCABULARY_SENTENCES = 2_000_000
"""Most sentences for learning a vocabulary; more take memory and change little."""

_PATH_SIGNS = re.compile(r"[^\w.-]")

MAX_LEXICON_PAIRS = 40_000
"""Most sentence pairs for learning a lexicon of terms: more take longer, and frequent words are enough."""


@dataclass(frozen=True, slots=True)
class StreamedCorpus:
    """A corpus in shards. sample: its beginning in each direction that learns from it."""

    name: str
    shards: Shards
    sample: list[ParallelFiles]

    def checksum(self) -> str:
        """The SHA-256 of the shards' names and sizes; their content may be more than a day can read."""
        listed = json.dumps([self.shards.paths, self.shards.num_bytes, self.shards.columns])
        return hashlib.sha256(listed.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class TrainingText:
    """The corpora of a run: files, and shards."""

    train: list[ParallelFiles]
    streamed: list[StreamedCorpus] = field(default_factory=list)

    @property
    def readable(self) -> list[ParallelFiles]:
        """The corpora as files; of streamed ones the samples."""
        return [*self.train, *(part for corpus in self.streamed for part in corpus.sample)]


@dataclass(frozen=True, slots=True)
class RunText(TrainingText):
    """All text of a run, by direction, and the SHA-256 checksums of its files. Only the dev set, which is small, is in
    memory."""

    dev: list[ParallelText] = field(default_factory=list)
    checksums: dict[str, str] = field(default_factory=dict)


def read_run_text(config: RunConfig) -> RunText:
    """Inspects the corpora. Raises NotFoundError or InvalidInputError that names the file at fault."""
    data = config.data
    directions = data.parsed_directions
    inspected: dict[Path, TextFile] = {}
    train: list[ParallelFiles] = []
    streamed: list[StreamedCorpus] = []
    for number, (name, corpus) in enumerate(zip(data.corpus_names, data.train, strict=True)):
        if corpus.shards is None:
            train += _find_parts(name, corpus.files, corpus, directions, inspected)
        else:
            streamed.append(_find_stream(name, corpus, config, number))
    dev = [text for name, files in data.dev_sets.items() for text in _read_dev_set(name, files, directions)]
    checksums = {str(path): file.checksum for path, file in inspected.items()}
    for files in data.dev_sets.values():
        for code in _languages(files.taught(directions)):
            checksums[str(files.files[code])] = inspect_text(files.files[code]).checksum
    checksums |= {f"shards of {corpus.name}": corpus.checksum() for corpus in streamed}
    return RunText(train=train, streamed=streamed, dev=dev, checksums=dict(sorted(checksums.items())))


def _find_stream(name: str, corpus: CorpusConfig, config: RunConfig, number: int) -> StreamedCorpus:
    """Finds the shards, and writes a sample of them into the run folder unless that has one of the same shards."""
    shards = find_shards(corpus.patterns, corpus.columns)
    directions = config.data.parsed_directions
    languages = _languages(corpus.taught(directions))
    folder = config.run_folder / "stream samples"
    paths = {language: folder / f"{number} {_PATH_SIGNS.sub('_', name)}.{language}" for language in languages}
    streamed = StreamedCorpus(name, shards, [])
    made_of = folder / f"{number}.json"
    origin = json.dumps([streamed.checksum(), config.data.sample_pairs, languages])
    if not made_of.exists() or made_of.read_text("utf-8") != origin or not all(map(Path.exists, paths.values())):
        made_of.unlink(missing_ok=True)
        write_sample(shards, paths, config.data.sample_pairs)
        write_atomically(made_of, origin)
    return replace(streamed, sample=_find_parts(name, paths, corpus, directions, {}))


def _languages(directions: Sequence[Direction]) -> list[str]:
    return sorted({language for direction in directions for language in (direction.source, direction.target)})


def _find_parts(
    name: str,
    files: Mapping[str, Path],
    corpus: CorpusConfig,
    directions: Sequence[Direction],
    inspected: dict[Path, TextFile],
) -> list[ParallelFiles]:
    """The corpus in each direction that learns from it. inspected: the files inspected so far, each once."""
    taught = corpus.taught(directions)
    languages = _languages(taught)
    for language in languages:
        path = files[language]
        if path not in inspected:
            inspected[path] = inspect_text(path)
        first = inspected[files[languages[0]]]
        check_same_length((first.path, first.num_lines), (path, inspected[path].num_lines))
    return [
        ParallelFiles(
            direction, inspected[files[direction.source]], inspected[files[direction.target]], corpus.repeat, name
        )
        for direction in taught
    ]


def _read_dev_set(name: str, dev: DevSetConfig, directions: Sequence[Direction]) -> list[ParallelText]:
    """A text for each direction that the set measures; each file is read once."""
    files, taught = dev.files, dev.taught(directions)
    languages = _languages(taught)
    sentences = dict(zip(languages, read_parallel([files[language] for language in languages]), strict=True))
    return [
        ParallelText(direction, sentences[direction.source], sentences[direction.target], name) for direction in taught
    ]


def make_vocabulary(config: RunConfig, train: Sequence[ParallelFiles], initial: Codec | None = None) -> Codec:
    """The vocabulary of the configured files, or one learnt from the corpus, or `initial` with pieces learnt from it.

    Raises NotFoundError or InvalidInputError naming a given file that is missing, damaged or without the tag of a
    target language.
    """
    options = config.vocabulary
    if options.source_file is not None:
        source = _read_piece_model(options.source_file)
        vocabulary: Codec = Vocabulary(
            source, source if options.target_file is None else _read_piece_model(options.target_file)
        )
    elif initial is not None and config.initialization.vocabulary == "extend":
        if not isinstance(initial.source, PieceModel):
            raise InvalidInputError(
                'initialization.vocabulary = "extend": an imported vocabulary cannot be extended; keep or replace it'
            )
        texts = _distinct_texts(train, ("source", "target"))
        joint = extend_piece_model(
            initial.source, texts, _piece_model_options(options), languages=config.data.languages
        )
        vocabulary = Vocabulary(joint, joint)
    elif options.joint:
        joint = _train(options, config.data.languages, train, ("source", "target"))
        vocabulary = Vocabulary(joint, joint)
    else:
        vocabulary = Vocabulary(
            _train(options, config.data.languages, train, ("source",)),
            _train(options, config.data.languages, train, ("target",)),
        )
    for direction in config.data.parsed_directions:
        try:
            vocabulary.frame(direction)
        except NotFoundError as error:  # only a given model can lack a tag
            raise InvalidInputError(f"{options.source_file}: {error}") from error
    return vocabulary


def find_departures(config: RunConfig, vocabulary: Codec) -> list[str]:
    """The run's deviations from its configuration, a sentence each, for people."""
    departures = []
    if config.initialization.bundle is None and config.vocabulary.source_file is None:
        wanted, found = config.vocabulary.size, min(vocabulary.shape.source_size, vocabulary.shape.target_size)
        if found < wanted:
            departures.append(f"vocabulary.size asks for {wanted:,} pieces, but the corpus gives only {found:,}")
    options = config.optimization
    if options.warmup_updates > options.max_updates:
        departures.append(
            f"optimization.warmup_updates is {options.warmup_updates:,}, but the run has only {options.max_updates:,} "
            "updates: the learning rate never reaches its peak"
        )
    targets = dict.fromkeys(direction.target for direction in config.data.parsed_directions)
    if warning := tokenizer_warning(config.validation.tokenize, targets):
        departures.append(f"validation.tokenize: {warning}")
    return departures


def save_vocabulary(config: RunConfig, vocabulary: Codec) -> None:
    """Writes `vocabulary/` of the run folder."""
    for name, content in vocabulary.files().items():
        write_atomically(config.run_folder / "vocabulary" / name, content)


def load_vocabulary(config: RunConfig) -> Codec:
    """The run's saved vocabulary. Raises NotFoundError or InvalidInputError naming a missing or damaged file."""
    folder = config.run_folder / "vocabulary"
    return read_codec(folder, joint=config.vocabulary.joint, read_file=read_bytes)


def _read_piece_model(path: Path) -> PieceModel:
    return PieceModel(read_bytes(path), path)


def _train(
    options: VocabularyConfig, languages: tuple[str, ...], train: Sequence[ParallelFiles], sides: tuple[str, ...]
) -> PieceModel:
    chosen = _piece_model_options(options)
    texts: Iterator[str] = _distinct_texts(train, sides)
    if rare := find_rare_characters(chosen, _distinct_texts(train, sides), num_tags=len(languages)):
        texts = (text.translate(rare) for text in texts)
    return train_piece_model(texts, chosen, languages=languages)


def _piece_model_options(options: VocabularyConfig) -> PieceModelOptions:
    return PieceModelOptions(
        size=options.size,
        type=options.type,
        byte_fallback=options.byte_fallback,
        character_coverage=options.character_coverage,
        split_digits=options.split_digits,
        user_defined=options.pieces_of_their_own,
        normalization=options.normalization,
        rules=write_rules(nfc_rules()) if options.normalization == "nfc" else None,
    )


def learn_lexicons(train: Sequence[ParallelFiles]) -> dict[Direction, dict[str, str]]:
    """The lexicon of each direction, from its corpora, evenly thinned out to MAX_LEXICON_PAIRS."""
    lexicons = {}
    for direction in dict.fromkeys(files.direction for files in train):
        own = [files for files in train if files.direction == direction]
        step = math.ceil(sum(files.source.num_lines for files in own) / MAX_LEXICON_PAIRS)
        pairs = [
            pair
            for files in own
            for pair in islice(
                zip(read_lines(files.source.path), read_lines(files.target.path), strict=True), 0, None, step
            )
        ]
        lexicons[direction] = learn_lexicon(pairs)
    return lexicons


def _distinct_texts(train: Sequence[ParallelFiles], sides: tuple[str, ...]) -> Iterator[str]:
    """The sentences of the given sides, evenly thinned out to MAX_VOCABULARY_SENTENCES.

    The sentences of a file count once, even if several directions share it.
    """
    distinct = dict.fromkeys(files.source if side == "source" else files.target for files in train for side in sides)
    step = math.ceil(sum(file.num_lines for file in distinct) / MAX_VOCABULARY_SENTENCES)
    for file in distinct:
        yield from islice(read_lines(file.path), 0, None, step)

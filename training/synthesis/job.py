"""A synthetic parallel corpus: text of one side, and its translations by a trained model.

First a batch job translates, which survives a kill: line N of its file has the hypotheses for line N of the input. Once
all lines are translated, the chosen hypotheses are written as pairs. So a job that is continued may choose differently,
but not translate differently, and all counts are of the whole.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path

from dragoman.model.bundle import bundle_revision, find_bundle, read_config
from dragoman.model.config import Direction
from dragoman.model.errors import DragomanError, InvalidInputError
from dragoman.model.files import (
    STANDARD_STREAM,
    discard_asides,
    open_together,
    refuse_to_replace,
    write_atomically,
)
from dragoman.training.corpus.text_file import LineOutput, file_checksum
from dragoman.training.display import track_on_terminal
from dragoman.training.evaluation.pair_scores import PairFiles
from dragoman.training.synthesis.choice import Candidate, Chooser, Filters, Reason
from dragoman.translation.batch.job import JobSummary, run_batch_job, show_progress
from dragoman.translation.batch.lines import read_lines
from dragoman.translation.batch.shards import Shard, join_shards, remove_shards
from dragoman.translation.batch.source import TranslationSource
from dragoman.translation.results import Translation


@dataclass(frozen=True, slots=True)
class SynthesisFiles:
    """The files of a synthesis; compressed if the name ends in .gz.

    source:     the lines of the input that have a pair, repeated if several of their translations are kept.
    target:     their translations, line by line.
    provenance: JSON, see `Synthesis`. The unfinished job's files lie beside it.
    """

    source: Path
    target: Path
    provenance: Path

    @classmethod
    def in_folder(cls, folder: Path, direction: Direction, *, is_packed: bool) -> "SynthesisFiles":
        """Files in a folder, named by their languages."""
        ending = ".gz" if is_packed else ""
        return cls(
            folder / f"synthetic.{direction.source}{ending}",
            folder / f"synthetic.{direction.target}{ending}",
            folder / "synthesis.json",
        )

    def prepare(self, inputs: list[Path], *, overwrite: bool) -> None:
        """Makes the folders. Raises InvalidInputError if a file is among the inputs, is named twice, or exists without
        an unfinished job that may have written it; DragomanError if a folder cannot be made."""
        paths = (self.source, self.target, self.provenance)
        taken = {path.resolve() for path in inputs}
        for path in paths:
            if path.resolve() in taken:
                raise InvalidInputError(f"{path}: is an input or another output as well; choose another name")
            taken.add(path.resolve())
            if path.is_dir():
                raise InvalidInputError(f"{path}: is a folder")
            if not overwrite and not self._is_begun:
                refuse_to_replace(path)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise DragomanError(f"{path.parent}: cannot be made: {error.strerror or error}") from error

    @property
    def translated(self) -> Path:
        """The hypotheses of all lines, where parts of the input are translated apart."""
        return self.provenance.with_name(f"{self.provenance.name}.translated")

    @property
    def _is_begun(self) -> bool:
        partial = self.provenance.with_name(self.provenance.name + ".partial")
        return partial.exists() and partial.stat().st_size > 0


@dataclass(frozen=True, slots=True)
class SynthesisCounts:
    """num_lines: of the input. num_without_pair: lines without a kept hypothesis. left_out: hypotheses, by reason."""

    num_lines: int
    num_pairs: int
    num_without_pair: int
    left_out: dict[Reason, int]


class Synthesis:
    """Makes a corpus from translations that pass the filters and the chooser.

    Its provenance is an object with "bundles" (see `describe_bundles`), "translation" (everything that the translations
    depend on), "filters", "keep", "tokenize", "input", "reference", "source" and "target" (each with name and SHA-256)
    and "counts". It has no time, so that the same job always writes the same.
    """

    def __init__(
        self,
        source: TranslationSource,
        files: SynthesisFiles,
        filters: Filters,
        chooser: Chooser,
        *,
        bundles: Sequence[str],
        overwrite: bool = False,
    ) -> None:
        """source: gives the hypotheses to choose from. bundles: those of the source."""
        self._source = source
        self._files = files
        self._filters = filters
        self._chooser = chooser
        self._bundles = describe_bundles(bundles)
        self._overwrite = overwrite

    def run(self, input_path: Path, reference: Path | None = None) -> SynthesisCounts:
        """Translates the input, "-" being standard input, and writes the pairs and the provenance.

        reference: a human translation of every line, if the chooser needs one.

        Raises InvalidInputError, naming the file, for outputs that exist, and for an input and a reference of different
        length (for files, before anything is translated); and what `run_batch_job` raises.
        """
        self._files.prepare([path for path in (input_path, reference) if path is not None], overwrite=self._overwrite)
        if reference is not None and input_path != STANDARD_STREAM:
            PairFiles(input_path, reference)
        found: list[SynthesisCounts] = []
        with ExitStack() as display:

            def make_output(path: Path) -> None:
                display.close()
                found.append(self._write_corpus(path, input_path, reference))

            run_batch_job(
                input_path,
                self._files.provenance,
                self._source.translate_stream,
                parameters=self._source.find_parameters(),
                write=write_record,
                overwrite=True,  # `prepare` has refused outputs that may not be replaced
                make_output=make_output,
                on_progress=display.enter_context(show_progress()),
            )
        return found[0]

    def translate_shard(self, input_path: Path, shard: Shard) -> JobSummary:
        """Translates a part of the input, for `join`. A finished part stays as it is. Raises what `run_batch_job`
        raises."""
        self._files.prepare([input_path], overwrite=self._overwrite)
        with show_progress() as on_progress:
            return run_batch_job(
                input_path,
                self._files.translated,
                self._source.translate_stream,
                parameters=self._source.find_parameters(),
                write=write_record,
                shard=shard,
                on_progress=on_progress,
            )

    def join(self, input_path: Path, reference: Path | None = None) -> SynthesisCounts:
        """Writes what `run` would have written, from the parts that `translate_shard` has translated, and deletes them.

        Raises NotFoundError if parts are missing, InvalidInputError if they are of another job.
        """
        self._files.prepare([path for path in (input_path, reference) if path is not None], overwrite=self._overwrite)
        translated = self._files.translated
        join_shards(translated, overwrite=True, parameters=self._source.find_parameters())
        counts = self._write_corpus(translated, input_path, reference)
        remove_shards(translated)
        translated.unlink()
        return counts

    def _write_corpus(self, records: Path, input_path: Path, reference: Path | None) -> SynthesisCounts:
        paths = (self._files.source, self._files.target)
        for path in (*paths, self._files.provenance):
            discard_asides(path)
        with open_together(paths) as files:
            source, target = map(LineOutput, paths, files)
            pairs = _records_with_references(records, reference)
            counts = self._write_pairs(track_on_terminal(pairs, "Writing the pairs", None), source, target)
            checksums = [output.finish(overwrite=self._overwrite) for output in (source, target)]
        provenance = {
            "bundles": self._bundles,
            "translation": self._source.find_parameters(),
            "filters": asdict(self._filters),
            "keep": self._chooser.keep,
            "tokenize": self._chooser.tokenize if self._chooser.keep == "nearest" else None,
            "input": _describe(input_path),
            "reference": _describe(reference) if reference is not None else None,
            "source": {"name": self._files.source.name, "sha256": checksums[0]},
            "target": {"name": self._files.target.name, "sha256": checksums[1]},
            "counts": asdict(counts),
        }
        write_atomically(self._files.provenance, json.dumps(provenance, indent=2, ensure_ascii=False) + "\n")
        return counts

    def _write_pairs(
        self, records: Iterator[tuple[str, list[Candidate], str | None]], source: LineOutput, target: LineOutput
    ) -> SynthesisCounts:
        num_lines = num_pairs = num_without_pair = 0
        left_out: Counter[Reason] = Counter()
        for num_lines, (text, candidates, reference) in enumerate(records, start=1):
            passed, rejected = self._filters.apply(text, candidates)
            left_out += rejected
            kept = self._chooser.choose(passed, number=num_lines, reference=reference)
            for candidate in kept:
                source.write(text)
                target.write(candidate.text)
            num_pairs += len(kept)
            num_without_pair += not kept
        return SynthesisCounts(num_lines, num_pairs, num_without_pair, dict(left_out))


def describe_bundles(names: Sequence[str]) -> list[dict[str, str]]:
    """Name and revision of each bundle."""
    folders = [find_bundle(name) for name in names]
    return [{"name": read_config(folder).name, "revision": bundle_revision(folder)} for folder in folders]


def write_record(translation: Translation) -> str:
    """A line of the batch job: JSON of the text and its candidates."""
    candidates = [
        Candidate(
            # A text that the model left untranslated has no pieces.
            hypothesis.text if hypothesis.pieces else "",
            hypothesis.score,
            # The end of sentence, if there is one, has a log probability, too.
            is_cut_off=0 < len(hypothesis.pieces) == len(hypothesis.token_log_probs),
        )
        for hypothesis in translation.hypotheses
    ]
    fields = [translation.source, *([one.text, one.score, one.is_cut_off] for one in candidates)]
    return json.dumps(fields, ensure_ascii=False)


def read_record(line: str) -> tuple[str, list[Candidate]]:
    """What `write_record` wrote."""
    source, *candidates = json.loads(line)
    return source, [Candidate(*candidate) for candidate in candidates]


def _records_with_references(
    records: Path, reference: Path | None
) -> Iterator[tuple[str, list[Candidate], str | None]]:
    """Texts, candidates and references, if there are any. Raises InvalidInputError if their numbers differ."""
    if reference is None:
        for line in read_lines(records):
            yield *read_record(line), None
        return
    for number, (line, human) in enumerate(zip_longest(read_lines(records), read_lines(reference))):
        if line is None or human is None:
            raise InvalidInputError(
                f"{reference} ends after {number:,} lines, but the input has more"
                if human is None
                else f"{reference} has more lines than the input, which has {number:,}"
            )
        yield *read_record(line), human


def _describe(path: Path) -> dict[str, str | None]:
    """Name and checksum of a file; no checksum of a pipe, which cannot be read again."""
    is_file = path != STANDARD_STREAM and path.is_file()
    return {"name": path.name, "sha256": file_checksum(path) if is_file else None}

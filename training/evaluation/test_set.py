"""Translating a test set with a bundle, and writing its scores into the bundle."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from dragoman.model.bundle import CARD_FILE, CONFIG_FILE, BundleScore, config_json, find_bundle, read_config
from dragoman.model.decoding.loading import Precision, open_model
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import InvalidInputError
from dragoman.model.files import write_atomically
from dragoman.training.card import model_card
from dragoman.training.display import track_on_terminal
from dragoman.training.evaluation.metrics import ScoreReport
from dragoman.translation.batch.formats import one_line
from dragoman.translation.batch.lines import read_lines
from dragoman.translation.batch.source import Task, local_source
from dragoman.translation.languages import find_direction
from dragoman.translation.results import Translation
from dragoman.translation.translator import Translator


class EvaluationSet:
    """References and, if a bundle is to translate, their sources: files with one sentence a line."""

    def __init__(self, references: Sequence[Path], source: Path | None = None) -> None:
        """references: one or several files, each with a translation of every source.

        Raises NotFoundError for a missing file, and InvalidInputError for files that are empty, not UTF-8, or of
        different length.
        """
        self.reference = references[0]
        self.source = source
        first = list(read_lines(self.reference))
        if not first:
            raise InvalidInputError(f"{self.reference}: there is no sentence in it")
        self.references = [first]
        for path in references[1:]:
            self.references.append(self._as_many_as_references(path, list(read_lines(path))))

    def read_hypotheses(self, path: Path) -> list[str]:
        """Translations made elsewhere. Raises InvalidInputError if their number differs from the references'."""
        return self._as_many_as_references(path, list(read_lines(path)))

    def translate(
        self,
        bundles: str | Sequence[str],
        source_language: str | None,
        target_language: str,
        options: SearchOptions,
        *,
        split_sentences: bool = True,
        precision: Precision = "auto",
        device: str = "cpu",
        use_shortlist: bool = False,
        ray: str | None = None,
    ) -> list[str]:
        """The best translation of every source text by a bundle or an ensemble of several; see `Translator.load`.

        ray: the address of a Ray cluster that translates, or "local".

        Raises InvalidInputError naming file and line for a text that the model refuses, and the errors of loading the
        bundles and reading the file.
        """
        sources, path = self._sources()
        translator = Translator.load(bundles, precision=precision, device=device, use_shortlist=use_shortlist)
        direction = translator.find_direction(source_language, target_language)
        names = [bundles] if isinstance(bundles, str) else list(bundles)
        task = Task(
            to=target_language, source_language=source_language, options=options, split_sentences=split_sentences
        )
        source = local_source(translator, task, {})
        if ray is not None:
            from dragoman.ray import on_ray

            loading = {"precision": precision, "device": device, "use_shortlist": use_shortlist}
            source = on_ray(source, task, names, address=ray, loading=loading)
        lines = _one_line_each(source.translate_stream(sources), path)
        return list(track_on_terminal(lines, f"{translator.name} {direction}", len(sources)))

    def count_pieces(self, bundle: str) -> list[int]:
        """The pieces of each source in a bundle's vocabulary, without tag and end of sentence."""
        vocabulary = open_model([bundle]).vocabulary
        return [len(vocabulary.source.encode(line)) for line in self._sources()[0]]

    def _sources(self) -> tuple[list[str], Path]:
        if self.source is None:
            raise InvalidInputError("to translate with a bundle, its source sentences are needed: --source FILE")
        return self._as_many_as_references(self.source, list(read_lines(self.source))), self.source

    def _as_many_as_references(self, path: Path, lines: list[str]) -> list[str]:
        if len(lines) != len(self.references[0]):
            raise InvalidInputError(
                f"{path} has {len(lines):,} lines, but {self.reference} has {len(self.references[0]):,}"
            )
        return lines


def _one_line_each(translations: Iterator[Translation], path: Path) -> Iterator[str]:
    num_done = 0
    try:
        for translation in translations:
            num_done += 1
            yield one_line(translation.text)
    except InvalidInputError as error:  # all texts before the refused one have been translated
        raise InvalidInputError(f"{path}, line {num_done + 1}: {error}") from error


def record_scores(
    name_or_path: str,
    source_language: str | None,
    target_language: str,
    test_set: str,
    report: ScoreReport,
    options: SearchOptions,
) -> Path:
    """Writes a report's scores into a bundle's config.json, replacing older ones of the same test set and direction,
    and rewrites the model card. Returns the bundle's folder. options: of the scored search."""
    folder = find_bundle(name_or_path)
    config = read_config(folder)
    direction = find_direction(config, source_language, target_language)
    new = [
        BundleScore(
            direction=direction,
            test_set=test_set,
            metric=metric,
            score=round(score.score, 2),
            signature=score.signature,
            beam_size=options.beam_size,
            length_penalty=options.length_penalty,
        )
        for metric, score in (("BLEU", report.bleu), ("chrF", report.chrf), ("TER", report.ter))
    ]
    kept = [score for score in config.scores if (score.direction, score.test_set) != (direction, test_set)]
    scores = sorted([*kept, *new], key=lambda score: (score.test_set, score.direction, score.metric))
    config = replace(config, scores=tuple(scores))
    write_atomically(folder / CONFIG_FILE, config_json(config))
    write_atomically(folder / CARD_FILE, model_card(config))
    return folder

"""`dragoman evaluate`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dragoman.commands.options import (
    SEARCH_OPTIONS,
    Device,
    From,
    Overwrite,
    Precision,
    Split,
    UseShortlist,
    with_search_options,
)
from dragoman.model.errors import InvalidInputError
from dragoman.model.files import STANDARD_STREAM, open_output, refuse_to_replace
from dragoman.translation.batch.lines import encode_line

if TYPE_CHECKING:
    from dragoman.model.decoding.search_options import SearchOptions


@with_search_options([name for name in SEARCH_OPTIONS if name != "n_best"])
def evaluate(
    reference: Annotated[
        list[Path], typer.Option(metavar="FILE", help="Human translations, one per line; repeatable.")
    ],
    bundles: Annotated[
        list[str] | None,
        typer.Argument(metavar="BUNDLE", help="A folder or a shipped bundle's name; several form an ensemble."),
    ] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="LANGUAGE", help="Target language.")] = None,
    source_language: From = None,
    source: Annotated[Path | None, typer.Option(metavar="FILE", help="Texts to translate, one per line.")] = None,
    hypothesis: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Score these translations instead of a bundle.")
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Compare with these translations by paired bootstrap.")
    ] = None,
    baseline_bundle: Annotated[
        str | None, typer.Option(metavar="BUNDLE", help="Compare with another bundle by paired bootstrap.")
    ] = None,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the translations here.")] = None,
    overwrite: Overwrite = False,
    record: Annotated[
        str | None, typer.Option(metavar="NAME", help="Write the scores into the bundle, under this test set's name.")
    ] = None,
    by_length: Annotated[
        bool, typer.Option("--by-length", help="Add the scores of sources of up to 10, 20, 30, 40 and of more pieces.")
    ] = False,
    tokenize: Annotated[str, typer.Option(help="sacreBLEU's tokenizer for BLEU.")] = "13a",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    precision: Precision = "auto",
    device: Device = "cpu",
    use_shortlist: UseShortlist = False,
    split: Split = True,
    ray: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Translate on a Ray cluster, or local on all processors.")
    ] = None,
    *,
    options: "SearchOptions",
) -> None:
    """Score a bundle or a file of translations with BLEU, chrF and TER, with their sacreBLEU signatures.

    Of a language model, measure the perplexity of the texts in the --reference FILE.
    """
    from dragoman.model.bundle import find_bundle, read_config
    from dragoman.model.decoding.loading import is_language_model
    from dragoman.model.decoding.search_options import SearchOptions
    from dragoman.training.evaluation.by_length import format_rows, rows_to_json, score_by_length
    from dragoman.training.evaluation.fluency import measure_perplexity
    from dragoman.training.evaluation.metrics import (
        format_report,
        report_to_json,
        score_translations,
        silence_sacrebleu,
        tokenizer_warning,
    )
    from dragoman.training.evaluation.test_set import EvaluationSet, record_scores
    from dragoman.translation.batch.lines import read_lines
    from dragoman.translation.scoring.fluency import LanguageScorer

    if bundles and is_language_model(read_config(find_bundle(bundles[0]))):
        files = source or hypothesis or baseline or baseline_bundle or output
        others = to is not None or source_language is not None or record is not None or by_length or ray is not None
        others = others or precision != "auto" or use_shortlist or not split
        if len(bundles) > 1 or len(reference) > 1 or files or others or options != SearchOptions():
            raise InvalidInputError(
                f"{bundles[0]} is a language model: give it alone, with one --reference FILE of texts, without options "
                "of a translation"
            )
        texts = list(read_lines(reference[0]))
        if not any(map(str.strip, texts)):
            raise InvalidInputError(f"{reference[0]}: no line has text, so there is nothing to measure")
        measured = measure_perplexity(LanguageScorer.load(bundles[0], device=device), texts)
        typer.echo(json.dumps(measured.fields(), indent=2) if as_json else measured.describe())
        return
    if bool(bundles) == (hypothesis is not None):
        raise InvalidInputError("give either a BUNDLE to translate with, or --hypothesis FILE")
    if baseline is not None and baseline_bundle is not None:
        raise InvalidInputError("give either --baseline FILE or --baseline-bundle BUNDLE")
    if record is not None and (not bundles or len(bundles) > 1):
        raise InvalidInputError("--record NAME writes into a bundle: give exactly one BUNDLE")
    recordable = SearchOptions(beam_size=options.beam_size, length_penalty=options.length_penalty)
    if record is not None and (options != recordable or use_shortlist or not split):
        raise InvalidInputError(
            "--record stores only beam size and length penalty: leave out other search options, --shortlist and "
            "--no-split"
        )
    if by_length and (source is None or not bundles):
        raise InvalidInputError("--by-length counts the sources' pieces: give a BUNDLE and --source FILE")
    if output == STANDARD_STREAM:
        raise InvalidInputError("--output -: the scores go to standard output; name a file for the translations")
    if output is not None and not overwrite:
        refuse_to_replace(output)
    silence_sacrebleu()
    if warning := tokenizer_warning(tokenize, [to] if to is not None else []):
        typer.echo(f"dragoman: {warning}", err=True)
    evaluation_set = EvaluationSet(reference, source)

    def translate_with(names: list[str]) -> list[str]:
        if to is None:
            raise InvalidInputError(f"to translate with {' and '.join(names)}, give --to LANGUAGE")
        return evaluation_set.translate(
            names,
            source_language,
            to,
            options,
            split_sentences=split,
            precision=precision,
            device=device,
            use_shortlist=use_shortlist,
            ray=ray,
        )

    compared = None
    if baseline is not None:
        compared = evaluation_set.read_hypotheses(baseline)
    elif baseline_bundle is not None:
        compared = translate_with([baseline_bundle])
    hypotheses = translate_with(bundles) if bundles else evaluation_set.read_hypotheses(hypothesis or Path())
    report = score_translations(hypotheses, *evaluation_set.references, baseline=compared, tokenize=tokenize)
    # Print before writing files: a full disk must not cost the result of minutes.
    rows = []
    if by_length and bundles:
        lengths = evaluation_set.count_pieces(bundles[0])
        rows = score_by_length(lengths, hypotheses, evaluation_set.references[0], tokenize=tokenize)
    if as_json:
        added = {"by_length": rows_to_json(rows)} if by_length else {}
        typer.echo(json.dumps(report_to_json(report) | added, indent=2))
    else:
        typer.echo("\n".join([format_report(report), *([format_rows(rows)] if by_length else [])]))
    if output is not None:
        with open_output(output) as lines:
            lines.writelines(map(encode_line, hypotheses))
    if record is not None and bundles and to is not None:
        record_scores(bundles[0], source_language, to, record, report, options)

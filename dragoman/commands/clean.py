"""`dragoman clean`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from dragoman.commands.options import OUTPUT, Overwrite
from dragoman.model.errors import InvalidInputError
from dragoman.model.files import write_atomically
from dragoman.training.cleaning.options import FILTERS, OFF_BY_DEFAULT, CleaningOptions

THRESHOLDS = "Thresholds"
"""Panel of --help."""

_DEFAULT = CleaningOptions()
_FILE: Any = {"metavar": "FILE", "rich_help_panel": OUTPUT}


def _count(help_text: str) -> Any:
    return typer.Option(min=0, help=help_text, rich_help_panel=THRESHOLDS)


def _positive(help_text: str) -> Any:
    return typer.Option(min=1, help=help_text, rich_help_panel=THRESHOLDS)


def _share(help_text: str) -> Any:
    return typer.Option(min=0.0, max=1.0, help=help_text, rich_help_panel=THRESHOLDS)


def clean(
    source: Annotated[Path, typer.Option(metavar="FILE", help="Source sentences, one per line; may be .gz.")],
    target: Annotated[Path, typer.Option(metavar="FILE", help="Their translations, one per line.")],
    source_language: Annotated[
        str | None, typer.Option("--from", metavar="LANGUAGE", help="Source language; the filter `language` needs it.")
    ] = None,
    target_language: Annotated[
        str | None, typer.Option("--to", metavar="LANGUAGE", help="Target language; the filter `language` needs it.")
    ] = None,
    on: Annotated[
        list[str] | None,
        typer.Option(metavar="FILTER", help=f"Turn on a filter, repeatable: {', '.join(OFF_BY_DEFAULT)}."),
    ] = None,
    off: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILTER",
            help=f"Turn off a filter, repeatable: {', '.join(name for name in FILTERS if name not in OFF_BY_DEFAULT)}.",
        ),
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Before filtering, repair broken encoding if possible.")
    ] = False,
    output_source: Annotated[
        Path | None, typer.Option(help="Write the kept sources here; may be .gz.", **_FILE)
    ] = None,
    output_target: Annotated[Path | None, typer.Option(help="Write their translations here.", **_FILE)] = None,
    removed: Annotated[
        Path | None,
        typer.Option(help="Write rejected pairs here: line number, filter, fault, both sides; tab-separated.", **_FILE),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write the report here: a web page (.html) or JSON (.json).", **_FILE)
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the report as JSON, with full examples.", rich_help_panel=OUTPUT)
    ] = False,
    overwrite: Overwrite = False,
    examples: Annotated[
        int, typer.Option(min=0, max=1000, help="Maximal number of examples per filter.", rich_help_panel=OUTPUT)
    ] = 5,
    seed: Annotated[int, typer.Option(help="Seed for drawing the examples.", rich_help_panel=OUTPUT)] = 0,
    min_characters: Annotated[int, _count("length: fewest characters of a side.")] = _DEFAULT.min_characters,
    max_characters: Annotated[int, _count("length: most characters; 0: no limit.")] = _DEFAULT.max_characters,
    min_words: Annotated[int, _count("length: fewest words of a side.")] = _DEFAULT.min_words,
    max_words: Annotated[int, _count("length: most words; 0: no limit.")] = _DEFAULT.max_words,
    min_letters: Annotated[float, _share("letters: least share of letters on a side.")] = _DEFAULT.min_letters,
    max_ratio: Annotated[
        float,
        typer.Option(
            min=1.0, help="ratio: longest side / shortest side, by characters or words.", rich_help_panel=THRESHOLDS
        ),
    ] = _DEFAULT.max_ratio,
    ratio_from: Annotated[
        int, _count("ratio: fewest characters of the longer side; shorter pairs pass.")
    ] = _DEFAULT.ratio_from,
    max_overlap: Annotated[float, _share("copy: largest share of words common to both sides.")] = _DEFAULT.max_overlap,
    copy_from: Annotated[
        int, _count("copy: fewest words of the longer side; shorter pairs pass.")
    ] = _DEFAULT.copy_from,
    max_character_run: Annotated[
        int, _positive("repetition: longest run of one character.")
    ] = _DEFAULT.max_character_run,
    max_word_run: Annotated[int, _positive("repetition: longest run of one word.")] = _DEFAULT.max_word_run,
    max_source_repeats: Annotated[
        int, _positive("source-repeats: most pairs with the same source.")
    ] = _DEFAULT.max_source_repeats,
    max_target_repeats: Annotated[
        int, _positive("target-repeats: most pairs with the same target.")
    ] = _DEFAULT.max_target_repeats,
    min_probability: Annotated[
        float, _share("language: least probability of the expected language if another is likelier.")
    ] = _DEFAULT.min_probability,
    language_from: Annotated[
        int, _count("language: fewest letters of a side; shorter sides pass.")
    ] = _DEFAULT.language_from,
    language_model: Annotated[
        list[str] | None,
        typer.Option(metavar="BUNDLE", help="fluency: a language model of one side; repeatable.", show_default=False),
    ] = None,
    max_perplexity: Annotated[
        float, typer.Option(min=1, help="fluency: greatest perplexity of a side by word.")
    ] = _DEFAULT.max_perplexity,
) -> None:
    """Find faulty pairs in a parallel corpus, report them, and write the rest.

    Each faulty pair counts for the first filter that rejects it. Without output files, the command only reports.
    The filter `mojibake` and --repair need the extra `clean`.
    """
    from rich.console import Console

    from dragoman.training.cleaning.cleaner import CleaningFiles, make_filters
    from dragoman.training.cleaning.cleaner import clean as run_cleaning
    from dragoman.training.cleaning.encoding import Repairer
    from dragoman.training.cleaning.report import render_report, report_to_html, report_to_json

    options = CleaningOptions(
        on=tuple(on or ()),
        off=tuple(off or ()),
        min_characters=min_characters,
        max_characters=max_characters,
        min_words=min_words,
        max_words=max_words,
        min_letters=min_letters,
        max_ratio=max_ratio,
        ratio_from=ratio_from,
        max_overlap=max_overlap,
        copy_from=copy_from,
        max_character_run=max_character_run,
        max_word_run=max_word_run,
        max_source_repeats=max_source_repeats,
        max_target_repeats=max_target_repeats,
        min_probability=min_probability,
        language_from=language_from,
        language_models=tuple(language_model or ()),
        max_perplexity=max_perplexity,
    )
    if report is not None and report.suffix not in (".html", ".json"):
        raise InvalidInputError(f"{report}: a report is a web page or JSON: end its name in .html or .json")
    files = CleaningFiles(source, target, output_source, output_target, removed, report)
    files.check(overwrite=overwrite)
    found = run_cleaning(
        files,
        make_filters(options, source_language, target_language),
        options,
        repairer=Repairer() if repair else None,
        num_examples=examples,
        seed=seed,
    )
    as_text = json.dumps(report_to_json(found), indent=2, ensure_ascii=False)
    # Print before writing files: a full disk must not cost the result of minutes.
    if as_json:
        typer.echo(as_text)
    else:
        Console(highlight=False).print(render_report(found), soft_wrap=False)
    if report is not None:
        write_atomically(report, report_to_html(found) if report.suffix == ".html" else f"{as_text}\n")

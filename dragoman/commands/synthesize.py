"""`dragoman synthesize`."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from dragoman.commands.options import (
    OUTPUT,
    Device,
    From,
    Overwrite,
    Precision,
    Split,
    To,
    UseShortlist,
    with_search_options,
)
from dragoman.model.errors import InvalidInputError
from dragoman.model.files import is_packed

if TYPE_CHECKING:
    from dragoman.model.config import Direction
    from dragoman.model.decoding.search_options import SearchOptions
    from dragoman.training.synthesis.job import SynthesisCounts, SynthesisFiles
    from dragoman.translation.batch.progress import Scalar

CLUSTER = "Several machines"
"""Panel of --help."""

CHOICE = "What is kept"
"""Panel of --help."""


@with_search_options()
def synthesize(
    to: To,
    model: Annotated[
        list[str], typer.Option(metavar="BUNDLE", help="A folder or a shipped bundle; several form an ensemble.")
    ],
    input_path: Annotated[
        Path, typer.Option("--input", metavar="FILE", help="Texts to translate, one per line; may be .gz.")
    ],
    source_language: From = None,
    output_folder: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder for synthetic.LANGUAGE of both languages, packed if the input is, and synthesis.json.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    output_source: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write the kept input lines here, instead of to a folder.", rich_help_panel=OUTPUT
        ),
    ] = None,
    output_target: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write their translations here, and a description of the corpus to FILE.json.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    overwrite: Overwrite = False,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Translate part I of N of --input alone; auto/N takes I from Kubernetes or Slurm.",
            rich_help_panel=CLUSTER,
        ),
    ] = None,
    join: Annotated[
        bool,
        typer.Option(
            "--join", help="Make the corpus of the parts of --shard, with the same options.", rich_help_panel=CLUSTER
        ),
    ] = False,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Translate on a Ray cluster, or local on all processors.", rich_help_panel=CLUSTER
        ),
    ] = None,
    keep: Annotated[
        Literal["best", "all", "random", "nearest"],
        typer.Option(
            help="Translations to keep of each text's --n-best; nearest: by BLEU to --reference.",
            rich_help_panel=CHOICE,
        ),
    ] = "best",
    reference: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Human translations of --input, for nearest.", rich_help_panel=CHOICE),
    ] = None,
    tokenize: Annotated[str, typer.Option(help="sacreBLEU's tokenizer, for nearest.", rich_help_panel=CHOICE)] = "13a",
    min_score: Annotated[
        float | None,
        typer.Option(
            help="Lowest score to keep; with --length-normalization average, a mean log probability per piece.",
            rich_help_panel=CHOICE,
        ),
    ] = None,
    max_ratio: Annotated[
        float | None,
        typer.Option(
            min=1,
            help="Longest ratio of translation to input, or of input to translation, if over 20 characters differ.",
            rich_help_panel=CHOICE,
        ),
    ] = None,
    allow_copies: Annotated[
        bool,
        typer.Option("--allow-copies", help="Keep also translations that equal their input.", rich_help_panel=CHOICE),
    ] = False,
    precision: Precision = "auto",
    device: Device = "cpu",
    use_shortlist: UseShortlist = False,
    split: Split = True,
    *,
    options: "SearchOptions",
) -> None:
    """Translate monolingual text into a synthetic parallel corpus to train on.

    Line N of one file belongs to line N of the other. Add both as another
    data.train to a run's configuration, beside the genuine corpus. If the run
    trains both directions, add directions = ["en-de"] to use the corpus for
    that one only. Blank, copied, endless and repeated translations are left
    out and counted. After an interruption the same command continues.
    On several machines: --shard 1/8 to 8/8, then --join; or --ray.

    Back-translation (Sennrich et al. 2016), for a model from en to de:
    --input is genuine German, with --from de --to en; training uses the
    synthetic English as source. With much text, sampled sources teach more
    than the best ones (Edunov et al. 2018): --sampling-temperature 1, and
    --n-best 3 --keep all for several samples per line. A model of a small
    corpus draws much nonsense: add --sampling-top-k 10, or do not sample.

    Distillation (Kim & Rush 2016): --input is the source side of the
    student's own training corpus, --model is the teacher, or several, and the
    student learns from these translations instead of the human ones. To keep
    those nearest to the human ones: --beam-size 8 --n-best 8 --keep nearest
    --reference FILE. Forward translation is the same with text that has no
    human translation.
    """
    from dragoman.training.evaluation.metrics import silence_sacrebleu, tokenizer_warning
    from dragoman.training.synthesis.choice import Chooser, Filters

    if keep in ("random", "nearest") and options.n_best == 1:
        raise InvalidInputError(f"--keep {keep} chooses among several translations: give --n-best")
    if (keep == "nearest") != (reference is not None):
        raise InvalidInputError("--keep nearest and --reference FILE go together")
    if (output_folder is None) == (output_source is None) or (output_source is None) != (output_target is None):
        raise InvalidInputError("give either --output-folder DIR, or --output-source FILE and --output-target FILE")
    if sum((shard is not None, join, ray is not None)) > 1:
        raise InvalidInputError("give one of --shard, --join and --ray")
    silence_sacrebleu()
    if keep == "nearest" and (warning := tokenizer_warning(tokenize, [to])):
        typer.echo(f"dragoman: {warning}", err=True)
    filters = Filters(min_score=min_score, max_ratio=max_ratio, allow_copies=allow_copies)
    chooser = Chooser(keep, seed=options.seed, tokenize=tokenize)
    from dragoman.training.synthesis.job import Synthesis, SynthesisFiles
    from dragoman.translation.batch.source import Task, local_source
    from dragoman.translation.translator import Translator

    translator = Translator.load(model, precision=precision, device=device, use_shortlist=use_shortlist)
    task = Task(to=to, source_language=source_language, options=options, split_sentences=split)
    loaded_with: dict[str, Scalar] = {"precision": precision, "device": device, "shortlist": use_shortlist}
    direction = translator.find_direction(source_language, to)
    if output_folder is not None:
        files = SynthesisFiles.in_folder(output_folder, direction, is_packed=is_packed(input_path))
    else:
        assert output_source is not None
        assert output_target is not None
        files = SynthesisFiles(output_source, output_target, output_target.with_name(output_target.name + ".json"))
    source = local_source(translator, task, loaded_with)
    if ray is not None:
        from dragoman.ray import on_ray

        loading = {"precision": precision, "device": device, "use_shortlist": use_shortlist}
        source = on_ray(source, task, model, address=ray, loading=loading)
    synthesis = Synthesis(
        source,
        files,
        filters,
        chooser,
        bundles=model,
        overwrite=overwrite,
    )
    if shard is not None:
        from dragoman.translation.batch.shards import read_shard

        part = read_shard(shard, os.environ)
        summary = synthesis.translate_shard(input_path, part)
        typer.echo(f"{part.path(files.translated)}: {summary.num_lines:,} lines translated", err=True)
        return
    counts = synthesis.join(input_path, reference) if join else synthesis.run(input_path, reference)
    _report(counts, files, direction)


def _report(counts: "SynthesisCounts", files: "SynthesisFiles", direction: "Direction") -> None:
    from dragoman.training.synthesis.choice import REASONS

    typer.echo(f"{counts.num_pairs:,} pairs from {counts.num_lines:,} lines", err=True)
    if counts.left_out:
        reasons = ", ".join(
            f"{counts.left_out[reason]:,} {words}" for reason, words in REASONS.items() if reason in counts.left_out
        )
        typer.echo(f"translations left out: {reasons}", err=True)
        typer.echo(f"lines without a pair: {counts.num_without_pair:,}", err=True)
    if not counts.num_pairs:
        return
    typer.echo("to train on them, add to the configuration:", err=True)
    typer.echo("[[data.train]]")
    for language, path in ((direction.source, files.source), (direction.target, files.target)):
        typer.echo(f"{language} = {json.dumps(str(path), ensure_ascii=False)}")

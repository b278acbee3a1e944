"""`dragoman explain`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dragoman.commands.options import MODEL, From, Overwrite, ToIfSeveral
from dragoman.commands.target_language import choose_target
from dragoman.commands.translate import DEFAULT_BUNDLE
from dragoman.model.errors import InvalidInputError
from dragoman.model.files import is_stream, open_output, refuse_to_replace

if TYPE_CHECKING:
    from dragoman.model.config import Direction
    from dragoman.model.decoding.loading import OpenedModel
    from dragoman.translation.scoring.explaining import Explanation

MAX_SENTENCES = 20
"""Of a page: each takes about a megabyte."""

STYLES = ("page.css", "panels/attention.css")
SCRIPTS = ("panels/attention-words.js", "panels/dom.js", "panels/attention-view.js", "panels/attention-page.js")


def explain(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="A sentence or a few.", show_default=False)],
    to: ToIfSeveral = None,
    source_language: From = None,
    translation: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="Look at this translation of one sentence; by default at the model's own.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE.html", help="Write here; - is standard output.")
    ] = Path("explain.html"),
    overwrite: Overwrite = False,
    model: Annotated[
        str, typer.Option(metavar="BUNDLE", help="A folder or a shipped bundle.", rich_help_panel=MODEL)
    ] = DEFAULT_BUNDLE,
) -> None:
    """Write an HTML page that shows what a model looks at; it opens without an internet connection.

    For each word that the model writes, and for each that it reads: the attention of every layer and head as a matrix,
    queries, keys and values, and the words that could have come next. A language model shows how it reads TEXT, and
    what it would go on with.
    """
    from dragoman.model.bundle import find_bundle, read_config
    from dragoman.model.decoding.loading import is_language_model, open_language_model, open_model
    from dragoman.translation.scoring.explaining import Explainer, TextExplainer
    from dragoman.translation.sentences import split_sentences

    if not text.strip():
        raise InvalidInputError("TEXT is blank: there is nothing to explain")
    if translation is not None and not translation.strip():
        raise InvalidInputError("--translation is blank: leave it out to look at the model's own")
    if not overwrite and not is_stream(output):
        refuse_to_replace(output)
    if is_language_model(read_config(find_bundle(model))):
        if to is not None or source_language is not None or translation is not None:
            raise InvalidInputError(f"{model} is a language model: leave out --from, --to and --translation")
        opened = open_language_model(model)
        language = opened.info.directions[0].target
        read = TextExplainer(opened).explain(text.strip())
        _write([_page_of(text.strip(), "", read, language, language)], opened.info.name, output)
        return
    opened = open_model([model])
    directions = opened.info.directions
    language = to if to is not None else choose_target(directions, source_language, [text])
    direction = _find_direction(opened, source_language, language, text)
    sentences = [text] if translation is not None else split_sentences(text, direction.source)
    sentences = [sentence.strip() for sentence in sentences if sentence.strip()]
    if len(sentences) > MAX_SENTENCES:
        raise InvalidInputError(f"TEXT has {len(sentences)} sentences, but at most {MAX_SENTENCES} fit a page")
    targets = [translation] if translation is not None else _translate(model, sentences, direction)
    explainer = Explainer(opened)
    pairs = []
    for source, target in zip(sentences, targets, strict=True):
        explanation = explainer.explain(source, target, direction)
        pairs.append(_page_of(source, target, explanation, direction.source, direction.target))
    _write(pairs, opened.info.name, output)


def _page_of(source: str, target: str, explanation: "Explanation", *languages: str) -> dict[str, Any]:
    codes = dict(zip(("sourceLanguageCode", "targetLanguageCode"), languages, strict=True))
    fields = explanation.fields() | codes
    return {"source": source, "target": target, "explanation": fields, "vectors": explanation.all_vectors()}


def _write(pairs: Sequence[dict[str, Any]], model: str, output: Path) -> None:
    with open_output(output) as file:
        file.write(make_page(pairs, model).encode("utf-8", "replace"))
    typer.echo(f"{output}: written", err=is_stream(output))


def _find_direction(opened: "OpenedModel", source_language: str | None, to: str, text: str) -> "Direction":
    """The direction; of several source languages the text's."""
    from dragoman.commands.target_language import likeliest_language
    from dragoman.translation.languages import find_direction, find_language

    directions = opened.info.directions
    target = find_language(to, {direction.target for direction in directions})
    sources = sorted({direction.source for direction in directions if direction.target == target})
    if source_language is None and len(sources) > 1:
        source_language = likeliest_language([text], sources)
    return find_direction(opened.info, source_language, to)


def _translate(model: str, sentences: Sequence[str], direction: "Direction") -> list[str]:
    from dragoman.translation.translator import Translator

    translator = Translator.load(model)
    found = translator.translate(sentences, direction.target, source_language=direction.source, split_sentences=False)
    return [translation.text for translation in found]


def make_page(pairs: Sequence[dict[str, Any]], model: str) -> str:
    """The page, which needs no other file. pairs: "source", "target", the fields of its "explanation", and all its
    "vectors"."""
    import hashlib
    import re
    from base64 import b64encode
    from html import escape
    from string import Template

    import msgspec

    import dragoman.server.http.page as page

    static = Path(page.__file__).parent / "static"
    style = "\n".join((static / name).read_text("utf-8") for name in STYLES)
    modules = [(static / name).read_text("utf-8") for name in SCRIPTS]
    script = "\n".join(re.sub(r"^import .*;\n", "", module, flags=re.MULTILINE) for module in modules)
    data = msgspec.json.encode(pairs).decode().replace("<", "\\u003c")

    def digest(content: str) -> str:
        return f"'sha256-{b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"

    return Template(_PAGE).substitute(
        policy=f"default-src 'none'; script-src {digest(script)}; style-src {digest(style)}; base-uri 'none'",
        title=escape(pairs[0]["source"][:80]),
        model=escape(model),
        style=style,
        script=script,
        data=data,
    )


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="$policy">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>$title</title>
<style>$style</style>
</head>
<body>
<header class="top"><h1 class="wordmark">What $model looks at</h1></header>
<main class="explained">
<noscript><p>The pictures are drawn by a script in this page: allow it.</p></noscript>
<div id="sentence"></div>
<div class="explained-texts" id="texts"></div>
<p class="panel-intro">For each word that it writes, the network weighs the words that it has read. Rows look, columns
are looked at; the stronger a field's colour, the more. Choose a row, or move with the arrow keys.</p>
<div class="attention" id="picture"></div>
</main>
<script type="application/json" id="pairs">$data</script>
<script type="module">$script</script>
</body>
</html>
"""

"""BLEU by length of the source, as a picture of several models.

    dragoman evaluate runs/length-none/best … --by-length --json > none.json
    python -m tests.benchmarks.length_curve training/measured/length.svg "no attention=none.json" "Transformer=…"

The picture is the reports' chart in their light colours, on their ground, since an image in a README does not know its
page's colours.
"""

import argparse
import json
import re
from pathlib import Path

from dragoman.training.evaluation.by_length import BOUNDS
from dragoman.training.report.charts import Curves, draw_chart

STYLE = Path(__file__).parents[2] / "training" / "report" / "page.css"


def read_points(path: Path) -> list[tuple[float, float]]:
    """Of each group of lengths the upper bound, of the last one a place behind it, and its BLEU."""
    rows = json.loads(path.read_text("utf-8"))["by_length"]
    return [(row["most"] or BOUNDS[-1] + 10, row["bleu"]) for row in rows]


def draw(points: dict[str, list[tuple[float, float]]]) -> str:
    """An SVG document."""
    curves = Curves(
        title="BLEU by length of the source",
        unit="BLEU",
        axis="pieces of the source, up to",
        series=points,
        from_zero=True,
    )
    chart = draw_chart("length", curves, BOUNDS[-1] + 10)
    if chart is None:
        raise SystemExit("no file has a score")
    colours = dict(re.findall(r"(--[\w-]+): (#\w+);", STYLE.read_text("utf-8").split("@media")[0]))
    svg = re.sub(r"var\((--[\w-]+)\)", lambda name: colours[name[1]], chart.svg)
    head, body = svg.split(">", 1)
    ground = f'<rect width="100%" height="100%" fill="{colours["--ground"]}"/>'
    return f'{head} font-family="system-ui, sans-serif">{ground}{body}'


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw BLEU by length of several models.")
    parser.add_argument("output", type=Path, metavar="FILE.svg")
    parser.add_argument("models", nargs="+", metavar="NAME=FILE.json")
    arguments = parser.parse_args()
    models = dict(model.rsplit("=", 1) for model in arguments.models)
    arguments.output.write_text(draw({name: read_points(Path(file)) for name, file in models.items()}), "utf-8")


if __name__ == "__main__":
    main()

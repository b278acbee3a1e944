"""What a server's metrics say."""

import urllib.request

from prometheus_client.parser import text_string_to_metric_families

Figures = dict[str, list[tuple[dict[str, str], float]]]
"""By name of the sample: its labels and its value."""

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def fetch_figures(address: str) -> Figures:
    """All samples at the moment. Raises OSError if nobody answers."""
    with _DIRECT.open(f"http://{address}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    figures: Figures = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            figures.setdefault(sample.name, []).append((sample.labels, sample.value))
    return figures


def total(figures: Figures, name: str) -> float:
    """The sum of a sample over all labels; 0 if there is none."""
    return sum(value for _, value in figures.get(name, []))

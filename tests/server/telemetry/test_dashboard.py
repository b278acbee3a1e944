"""The dashboard, and the alerts beside it, ask for nothing that the server does not tell."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.model.decoding.statistics import EngineStatistics
from dragoman.server.config import LogConfig, MetricsConfig, TracesConfig
from dragoman.server.telemetry import Monitor
from tests.server.telemetry.scraping import Samples, begin_call, scrape

DEPLOY = Path(__file__).parents[3] / "server" / "deploy"
METRIC = re.compile(r"\b(?:dragoman|process)_[a-z0-9_]+\b")
LABELS = re.compile(r"\bby \(([^)]*)\)|\{([^}]*)\}")
OF_PROMETHEUS = {"le", "instance", "job"}


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DEPLOY / "grafana-dashboard.json").read_text("utf-8"))
    return found


@pytest.fixture(scope="module")
def samples() -> Samples:
    """What a server tells that has seen one of everything."""
    monitor = Monitor(
        MetricsConfig(listen="127.0.0.1:0"), LogConfig(), TracesConfig(), lambda: [("en-de", EngineStatistics(), 0)]
    )
    monitor.start()
    try:
        monitor.call_ended(begin_call(monitor, "a/b"), "OK")
        monitor.call_refused("calls")
        monitor.admitted("en-de", "batch", 0.5)
        monitor.first_token("en-de", 0.5)
        monitor.finished("en-de", 0.5, 2, 3)
        monitor.dropped("en-de", "lost")
        monitor.quarantined("en-de")
        monitor.warned("en-de", "figure_differs")
        monitor.retried("en-de", 1)
        monitor.memory_hit("repeat")
        monitor.model_loaded("en-de", "01")
        monitor.reload_ended("en-de", "failed")
        monitor.load_ended("en-de", 0.5)
        monitor.model_evicted("en-de")
        monitor.memory_measured(1)
        return scrape(monitor.metrics_address)
    finally:
        monitor.stop()


def queries(dashboard: dict[str, Any]) -> Iterator[str]:
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]["query"]


def exposed(samples: Samples) -> dict[str, set[str]]:
    """The labels of every metric."""
    return {name: {label for label, _ in labels} for name, labels in samples}


def test_every_query_asks_for_metrics_that_exist(dashboard: dict[str, Any], samples: Samples) -> None:
    asked = {name for query in queries(dashboard) for name in METRIC.findall(query)}
    assert len(asked) > 20
    assert asked <= exposed(samples).keys()


def test_every_query_uses_labels_that_its_metrics_have(dashboard: dict[str, Any], samples: Samples) -> None:
    labels_of = exposed(samples)
    for query in queries(dashboard):
        known = OF_PROMETHEUS.union(*(labels_of[name] for name in METRIC.findall(query)))
        grouped = {label.strip() for groups, _ in LABELS.findall(query) for label in groups.split(",") if label.strip()}
        selected = {label for _, braces in LABELS.findall(query) for label in re.findall(r"(\w+)\s*[=!]", braces)}
        assert grouped | selected <= known, query


def test_all_that_the_server_tells_is_shown(dashboard: dict[str, Any], samples: Samples) -> None:
    shown = {re.sub(r"_bucket$", "", name) for query in queries(dashboard) for name in METRIC.findall(query)}
    told = {name for name, _ in samples if name.startswith("dragoman_")}
    told = {re.sub(r"_(bucket|count|sum)$", "", name) for name in told if not name.endswith("_created")}
    assert told == {name for name in shown if name.startswith("dragoman_")}


def test_panels_do_not_overlap_and_share_a_chosen_source(dashboard: dict[str, Any]) -> None:
    assert dashboard["schemaVersion"] >= 41
    assert dashboard["templating"]["list"][0]["type"] == "datasource"
    covered: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        area = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not covered & area, panel["title"]
        assert place["x"] + place["w"] <= 24
        covered |= area
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}"
            assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(numbers)) == len(numbers)


def test_alerts_ask_for_metrics_that_exist(samples: Samples) -> None:
    expressions = re.findall(r"expr: (?:\|\n((?: {10,}.*\n)+)|(.*))", (DEPLOY / "alerts.yaml").read_text("utf-8"))
    asked = {name for block, line in expressions for name in METRIC.findall(block + line)}
    assert asked
    assert asked <= exposed(samples).keys()

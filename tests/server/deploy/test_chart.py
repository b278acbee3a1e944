"""The Helm chart: what it renders is as sound as the manifests, for every choice of values."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from jsonschema import Draft7Validator  # type: ignore[import-untyped]

from dragoman.model.config_files import validate_tree
from dragoman.model.decoding.statistics import EngineStatistics
from dragoman.server.config import ServerConfig
from dragoman.server.grpc.health_service import SERVICE_NAME
from dragoman.server.telemetry.metrics import Metrics
from tests.server.deploy.charts import TemplateError, render

ROOT = Path(__file__).parents[3]
CHART = ROOT / "server" / "deploy" / "helm"

VARIANTS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "everything": {
        "models": [{"bundle": "/bundles/a", "name": "a"}, {"bundle": "en-de", "name": "b", "pinned": True}],
        "bundlesClaim": "bundles",
        "maxMemoryBytes": "900000000",
        "httpPort": 5000,
    },
    "nothing": {"tokensSecret": "", "replicas": 3},
}


class _StrictLoader(yaml.SafeLoader):  # type: ignore[misc]
    """Refuses a key that comes twice."""


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    assert len(set(keys)) == len(keys), f"a key comes twice: {keys}"
    found: dict[Any, Any] = loader.construct_mapping(node, deep=True)
    return found


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_values(changes: dict[str, Any], *, scaled: bool = False) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    values.update(changes)
    values["autoscaling"] = {**values["autoscaling"], "enabled": scaled}
    return values


def render_chart(values: dict[str, Any]) -> dict[str, Any]:
    """By kind, the objects of all templates."""
    found: dict[str, Any] = {}
    for template in sorted((CHART / "templates").glob("*.yaml")):
        for item in yaml.load_all(render(template.read_text("utf-8"), values), Loader=_StrictLoader):
            if item is not None:
                assert item["kind"] not in found
                found[item["kind"]] = item
    return found


@pytest.fixture(params=[(name, scaled) for name in VARIANTS for scaled in (False, True)], ids=str)
def values(request: pytest.FixtureRequest) -> dict[str, Any]:
    name, scaled = request.param
    return read_values(VARIANTS[name], scaled=scaled)


@pytest.fixture
def objects(values: dict[str, Any]) -> dict[str, Any]:
    return render_chart(values)


def test_values_keep_to_their_schema(values: dict[str, Any]) -> None:
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    Draft7Validator.check_schema(schema)
    Draft7Validator(schema).validate(values)
    assert set(values) == set(schema["properties"]) - {"global"}
    assert not Draft7Validator(schema).is_valid({**values, "modles": []})
    assert not Draft7Validator(schema).is_valid({**values, "maxMemoryBytes": 9e8})


def test_it_renders_one_object_of_each_kind(values: dict[str, Any], objects: dict[str, Any]) -> None:
    kinds = {"ConfigMap", "Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy"}
    assert set(objects) == kinds | ({"ScaledObject"} if values["autoscaling"]["enabled"] else set())
    assert {item["metadata"]["name"] for item in objects.values()} == {"dragoman"}


def test_the_server_takes_its_configuration(values: dict[str, Any], objects: dict[str, Any]) -> None:
    tree = tomllib.loads(objects["ConfigMap"]["data"]["server.toml"])
    config = validate_tree(ServerConfig, tree, origin="server.toml")
    assert [(model.bundle, model.name, model.pinned) for model in config.models] == [
        (model["bundle"], model["name"], model.get("pinned", False)) for model in values["models"]
    ]
    assert config.server.max_memory_bytes == (int(values["maxMemoryBytes"]) if values["maxMemoryBytes"] else None)
    assert config.server.drain_seconds == values["drainSeconds"]
    assert (config.access.tokens is None) is (not values["tokensSecret"])
    assert (config.http.listen is None) is (not values["httpPort"])


def test_ports_probes_and_volumes_agree(values: dict[str, Any], objects: dict[str, Any]) -> None:
    pod = objects["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"grpc": 50051, "metrics": 9464} | ({"http": values["httpPort"]} if values["httpPort"] else {})
    for port in objects["Service"]["spec"]["ports"]:
        assert port["port"] == ports[port["targetPort"]]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["grpc"]["port"] == ports["grpc"]
        assert container[probe]["grpc"].get("service", SERVICE_NAME) == SERVICE_NAME
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    allowed = {port["port"] for rule in objects["NetworkPolicy"]["spec"]["ingress"] for port in rule["ports"]}
    assert allowed == set(ports)


def test_a_pod_has_the_time_that_its_server_needs_to_drain(values: dict[str, Any], objects: dict[str, Any]) -> None:
    pod = objects["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] >= pause + values["drainSeconds"] + 5


def test_threads_are_the_processors_that_are_requested(objects: dict[str, Any]) -> None:
    (container,) = objects["Deployment"]["spec"]["template"]["spec"]["containers"]
    (variable,) = container["env"]
    assert variable == {"name": "OMP_NUM_THREADS", "value": str(container["resources"]["requests"]["cpu"])}
    assert "cpu" not in container["resources"]["limits"]


def test_selectors_find_the_pods(objects: dict[str, Any]) -> None:
    labels = objects["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert objects["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert objects["Service"]["spec"]["selector"] == labels
    assert objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert objects["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels
    assert objects["PodDisruptionBudget"]["spec"]["maxUnavailable"] >= 1


def test_scaling_asks_for_metrics_that_there_are_and_never_divides() -> None:
    found = render_chart(read_values({}, scaled=True))
    assert "replicas" not in found["Deployment"]["spec"]  # or an upgrade would undo the scaling
    spec = found["ScaledObject"]["spec"]
    assert spec["scaleTargetRef"]["name"] == found["Deployment"]["metadata"]["name"]
    assert 1 <= spec["minReplicaCount"] <= spec["maxReplicaCount"]
    assert spec["fallback"]["behavior"] == "currentReplicasIfHigher"
    (trigger,) = spec["triggers"]
    query = trigger["metadata"]["query"]
    statistics = EngineStatistics(**dict.fromkeys(EngineStatistics.__dataclass_fields__, 0))
    metrics = {family.name for family in Metrics(lambda: [("en-de", statistics, 0)]).registry.collect()}
    asked = re.findall(r"dragoman_\w+", query)
    assert len(asked) == 2
    assert set(asked) <= metrics
    assert query.count("or vector(0)") == 2  # without series it is 0
    assert not {"/", "rate", "histogram_quantile"} & set(re.findall(r"\w+|/", query))  # no NaN without traffic
    assert all(isinstance(value, str) for value in trigger["metadata"].values())


def test_without_scaling_the_number_of_pods_is_given() -> None:
    assert render_chart(read_values({"replicas": 3}))["Deployment"]["spec"]["replicas"] == 3


def test_its_image_has_the_version_of_the_project() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert chart["appVersion"] == version
    assert read_values({})["image"] == f"dragoman:{version}"


def test_schemas_of_kubernetes_accept_it(objects: dict[str, Any]) -> None:
    validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")
    for kind, item in objects.items():
        if kind != "ScaledObject":
            validate.validate(item, "1.33", strict=True)


@pytest.mark.parametrize(
    ("template", "error"),
    [("{{ .Values.other }}", "there is no other"), ("{{ toYaml .Values }}", "is no path"), ("{{ end }}", "an end")],
)
def test_the_reader_of_templates_is_strict(template: str, error: str) -> None:
    with pytest.raises(TemplateError, match=error):
        render(template, {})

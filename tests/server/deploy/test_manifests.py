"""What is deployed agrees with the code: ports, probes, configuration, metrics, times."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from dragoman.model.config_files import StrictModel, validate_tree
from dragoman.model.decoding.statistics import EngineStatistics
from dragoman.server.access.addresses import parse_address
from dragoman.server.call_context import Priority
from dragoman.server.config import ModelConfig, ServerConfig, load_server_config
from dragoman.server.grpc.health_service import SERVICE_NAME
from dragoman.server.grpc.port import FLUSH_SECONDS
from dragoman.server.telemetry.metrics import Metrics
from dragoman.translation.batch.shards import Shard, read_shard

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "server" / "deploy"
IMAGE_CONFIG = "/etc/dragoman/server.toml"
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


def read_yaml(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))


def port_of(listen: str | None) -> int:
    assert listen is not None
    return parse_address(listen)[1]


@pytest.fixture(scope="module")
def manifests() -> dict[str, Any]:
    """By kind; a ConfigMap by its name."""
    documents = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8")))
    named = {d["metadata"]["name"] if d["kind"] == "ConfigMap" else d["kind"]: d for d in documents}
    assert len(named) == len(documents)
    return named


@pytest.fixture(scope="module")
def pod(manifests: dict[str, Any]) -> Any:
    return manifests["Deployment"]["spec"]["template"]


@pytest.fixture(scope="module")
def container(pod: Any) -> Any:
    (only,) = pod["spec"]["containers"]
    return only


@pytest.fixture(scope="module")
def served(manifests: dict[str, Any]) -> ServerConfig:
    """The configuration in the ConfigMap."""
    return validate_tree(
        ServerConfig, tomllib.loads(manifests["dragoman"]["data"]["server.toml"]), origin="server.toml"
    )


@pytest.fixture(scope="module")
def metric_names() -> set[str]:
    """Names of all samples that the server may tell."""
    statistics = EngineStatistics(**dict.fromkeys(EngineStatistics.__dataclass_fields__, 0))
    families = Metrics(lambda: [("en-de", statistics, 0)]).registry.collect()
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count", ""), "gauge": ("",)}
    return {family.name + suffix for family in families for suffix in suffixes[family.type]}


def flatten(table: type[StrictModel], prefix: str = "") -> set[str]:
    """The dotted keys of a tree of tables."""
    keys = set()
    for name, field in table.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, StrictModel):
            keys |= flatten(field.annotation, f"{prefix}{name}.")
        elif f"{prefix}{name}" == "models":
            keys |= flatten(ModelConfig, "models.")
        else:
            keys.add(f"{prefix}{name}")
    return keys


# --- configuration ---


def uncommented(text: str) -> str:
    """With the keys that are commented out."""
    return re.sub(r"^# (?=[a-z_]+ = )", "", text, flags=re.MULTILINE)


def test_the_example_is_the_defaults() -> None:
    config = load_server_config(DEPLOY / "server.toml")
    assert config == ServerConfig(models=(ModelConfig(bundle="en-de"),))


def test_the_example_has_every_key() -> None:
    tree = tomllib.loads(uncommented((DEPLOY / "server.toml").read_text(encoding="utf-8")))
    keys = {f"models.{key}" for key in tree.pop("models")[0]}
    keys |= {f"{table}.{key}" for table, values in tree.items() for key in values}
    assert keys == flatten(ServerConfig)


def test_the_example_is_right_where_it_is_commented_out() -> None:
    tree = tomllib.loads(uncommented((DEPLOY / "server.toml").read_text(encoding="utf-8")))
    tree["server"]["google"] = True  # google_files goes with it
    assert validate_tree(ServerConfig, tree, origin="server.toml").traces.endpoint is not None


def test_the_image_serves_its_ports_to_others() -> None:
    config = load_server_config(DEPLOY / "container.toml")
    assert config.server.listen == "0.0.0.0:50051"
    assert config.metrics.listen == "0.0.0.0:9464"
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert "EXPOSE 50051 9464" in dockerfile
    assert f"COPY server/deploy/container.toml {IMAGE_CONFIG}" in dockerfile
    assert f'CMD ["dragoman", "serve", "--config", "{IMAGE_CONFIG}"]' in dockerfile
    assert '"dragoman.server.client.health", "127.0.0.1:50051"]' in dockerfile
    assert dockerfile.rindex("USER dragoman") > dockerfile.rindex("FROM ")


# --- Kubernetes ---


def test_ports_agree(manifests: dict[str, Any], container: Any, served: ServerConfig) -> None:
    expected = {"grpc": port_of(served.server.listen), "metrics": port_of(served.metrics.listen)}
    assert {port["name"]: port["containerPort"] for port in container["ports"]} == expected
    assert {port["targetPort"]: port["port"] for port in manifests["Service"]["spec"]["ports"]} == expected
    assert manifests["Deployment"]["spec"]["template"]["metadata"]["annotations"]["prometheus.io/port"] == str(
        expected["metrics"]
    )
    allowed = {rule["ports"][0]["port"] for rule in manifests["NetworkPolicy"]["spec"]["ingress"]}
    assert allowed == set(expected)


def test_probes_ask_for_what_there_is(container: Any, served: ServerConfig) -> None:
    for name in PROBES:
        probe = container[name]["grpc"]
        assert probe["port"] == port_of(served.server.listen)
        assert probe.get("service", "") in ("", SERVICE_NAME)
    assert served.tls.certificate is None  # these probes speak no TLS


def test_the_pod_outlives_the_drain(pod: Any, container: Any, served: ServerConfig) -> None:
    waiting = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["spec"]["terminationGracePeriodSeconds"] >= waiting + served.server.drain_seconds + FLUSH_SECONDS + 5


def test_the_container_has_no_privileges(pod: Any, container: Any) -> None:
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
    uid = pod["spec"]["securityContext"]["runAsUser"]
    assert f"useradd --uid {uid} " in (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["spec"]["automountServiceAccountToken"] is False


def test_files_of_the_configuration_are_mounted(pod: Any, container: Any, served: ServerConfig) -> None:
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    assert set(mounts.values()) == set(volumes)
    assert served.access.tokens is not None
    tokens = volumes[mounts[str(served.access.tokens.parent)]]["secret"]
    assert tokens["defaultMode"] == 0o440  # more would make the server warn
    assert container["args"] == ["dragoman", "serve", "--config", IMAGE_CONFIG]
    assert volumes[mounts[str(Path(IMAGE_CONFIG).parent)]]["configMap"]["name"] == "dragoman"


def test_selectors_find_the_pods(manifests: dict[str, Any], pod: Any) -> None:
    labels = pod["metadata"]["labels"]
    assert manifests["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert manifests["Service"]["spec"]["selector"] == labels
    assert manifests["Service"]["spec"]["clusterIP"] == "None"  # a name for all pods: clients balance
    assert manifests["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert manifests["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels


def test_the_autoscaler_follows_a_metric_that_there_is(manifests: dict[str, Any], metric_names: set[str]) -> None:
    scaler = manifests["HorizontalPodAutoscaler"]["spec"]
    assert scaler["scaleTargetRef"]["name"] == manifests["Deployment"]["metadata"]["name"]
    (rule,) = yaml.safe_load(manifests["dragoman-adapter-rule"]["data"]["rule.yaml"])
    assert scaler["metrics"][0]["pods"]["metric"]["name"] == rule["name"]["as"]
    (series,) = re.findall(r"^dragoman_\w+", rule["seriesQuery"])
    assert series in metric_names
    assert rule["name"]["matches"] == f"^{series}$"
    assert set(re.findall(r'priority="(\w+)"', rule["seriesQuery"] + rule["metricsQuery"])) == {
        Priority.INTERACTIVE.value
    }


# --- compose, Prometheus, Grafana ---


def test_compose_mounts_files_that_there_are() -> None:
    services = read_yaml("compose.yaml")["services"]
    for service in services.values():
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert not source.startswith(".") or (DEPLOY / source).is_file(), source
    assert (DEPLOY / services["dragoman"]["build"]["context"] / "Dockerfile").is_file()


def test_compose_waits_for_the_drain() -> None:
    seconds = int(read_yaml("compose.yaml")["services"]["dragoman"]["stop_grace_period"].removesuffix("s"))
    assert seconds >= load_server_config(DEPLOY / "container.toml").server.drain_seconds + FLUSH_SECONDS + 5


def test_compose_publishes_on_this_machine_alone() -> None:
    for service in read_yaml("compose.yaml")["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])


def test_images_have_the_version_of_the_project(container: Any) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert container["image"] == read_yaml("compose.yaml")["services"]["dragoman"]["image"] == f"dragoman:{version}"


def test_prometheus_scrapes_the_container() -> None:
    (job,) = read_yaml("prometheus.yaml")["scrape_configs"]
    port = port_of(load_server_config(DEPLOY / "container.toml").metrics.listen)
    assert job["static_configs"][0]["targets"] == [f"dragoman:{port}"]
    assert read_yaml("prometheus.yaml")["rule_files"] == ["alerts.yaml"]


def alerts() -> list[Any]:
    return [rule for group in read_yaml("alerts.yaml")["groups"] for rule in group["rules"]]


def test_alerts_ask_for_metrics_that_there_are(metric_names: set[str]) -> None:
    for alert in alerts():
        assert set(re.findall(r"\bdragoman_\w+", alert["expr"])) <= metric_names, alert["alert"]
    assert any(f'priority="{Priority.INTERACTIVE.value}"' in alert["expr"] for alert in alerts())


def test_the_documentation_explains_every_alert_and_names_metrics_that_there_are(metric_names: set[str]) -> None:
    text = (DEPLOY / "README.md").read_text(encoding="utf-8")
    assert {alert["alert"] for alert in alerts()} == set(re.findall(r"\bDragoman[A-Z]\w+", text))
    assert set(re.findall(r"\bdragoman_\w+", text)) <= metric_names


def test_the_documentation_names_every_file() -> None:
    text = (DEPLOY / "README.md").read_text(encoding="utf-8")
    for path in DEPLOY.iterdir():
        assert path.name == "README.md" or f"`{path.name}" in text, path.name


def test_documented_tokens_are_as_the_code_reads_them() -> None:
    from dragoman.server.access.tokens import TokenEntry

    text = (DEPLOY / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    keys = {key for table in tomllib.loads(block)["tokens"] for key in table}
    assert keys <= set(TokenEntry.model_fields)


def test_the_batch_job_divides_its_input_into_as_many_parts_as_it_has_pods() -> None:
    job = read_yaml("translate-job.yaml")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    arguments = container["args"]
    shard = read_shard(arguments[arguments.index("--shard") + 1], {"JOB_COMPLETION_INDEX": "7"})
    assert shard == Shard(8, 8)
    assert job["spec"]["completions"] == shard.count
    assert job["spec"]["completionMode"] == "Indexed"
    mounts = {mount["name"] for mount in container["volumeMounts"]}
    assert mounts == {volume["name"] for volume in job["spec"]["template"]["spec"]["volumes"]}


def test_the_slurm_array_runs_a_command_for_each_task(tmp_path: Path) -> None:
    called = tmp_path / "dragoman"
    called.write_text('#!/bin/sh\necho "$OMP_NUM_THREADS $@"\n')
    called.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "SLURM_CPUS_PER_TASK": "4"}
    script = DEPLOY / "translate-array.sbatch"
    done = subprocess.run(
        ["bash", script, "a.en", "a.de", "de"], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "4 translate --to de --input a.en --output a.de --shard auto\n"

"""What lies in deploy/celery and deploy/kubernetes, by its own tools; end_to_end/test_distributed runs the former."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.run_coordinator.queued_run_coordinator import QueuedRunCoordinator, RunQueueConfig

from stock_assets.settings import Settings, project_root

DEPLOY = project_root() / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "celery" / "compose.yaml").read_text())
VALUES = yaml.safe_load((DEPLOY / "kubernetes" / "values.yaml").read_text())
SETTINGS = {variable for variable, *_ in Settings.from_environment({}).table()}
OTHERS = {"DAGSTER_POSTGRES_URL", "DAGSTER_QUEUE_URL"}
ASKED_FOR = ("POSTGRES_PASSWORD", "QUEUE_PASSWORD", "STOCK_ASSETS_SERVE_TOKEN", "STOCK_ASSETS_DATA_DIR")


def instance(folder: str) -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / folder / "dagster.yaml").read_text())


def test_many_machines_differ_from_one_by_launcher_retries_and_patience() -> None:
    many, one = instance("celery"), instance(".")
    assert many.pop("run_launcher") == {
        "module": "stock_assets.defs.worker_launcher",
        "class": "WorkerRunLauncher",
        "config": {"broker": {"env": "DAGSTER_QUEUE_URL"}, "silence_seconds": 60},
    }
    assert many.pop("run_retries") == {"enabled": True, "max_retries": 2, "retry_on_asset_or_op_failure": False}
    assert many.pop("compute_logs")["class"] == "NoOpComputeLogManager"
    assert (
        many["run_monitoring"].pop("poll_interval_seconds"),
        many["run_monitoring"].pop("start_timeout_seconds"),
    ) == (
        30,
        600,
    )
    assert many["concurrency"]["runs"].pop("max_concurrent_runs") == 8
    assert one["concurrency"]["runs"].pop("max_concurrent_runs") == 2
    assert many == one


def test_the_services_are_those_of_one_machine_with_a_queue_and_workers() -> None:
    one = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    many = COMPOSE["services"]
    assert set(many) == {*one, "queue", "worker"}
    for name in ("code", "web", "daemon", "api"):
        assert many[name]["command"] == one[name]["command"]
        assert many[name].get("healthcheck") == one[name].get("healthcheck")
    assert many["worker"]["command"][:2] == ["stock-assets", "worker"]


def test_compose_names_settings_that_exist() -> None:
    for name, service in COMPOSE["services"].items():
        if name not in ("database", "queue"):
            named = {variable for variable in service["environment"] if not variable.startswith("AWS_")}
            assert named <= SETTINGS | OTHERS | {"DAGSTER_HOME"}, name


def test_nothing_is_published_to_everybody_and_no_secret_is_inside() -> None:
    for name, service in COMPOSE["services"].items():
        assert all(
            re.match(r"127\.0\.0\.1:|\$\{PRIVATE_ADDRESS:-127\.0\.0\.1\}:", port) for port in service.get("ports", [])
        )
        for variable, value in service["environment"].items():
            if "://" in value and "@" in value:
                assert re.search(r"://[^:@]*:\$\{\w+:\?", value), f"{name} {variable}"
            elif re.search("PASSWORD|TOKEN|SECRET|WEBHOOK|AUTH", variable):
                assert re.fullmatch(r"\$\{\w+(:.*)?\}", value), f"{name} {variable}"
    example = (DEPLOY / "celery" / "example.env").read_text()
    assert re.findall(r"^(\w*(?:PASSWORD|TOKEN|KEY|KEY_ID))=(.+)$", example, re.MULTILINE) == []


def test_docker_compose_takes_the_file(tmp_path: Path) -> None:
    program = shutil.which("docker-compose")
    if program is None:
        pytest.skip("needs docker-compose: apt-get install docker-compose")
    filled = tmp_path / "filled.env"

    def shown(missing: str | None) -> subprocess.CompletedProcess[str]:
        lines = (DEPLOY / "celery" / "example.env").read_text().splitlines()
        filled.write_text(
            "\n".join(
                f"{line}x" if line.endswith("=") and line[:-1] in ASKED_FOR and line[:-1] != missing else line
                for line in lines
            )
        )
        words = [program, "--file", DEPLOY / "celery" / "compose.yaml", "--env-file", filled, "config"]
        return subprocess.run([str(word) for word in words], capture_output=True, text=True)

    for missing in ASKED_FOR:
        refused = shown(missing)
        assert refused.returncode != 0
        assert "set it in deploy/celery/.env" in refused.stderr
    taken = shown(None)
    assert taken.returncode == 0, taken.stderr
    assert yaml.safe_load(taken.stdout)["services"]["worker"]["environment"]["STOCK_ASSETS_DATA_DIR"] == "x"


def test_dagster_takes_the_instance_that_the_chart_makes_of_the_values() -> None:
    """It is that of deploy/celery with another launcher, whichever part of it the chart has a block of its own for."""
    given, many = VALUES["additionalInstanceConfig"], instance("celery")
    for written_by_the_chart in ("storage", "run_launcher", "compute_logs", "telemetry"):
        del many[written_by_the_chart]
    assert not VALUES["telemetry"]["enabled"]
    retries = VALUES["scheduler"]["config"]["daemonScheduler"]["maxTickRetries"]
    assert many.pop("scheduler")["config"] == {"max_tick_retries": retries}
    # Switched off, the chart writes a coordinator without a queue.
    coordinator = VALUES["dagsterDaemon"]["runCoordinator"]
    assert (coordinator["enabled"], coordinator["type"]) == (True, "CustomRunCoordinator")
    queue = coordinator["config"]["customRunCoordinator"]
    assert queue["config"] == many.pop("run_queue")
    # What the chart would write a second time.
    assert [VALUES["dagsterDaemon"][name]["enabled"] for name in ("runMonitoring", "runRetries")] == [False] * 2
    assert given == many
    with dg.instance_for_test(overrides=given | {"run_coordinator": queue}) as made:
        assert isinstance(made.run_coordinator, QueuedRunCoordinator)
        assert made.get_concurrency_config().run_queue_config == RunQueueConfig(
            max_concurrent_runs=8,
            tag_concurrency_limits=given["concurrency"]["runs"]["tag_concurrency_limits"],
            max_user_code_failure_retries=6,
            user_code_failure_retry_delay=10,
            should_block_op_concurrency_limited_runs=True,
            op_concurrency_slot_buffer=0,
        )
        assert made.run_retries_enabled
        assert made.run_monitoring_max_runtime_seconds == 3600


def test_no_pod_opens_a_port_that_only_root_may() -> None:
    [deployment] = VALUES["dagster-user-deployments"]["deployments"]
    ports = [VALUES["dagsterWebserver"]["service"]["port"], deployment["port"]]
    assert all(port >= 1024 for port in ports)


def test_the_launcher_of_kubernetes_takes_its_settings() -> None:
    """By the names that the chart gives them."""
    dagster_k8s = pytest.importorskip("dagster_k8s", reason="needs the extra cluster: dagster-k8s")
    from dagster._config import validate_config

    ours = VALUES["runLauncher"]["config"]["k8sRunLauncher"]
    names = {
        "imagePullPolicy": "image_pull_policy",
        "loadInclusterConfig": "load_incluster_config",
        "resources": "resources",
        "runK8sConfig": "run_k8s_config",
    }
    by_chart = {
        "service_account_name": "dagster",
        "instance_config_map": "dagster-instance",
        "dagster_home": VALUES["global"]["dagsterHome"],
        "postgres_password_secret": VALUES["global"]["postgresqlSecretName"],
    }
    given = {names[name]: value for name, value in ours.items()}
    parts = {"containerConfig": "container_config", "jobSpecConfig": "job_spec_config"}
    given["run_k8s_config"] = {parts[name]: value for name, value in given["run_k8s_config"].items()}
    taken = validate_config(dg.Shape(dagster_k8s.K8sRunLauncher.config_type()), given | by_chart)
    assert taken.success, taken.errors


def test_pods_get_settings_that_exist_and_secrets_from_the_secret() -> None:
    [deployment] = VALUES["dagster-user-deployments"]["deployments"]
    assert deployment["includeConfigInLaunchedRuns"] == {"enabled": True}
    assert {one["name"] for one in deployment["env"] if not one["name"].startswith("AWS_")} <= SETTINGS
    secret = ("STOCK_ASSETS_DATABASE_URL", "STOCK_ASSETS_SERVE_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    assert not {one["name"] for one in deployment["env"]} & set(secret)
    assert all(name in (DEPLOY / "kubernetes" / "values.yaml").read_text() for name in secret)
    images = {VALUES[name]["image"]["repository"] for name in ("dagsterWebserver", "dagsterDaemon")}
    assert images == {deployment["image"]["repository"]}
    [api] = [one for one in VALUES["extraManifests"] if one["kind"] == "Deployment"]
    [container] = api["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"{deployment['image']['repository']}:{deployment['image']['tag']}"
    assert container["env"] == deployment["env"]

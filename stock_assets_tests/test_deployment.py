"""What lies in deploy/: each file by its own tool where that is installed, the processes of compose.yaml for real."""

import contextlib
import json
import re
import shutil
import subprocess
import sys
import time
import tomllib
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from stock_assets.settings import Settings, project_root
from stock_assets_tests import postgres
from stock_assets_tests.place import PATIENCE, Place, free_port

DEPLOY = project_root() / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
OURS = {name: service for name, service in COMPOSE["services"].items() if "command" in service}
BIN = Path(sys.executable).parent


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    done = subprocess.run([BIN / "hadolint", DEPLOY / "Dockerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_dockerfile_copies_what_is_let_in_and_is_there() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    copied = {
        word
        for line in lines
        if line.startswith("COPY") and "--from" not in line
        for word in line.split()[1:-1]
        if not word.startswith("--")
    }
    let_in = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"}
    assert copied == let_in
    assert all((project_root() / name).exists() for name in copied)


def test_docker_compose_takes_the_file(tmp_path: Path) -> None:
    program = shutil.which("docker-compose")
    if program is None:
        pytest.skip("needs docker-compose: apt-get install docker-compose")
    words = [program, "--file", str(DEPLOY / "compose.yaml")]
    empty = tmp_path / "empty.env"
    empty.write_text("")
    refused = subprocess.run([*words, "--env-file", str(empty), "config"], capture_output=True, text=True)
    assert refused.returncode != 0
    assert "set it in deploy/.env" in refused.stderr
    filled = tmp_path / "filled.env"
    filled.write_text(
        (DEPLOY / "example.env").read_text().replace("PASSWORD=\n", "PASSWORD=p\n").replace("TOKEN=\n", "TOKEN=t\n")
    )
    taken = subprocess.run([*words, "--env-file", str(filled), "config"], capture_output=True, text=True)
    assert taken.returncode == 0, taken.stderr
    shown = yaml.safe_load(taken.stdout)["services"]
    assert shown["api"]["environment"]["STOCK_ASSETS_SERVE_TOKEN"] == "t"
    assert set(shown) == {"database", "code", "web", "daemon", "api"}


def test_compose_names_settings_that_exist() -> None:
    known = {variable for variable, *_ in Settings.from_environment({}).table()} | {"DAGSTER_POSTGRES_URL"}
    for name, service in OURS.items():
        assert set(service["environment"]) <= known, name


def test_nothing_is_published_to_other_machines_and_no_secret_is_inside() -> None:
    for name, service in COMPOSE["services"].items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
        for variable, value in service["environment"].items():
            if re.search("PASSWORD|TOKEN|URL|WEBHOOK", variable) and "://" in value:
                assert re.search(r"://[^:@]*:\$\{", value) or "@" not in value, variable
            elif re.search("PASSWORD|TOKEN|WEBHOOK", variable):
                assert re.fullmatch(r"\$\{\w+(:.*)?\}", value), variable
    filled = [
        line for line in (DEPLOY / "example.env").read_text().splitlines() if re.match(r"\w*(PASSWORD|TOKEN)=", line)
    ]
    assert filled == ["POSTGRES_PASSWORD=", "STOCK_ASSETS_SERVE_TOKEN="]


@pytest.mark.parametrize("unit", sorted(DEPLOY.glob("*.service")), ids=lambda unit: unit.stem)
def test_systemd_takes_the_unit(unit: Path, tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("needs systemd-analyze")
    # It looks whether the program is there; ours is in another folder.
    here = unit.read_text().replace("/opt/stock_assets/.venv/bin/stock-assets", "/bin/true")
    (tmp_path / unit.name).write_text(here)
    done = subprocess.run([program, "verify", str(tmp_path / unit.name)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unit", sorted(DEPLOY.glob("*.service")), ids=lambda unit: unit.stem)
def test_units_start_commands_that_exist(unit: Path) -> None:
    [line] = [line for line in unit.read_text().splitlines() if line.startswith("ExecStart=")]
    words = line.removeprefix("ExecStart=").split()
    assert words[0] == "/opt/stock_assets/.venv/bin/stock-assets"
    options = [word for word in words if word.startswith("--")]
    shown = subprocess.run(
        [BIN / "stock-assets", words[1], "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert options
    assert all(option in shown for option in options)


def test_dagster_yaml_is_that_of_the_package_with_another_storage() -> None:
    here = yaml.safe_load((DEPLOY / "dagster.yaml").read_text())
    assert here.pop("storage") == {"postgres": {"postgres_url": {"env": "DAGSTER_POSTGRES_URL"}}}
    assert here == yaml.safe_load((project_root() / "stock_assets" / "dagster.yaml").read_text())


def test_the_image_has_the_locked_versions() -> None:
    def pins(path: Path) -> dict[str, str]:
        return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)(?:\[[a-z,]+\])?==([^ ;]+)", path.read_text(), re.MULTILINE))

    root, image = pins(project_root() / "requirements.txt"), pins(DEPLOY / "requirements.txt")
    assert len(root) > 100
    assert {name: image.get(name) for name in root} == root
    extras = tomllib.loads((project_root() / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(extras) == {"server", "cluster"}
    for extra, needed in extras.items():
        assert {re.split(r"[\[><=]", one)[0] for one in needed} <= set(image), extra


def _driver() -> str:
    """The driver that compose.yaml names for Dagster's storage: `+psycopg2`."""
    return re.match(r"postgresql(\+\w+)?://", OURS["web"]["environment"]["DAGSTER_POSTGRES_URL"])[1]


class Composed:
    """The processes of compose.yaml on this machine: its commands and its questions after their health as written, with
    ports that are free and loopback in the place of all addresses."""

    def __init__(self, place: Place, database: str) -> None:
        self.place = place
        self.ports = {port: str(free_port()) for port in ("3000", "4000", "8000")}
        home = Path(place.variables["DAGSTER_HOME"])
        home.mkdir()
        shutil.copy(DEPLOY / "dagster.yaml", home)
        [workspace] = yaml.safe_load((DEPLOY / "workspace.yaml").read_text())["load_from"]
        workspace["grpc_server"] |= {"host": "127.0.0.1", "port": int(self.ports["4000"])}
        (place.folder / "workspace.yaml").write_text(yaml.safe_dump({"load_from": [workspace]}))
        self.environment = place.environment(
            DAGSTER_POSTGRES_URL=database.replace("+psycopg", _driver()),
            STOCK_ASSETS_DATABASE_URL=database,
            STOCK_ASSETS_SOURCE="simulated",
            STOCK_ASSETS_SERVE_TOKEN="let-me-in",
            PYTHONPATH=str(project_root()),
        )
        self.processes: dict[str, subprocess.Popen] = {}

    def here(self, words: list[str]) -> list[str]:
        changed = [word.replace("0.0.0.0", "127.0.0.1") for word in words]
        for port, free in self.ports.items():
            changed = [re.sub(rf"\b{port}\b", free, word) for word in changed]
        return [str(BIN / changed[0]), *changed[1:]]

    def start(self, name: str) -> None:
        with (self.place.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                self.here(OURS[name]["command"]),
                cwd=self.place.folder,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def is_healthy(self, name: str) -> bool:
        asked = OURS[name].get("healthcheck")
        if asked is None:
            return self.processes[name].poll() is None
        kind, *words = asked["test"]
        assert kind == "CMD"
        done = subprocess.run(self.here(words), cwd=self.place.folder, env=self.environment, capture_output=True)
        return done.returncode == 0

    def wait_for(self, name: str) -> None:
        end = time.monotonic() + PATIENCE
        while not self.is_healthy(name):
            told = (self.place.folder / f"{name}.log").read_text()[-3000:]
            assert self.processes[name].poll() is None, f"{name} has ended:\n{told}"
            assert time.monotonic() < end, f"{name} is not healthy:\n{told}"
            time.sleep(0.5)

    def stop(self) -> None:
        for process in reversed(self.processes.values()):
            process.terminate()
        for process in self.processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            with contextlib.suppress(ProcessLookupError):
                # What is left of its group: the code server's children.
                subprocess.os.killpg(process.pid, 9)


@pytest.fixture
def composed(tmp_path: Path, postgres_socket: Path) -> Iterator[Composed]:
    database = postgres.create_database(postgres_socket, f"compose-{uuid.uuid4().hex}")
    composed = Composed(Place(tmp_path / "place"), database)
    try:
        yield composed
    finally:
        composed.stop()


def test_the_services_of_compose_start_in_their_order_and_work_together(composed: Composed) -> None:
    started: list[str] = []
    while len(started) < len(OURS):
        ready = [
            name
            for name, service in OURS.items()
            if name not in started and {*service["depends_on"]} <= {*started, "database"}
        ]
        for name in ready:
            composed.start(name)
            composed.wait_for(name)
            started.append(name)
    query = """{
      workspaceOrError { ... on Workspace { locationEntries { loadStatus } } }
      instance { daemonHealth { allDaemonStatuses { healthy required } } }
    }"""

    def ask() -> dict:
        request = urllib.request.Request(
            f"http://127.0.0.1:{composed.ports['3000']}/graphql",
            json.dumps({"query": query}).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)["data"]

    assert ask()["workspaceOrError"]["locationEntries"] == [{"loadStatus": "LOADED"}]
    end = time.monotonic() + PATIENCE
    while not all(one["healthy"] for one in ask()["instance"]["daemonHealth"]["allDaemonStatuses"] if one["required"]):
        assert time.monotonic() < end
        time.sleep(1)

    # By the same environment, as `docker compose exec code stock-assets run` does it.
    done = subprocess.run(
        [BIN / "stock-assets", "run", "TSLA", "--as-of", "2024-03-08"],
        cwd=composed.place.folder,
        env=composed.environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    request = urllib.request.Request(
        f"http://127.0.0.1:{composed.ports['8000']}/predict?ticker=TSLA&as_of=2024-03-08",
        headers={"Authorization": "Bearer let-me-in"},
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        assert json.load(answer)["as_of"] == "2024-03-08"

"""Dagster's folder and that of the logs: made when absent, left alone when somebody's, told clearly when unusable."""

import hashlib
import sqlite3
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
import yaml

from stock_assets.commands import home
from stock_assets.core.errors import SettingsError
from stock_assets.settings import project_root
from stock_assets_tests.place import PATIENCE, clean_environment


def test_a_new_home_does_not_phone_home(tmp_path: Path) -> None:
    made = home.prepare(tmp_path / "a" / "home")
    assert [path.name for path in made.iterdir()] == ["dagster.yaml"]
    assert yaml.safe_load((made / "dagster.yaml").read_text())["telemetry"] == {"enabled": False}
    with home.instance(made) as instance:
        assert instance.telemetry_enabled is False
        assert instance.root_directory == str(made)


def test_a_home_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    mine = "# mine\ntelemetry:\n  enabled: false\n"
    (tmp_path / "dagster.yaml").write_text(mine)
    (tmp_path / "notes.txt").write_text("keep")
    home.prepare(tmp_path)
    home.instance(tmp_path).dispose()
    assert (tmp_path / "dagster.yaml").read_text() == mine
    assert (tmp_path / "notes.txt").read_text() == "keep"


def test_every_version_of_our_configuration_is_known() -> None:
    """After a change of dagster.yaml, put the new checksum behind the others."""
    ours = project_root() / "stock_assets" / "dagster.yaml"
    assert hashlib.sha256(ours.read_bytes()).hexdigest() == home.OURS[-1]
    assert len(set(home.OURS)) == len(home.OURS)


def test_ours_of_an_earlier_version_is_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.prepare(tmp_path)
    newest = (tmp_path / "dagster.yaml").read_bytes()
    earlier = b"# as it was\nrun_queue:\n  max_concurrent_runs: 2\n"
    monkeypatch.setattr(home, "OURS", (hashlib.sha256(earlier).hexdigest(), *home.OURS))
    (tmp_path / "dagster.yaml").write_bytes(earlier)
    assert not home.is_changed(tmp_path)
    home.prepare(tmp_path)
    assert (tmp_path / "dagster.yaml").read_bytes() == newest
    assert [path.name for path in tmp_path.iterdir()] == ["dagster.yaml"]
    (tmp_path / "dagster.yaml").write_bytes(earlier + b"# mine\n")
    home.prepare(tmp_path)
    assert (tmp_path / "dagster.yaml").read_bytes() == earlier + b"# mine\n"


def test_what_somebody_has_changed_is_known(tmp_path: Path) -> None:
    assert not home.is_changed(tmp_path / "home")
    home.prepare(tmp_path / "home")
    assert not home.is_changed(tmp_path / "home")
    with (tmp_path / "home" / "dagster.yaml").open("a") as mine:
        mine.write("# mine\n")
    assert home.is_changed(tmp_path / "home")
    (tmp_path / "odd" / "dagster.yaml").mkdir(parents=True)
    for look in (home.is_changed, home.prepare):
        with pytest.raises(SettingsError, match=r"DAGSTER_HOME .*odd can't be used: .*Is a directory"):
            look(tmp_path / "odd")


def test_an_empty_configuration_is_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text("")
    home.prepare(tmp_path)
    assert (tmp_path / "dagster.yaml").read_text() == ""


def test_our_configuration_is_one_that_dagster_takes(tmp_path: Path) -> None:
    with home.instance(tmp_path) as instance:
        assert isinstance(instance, dg.DagsterInstance)
        assert instance.get_runs() == []


MAKE_AT_A_SIGN = """
import pathlib, sys, time
import dagster
from stock_assets.commands import home
folder = pathlib.Path(sys.argv[1])
print("ready", flush=True)
while not folder.exists():
    time.sleep(0.001)
home.instance(folder).dispose()
"""


def test_two_processes_that_make_it_at_once_make_it_well(tmp_path: Path) -> None:
    """Left to itself, Dagster then writes its databases' version twice, and refuses them from that moment on."""
    folder = tmp_path / "home"
    makers = [
        subprocess.Popen(
            [sys.executable, "-c", MAKE_AT_A_SIGN, str(folder)],
            cwd=project_root(),
            env=clean_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for maker in makers:
        assert maker.stdout is not None
        assert maker.stdout.readline() == "ready\n"
    folder.mkdir()
    for maker in makers:
        _, err = maker.communicate(timeout=PATIENCE)
        assert maker.returncode == 0, err
    databases = list(folder.rglob("*.db"))
    assert len(databases) == 3
    for database in databases:
        with sqlite3.connect(database) as connection:
            assert connection.execute("select count(*) from alembic_version").fetchall() == [(1,)]
        connection.close()
    home.instance(folder).dispose()


def test_databases_that_dagster_refuses_are_told_in_a_line(tmp_path: Path) -> None:
    home.instance(tmp_path).dispose()
    with sqlite3.connect(tmp_path / "history" / "runs.db") as connection:
        connection.execute("insert into alembic_version values ('another')")
    connection.close()
    with pytest.raises(SettingsError, match=f"DAGSTER_HOME {tmp_path} can't be used: Version table 'alembic_version'"):
        home.instance(tmp_path)


def test_a_file_in_the_place_of_the_home(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "home"):
        with pytest.raises(SettingsError, match=f"DAGSTER_HOME {place} can't be used: .*; expected a folder"):
            home.instance(place)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("telemetry: [", "while parsing a flow node"),
        ("no_such_thing: 1", 'unexpected config entry "no_such_thing"'),
        ("telemetry:\n  enabled: maybe\n", "telemetry"),
    ],
)
def test_a_bad_configuration_is_told_in_a_line_and_not_in_ten_thousand_characters(
    tmp_path: Path, content: str, told: str
) -> None:
    (tmp_path / "dagster.yaml").write_text(content)
    with pytest.raises(SettingsError) as caught:
        home.instance(tmp_path)
    message = str(caught.value)
    assert message.startswith(f"DAGSTER_HOME {tmp_path} can't be used: ")
    assert told in message
    assert "\n" not in message
    assert len(message) < 200 + 300


def test_the_folder_for_logs(tmp_path: Path) -> None:
    home.prepare_logs(tmp_path / "a" / "logs")
    assert (tmp_path / "a" / "logs").is_dir()
    home.prepare_logs(tmp_path / "a" / "logs")
    (tmp_path / "file").write_text("")
    with pytest.raises(
        SettingsError, match=r"STOCK_ASSETS_LOG_DIR .*file can't be used: File exists; expected a folder"
    ):
        home.prepare_logs(tmp_path / "file")
    with pytest.raises(SettingsError, match=r"STOCK_ASSETS_LOG_DIR .* can't be used: Not a directory"):
        home.prepare_logs(tmp_path / "file" / "logs")

"""Dagster's folder and that of the logs: made when absent, left alone when there, told clearly when unusable."""

from pathlib import Path

import dagster as dg
import pytest
import yaml

from stock_assets.commands import home
from stock_assets.core.errors import SettingsError


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


def test_an_empty_configuration_is_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text("")
    home.prepare(tmp_path)
    assert (tmp_path / "dagster.yaml").read_text() == ""


def test_our_configuration_is_one_that_dagster_takes(tmp_path: Path) -> None:
    with home.instance(tmp_path) as instance:
        assert isinstance(instance, dg.DagsterInstance)
        assert instance.get_runs() == []


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

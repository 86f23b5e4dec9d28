"""The limit on requests holds for all threads and processes together, and survives whatever happens to them."""

import logging
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st

from stock_assets.sources import throttle


class Clock:
    """A clock that only moves when somebody sleeps."""

    def __init__(self, moment: float = 1_700_000_000.0) -> None:
        self.moment = moment

    def now(self) -> float:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.moment += seconds


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "new" / "requests"


def bucket(file: Path, clock: Clock, per_minute: float = 120, burst: int = 3) -> throttle.Throttle:
    return throttle.Throttle(file, per_minute, burst, clock=clock.now, sleep=clock.sleep)


def test_a_burst_goes_at_once_and_what_follows_at_the_rate(file: Path) -> None:
    tokens = bucket(file, Clock())

    assert [tokens.take() for _ in range(6)] == pytest.approx([0, 0, 0, 0.5, 0.5, 0.5], abs=1e-5)


def test_a_pause_fills_the_bucket_and_does_not_overfill_it(file: Path) -> None:
    clock = Clock()
    tokens = bucket(file, clock)
    for _ in range(3):
        tokens.take()

    clock.moment += 3600

    assert [tokens.take() for _ in range(4)] == pytest.approx([0, 0, 0, 0.5], abs=1e-5)


def test_the_same_file_is_the_same_bucket(file: Path) -> None:
    clock = Clock()
    first, second = bucket(file, clock), bucket(file, clock)
    for _ in range(3):
        first.take()

    assert second.take() == pytest.approx(0.5, abs=1e-5)


def test_waiting_too_long_is_refused_at_once_and_costs_no_token(file: Path) -> None:
    clock = Clock()
    impatient = throttle.Throttle(file, 1, 1, clock=clock.now, sleep=lambda seconds: None)
    waits = [impatient.take() for _ in range(3)]

    for _ in range(2):
        with pytest.raises(
            throttle.NoTokenError, match=r"the next of 1 requests a minute is 180 s away; .* 120 s"
        ) as no:
            impatient.take()
        assert no.value.wait == pytest.approx(180, abs=1e-5)

    assert waits == pytest.approx([0, 60, 120], abs=1e-5)
    clock.moment += 60
    assert impatient.take() == pytest.approx(120, abs=1e-5)


@pytest.mark.parametrize("text", ["", "17000", "nonsense", "nan", "inf", "1e300"])
def test_a_damaged_file_is_a_full_bucket(file: Path, text: str) -> None:
    tokens = bucket(file, Clock())
    tokens.take()
    file.write_text(text)

    assert [tokens.take() for _ in range(4)] == pytest.approx([0, 0, 0, 0.5], abs=1e-5)


def test_a_clock_that_was_put_back_does_not_stop_everything(file: Path) -> None:
    clock = Clock()
    tokens = bucket(file, clock)
    tokens.take()

    clock.moment -= 86_400

    assert tokens.take() == 0


@pytest.mark.parametrize(("seconds", "level"), [(0.9, None), (3, logging.INFO), (30, logging.WARNING)])
def test_long_waits_are_logged(file: Path, caplog: pytest.LogCaptureFixture, seconds: float, level: int | None) -> None:
    caplog.set_level(logging.INFO)
    tokens = bucket(file, Clock(), per_minute=60 / seconds, burst=1)
    tokens.take()
    assert caplog.records == []

    tokens.take()

    assert [record.levelno for record in caplog.records] == ([] if level is None else [level])
    if level is not None:
        assert f"waiting {seconds:.1f} s for one of {60 / seconds:g} requests a minute" in caplog.text


@hypothesis.settings(suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture], max_examples=40)
@hypothesis.given(pauses=st.lists(st.floats(0, 5), min_size=1, max_size=25), burst=st.integers(1, 5))
def test_no_stretch_of_time_sees_more_than_burst_and_rate_allow(file: Path, pauses: list[float], burst: int) -> None:
    file.unlink(missing_ok=True)
    clock = Clock()
    tokens, sent = bucket(file, clock, per_minute=60, burst=burst), []
    for pause in pauses:
        clock.moment += pause
        tokens.take()
        sent.append(clock.moment)

    for first in range(len(sent)):
        for last in range(first, len(sent)):
            assert last - first + 1 <= burst + (sent[last] - sent[first]) + 1e-3


def test_threads_share_the_limit(file: Path) -> None:
    tokens = throttle.Throttle(file, 60 * 50, 2)
    started = time.monotonic()
    threads = [threading.Thread(target=lambda: [tokens.take() for _ in range(3)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    # 12 tokens, 2 at once, 50 a second.
    assert time.monotonic() - started >= 10 / 50 - 0.01


TAKE = """
import pathlib, sys, time
from stock_assets.sources import throttle
tokens = throttle.Throttle(pathlib.Path(sys.argv[1]), 60 * 20, 5)
print("ready", flush=True)
sys.stdin.readline()
for _ in range(6):
    tokens.take()
    print(time.time(), flush=True)
"""


def test_processes_share_the_limit(file: Path) -> None:
    command = [sys.executable, "-c", TAKE, str(file)]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    started = time.time()
    sent = [float(line) for process in processes for line in process.communicate("go\n")[0].split()]

    assert len(sent) == 24
    # 5 at once, each of the others a twentieth of a second later; less a hair, as clocks are read one after another.
    assert max(sent) - started >= 19 / 20 - 0.01


KILLED = """
import pathlib, sys
import filelock
with filelock.FileLock(sys.argv[1] + ".lock"):
    print("locked", flush=True)
    sys.stdin.readline()
"""


def test_a_process_killed_with_the_lock_in_its_hands_holds_up_nobody(file: Path) -> None:
    tokens = throttle.Throttle(file, 120)
    tokens.take()
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        process.send_signal(signal.SIGKILL)

    # It would wait for the lock as long as somebody holds it.
    assert tokens.take() == 0

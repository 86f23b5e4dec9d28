"""kill -9 at random moments of taking runs and sending alerts: everything is told, and hardly anything twice."""

import math
import os
import random
import signal
import subprocess
import sys

from stock_assets.settings import project_root
from stock_assets_tests.monitoring import servers
from stock_assets_tests.monitoring.killed_senders import TICKERS

KILLS = 12


def test_killed_at_random_moments_each_is_told_and_an_id_comes_again_at_most_once_a_kill(database_url):
    random_moment = random.Random(6)
    with servers.webhook() as hook:
        program = [sys.executable, "-m", "stock_assets_tests.monitoring.killed_senders", database_url, hook.url]
        with subprocess.Popen(
            program, cwd=project_root(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        ) as senders:
            assert senders.stdin is not None
            assert senders.stdout is not None
            for kill in range(KILLS):
                enough = hook.asked + random_moment.randint(1, 4)
                # However late we look, there are messages left for the next one.
                hook.most = enough + 2
                senders.stdin.write(f"{kill * 10}\n")
                child = int(senders.stdout.readline())
                servers.until(lambda enough=enough: hook.asked >= enough)
                os.kill(child, signal.SIGKILL)
                assert senders.stdout.readline() == "over\n"
            hook.most = math.inf
            senders.stdin.write(f"{KILLS * 10}\n")
            senders.stdout.readline()
            assert senders.stdout.readline() == "over\n"
            senders.stdin.close()
            assert senders.wait() == 0

    told = [(content["text"].partition(":")[0], "works again" in content["text"]) for _, content in hook.taken]
    expected = {(ticker, False) for ticker in TICKERS} | {(ticker, True) for ticker in TICKERS[1::2]}
    assert set(told) == expected
    by_id = dict(zip(hook.ids, told, strict=True))
    assert sorted(by_id.values()) == sorted(expected)  # no two messages for one thing
    repeated = [n for n, one in enumerate(hook.ids) if one in hook.ids[:n]]
    assert len(repeated) <= KILLS
    # Only the last one before the kill comes again, and before anything else.
    assert all(hook.ids[n - 1] == hook.ids[n] for n in repeated)

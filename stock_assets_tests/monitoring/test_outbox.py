"""Messages: gathered, in order, each told once to each receiver, whatever fails in between."""

import datetime
import itertools
import types

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.monitoring import condition_store, gathering, outbox, tables
from stock_assets.monitoring.conditions import Condition, Event, Kind, Subject
from stock_assets.monitoring.database import open_database
from stock_assets.monitoring.receivers import DeliveryError, Log, Webhook
from stock_assets_tests.monitoring import servers
from stock_assets_tests.monitoring.alerting import (
    EVENING,
    FRIDAY,
    MONDAY,
    UI,
    Collector,
    after,
    evening,
    everything,
    run,
    send,
    take,
)

DOWN = DeliveryError("gone fishing")


def test_nothing_wrong_nothing_told(database):
    hook = Collector()
    take(database, run(), run("STX"))
    before = everything(database)
    evening(database, 0, 5, hook)
    assert hook.asked == 0
    assert everything(database) == before


def test_one_failure_is_told_after_half_a_minute_and_its_end_as_well(database):
    hook = Collector()
    take(database, run(fails="503"))
    send(database, after(0.49), hook)
    assert hook.titles == []
    evening(database, 0.5, 10, hook)
    assert hook.titles == ["TSLA: raw_prices failed, session 2026-11-20"]
    take(database, run(minute=60))
    evening(database, 60, 70, hook)
    assert hook.titles[1:] == ["TSLA: raw_prices works again, session 2026-11-20"]


def test_those_of_a_kind_within_half_a_minute_are_one_message(database):
    hook = Collector()
    take(database, run("TSLA", 0, fails="503"), run("STX", 0.3, fails="503"), run("KO", 0.4, check="warn"))
    evening(database, 0.5, 5, hook)
    assert hook.titles == [
        "STX and TSLA: raw_prices failed, session 2026-11-20",
        "KO: check is_right on raw_prices warns, session 2026-11-20",
    ]
    assert [message.severity for message in hook.taken] == ["error", "warn"]


def test_five_hundred_tickers_that_fail_for_one_reason_within_two_hours_are_few_messages(database):
    hook = Collector()
    names = [f"T{n:03}" for n in range(500)]
    for minute in range(120):
        with database.begin() as connection:
            for name in names[minute * 500 // 120 : (minute + 1) * 500 // 120]:
                condition_store.take_run(connection, run(name, minute, fails=f"{name} 503"), after(minute))
        send(database, after(minute + 0.5), hook)
    evening(database, 120, 140, hook, step=1)
    assert len(hook.taken) <= 10
    assert [message.created for message in hook.taken] == sorted(message.created for message in hook.taken)
    told = [ticker for message in hook.taken for ticker in message.details["tickers"]]
    assert sorted(told) == names
    assert hook.titles[1].endswith(" more: raw_prices failed, session 2026-11-20")


def test_five_hundred_at_once_are_one(database):
    hook = Collector()
    with database.begin() as connection:
        for n in range(500):
            condition_store.take_run(connection, run(f"T{n:03}", fails="503"), EVENING)
    evening(database, 0, 2, hook)
    assert hook.titles == ["T000, T001 and 498 more: raw_prices failed, session 2026-11-20"]


def test_a_group_that_was_just_told_waits_a_quarter_of_an_hour(database):
    hook = Collector()
    take(database, run("TSLA", 0, fails="503"))
    evening(database, 0, 5, hook)
    take(database, run("STX", 5, fails="503"))
    evening(database, 5, 19.5, hook)
    take(database, run("KO", 19.6, fails="503"))
    assert len(hook.taken) == 1
    evening(database, 20, 25, hook)
    assert hook.titles[1:] == ["KO and STX: raw_prices failed, session 2026-11-20"]
    # An hour after the last of the group, half a minute is enough again.
    take(database, run("AAPL", 80.5, fails="503"))
    send(database, after(81), hook)
    assert hook.titles[2:] == ["AAPL: raw_prices failed, session 2026-11-20"]


def test_the_end_is_never_told_before_the_beginning(database):
    hook = Collector()
    take(database, run("KO", 0, fails="503"))
    evening(database, 0, 2, hook)
    take(
        database, run("TSLA", 2, fails="503"), run("TSLA", 3)
    )  # the first waits for 15 minutes, its end for half a one
    evening(database, 3, 5, hook)
    assert hook.titles[1:] == [
        "TSLA: raw_prices failed, session 2026-11-20",
        "TSLA: raw_prices works again, session 2026-11-20",
    ]


def test_each_receiver_gets_all_in_order_and_one_that_is_down_holds_up_no_other(database, tmp_path):
    hook, post, log = Collector("webhook"), Collector("email"), Log(tmp_path)
    hook.down = DOWN
    for hour in range(6):
        take(database, run(f"T{hour}", hour * 60, fails="503"))
        evening(database, hour * 60, hour * 60 + 59, hook, post, log, step=1)
    assert len(post.titles) == 6
    assert hook.titles == []
    assert hook.asked < 30  # and not asked every minute
    hook.down = None
    evening(database, 360, 430, hook, post, log, step=1)
    assert [message.id for message in hook.taken] == [message.id for message in post.taken]
    assert [message.number for message in hook.taken] == [1, 2, 3, 4, 5, 6]
    lines = (tmp_path / "alerts.log").read_text().splitlines()
    assert [line.rpartition("[")[2][:-1] for line in lines if " ERROR T" in line] == [one.id for one in post.taken]
    assert any("webhook did not take alert" in line and "gone fishing" in line for line in lines)


def test_waits_double_up_to_an_hour(database):
    hook = Collector(down=DOWN)
    take(database, run(fails="503"))
    asked, minute = [], 0.5
    while minute < 300:
        before = hook.asked
        send(database, after(minute), hook)
        if hook.asked > before:
            asked.append(minute)
        minute += 0.5
    waits = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert waits == [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_receiver_that_asks_for_more_time_gets_it(database):
    hook = Collector(down=DeliveryError("busy", retry_after=datetime.timedelta(minutes=10)))
    take(database, run(fails="503"))
    send(database, after(1), hook)
    hook.down = None
    evening(database, 1.5, 10.5, hook)
    assert hook.asked == 1
    send(database, after(11), hook)
    assert len(hook.taken) == 1


def test_what_is_refused_for_good_is_kept_and_lets_the_next_pass(database, tmp_path):
    hook, log = Collector(), Log(tmp_path)
    outbox.send_test(database, [hook], after(0), ui_url=UI)
    hook.taken, hook.asked, hook.down = [], 0, DeliveryError("400 invalid_payload", refused=True)
    take(database, run(fails="503"), run("STX", minute=1, check="warn", session=MONDAY))
    send(database, after(2), hook, log)
    send(database, after(3), hook, log)
    assert hook.asked == 2
    assert [one.given_up for one in hook_unsent(database)] == [False, False]
    sent = send(database, after(10), hook, log)
    assert "given up after 3 attempts" in sent.problems[0]
    hook.down = None
    evening(database, 10, 30, hook, log)
    assert hook.titles == ["STX: check is_right on raw_prices warns, session 2026-11-23"]
    [kept] = hook_unsent(database)
    assert (kept.given_up, kept.attempts, kept.error) == (True, 3, "refused: 400 invalid_payload")
    assert kept.title == "TSLA: raw_prices failed, session 2026-11-20"
    assert "given up after 3 attempts" in (tmp_path / "alerts.log").read_text()


def test_a_receiver_that_has_never_taken_anything_may_be_set_wrongly_and_nothing_is_given_up(database):
    """Mattermost answers 400 where the webhook does not exist."""
    hook = Collector(down=DeliveryError("400 Invalid webhook", refused=True))
    take(database, run(fails="503"), run("STX", check="warn"))
    evening(database, 0.5, 600, hook, step=5)
    assert [one.given_up for one in hook_unsent(database)] == [False, False]
    hook.down = None
    evening(database, 600, 700, hook, step=5)
    assert [message.number for message in hook.taken] == [1, 2]


def test_a_webhook_whose_url_is_wrong_for_a_week_gets_all_once_it_is_right(database):
    with servers.webhook() as hook:
        receiver = Webhook(hook.url)
        hook.answers = [(404, {}, b"no_service"), (401, {}, b""), (302, {"Location": "/login"}, b"")] * 60
        for day in range(7):
            take(database, run(f"T{day}", day * 1440, session=FRIDAY - datetime.timedelta(days=7 * day), fails="503"))
            evening(database, day * 1440, day * 1440 + 1439, receiver, step=60)
        assert hook.taken == []
        assert [one.given_up for one in hook_unsent(database)] == [False] * 7
        hook.answers = []
        evening(database, 7 * 1440, 7 * 1440 + 120, receiver, step=60)
        assert [text.partition(":")[0] for text in hook.texts] == [f"T{day}" for day in range(7)]


def hook_unsent(database) -> list[outbox.Unsent]:
    with database.reading() as connection:
        return [one for one in outbox.unsent(connection) if one.receiver == "webhook"]


def test_one_refusal_after_a_long_outage_is_not_the_end(database):
    hook = Collector(down=DOWN)
    take(database, run(fails="503"))
    evening(database, 0.5, 20, hook)
    hook.down = DeliveryError("400", refused=True)
    evening(database, 20, 40, hook)
    assert not hook_unsent(database)[0].given_up
    hook.down = None
    evening(database, 40, 120, hook)
    assert len(hook.taken) == 1


def test_no_more_than_the_limit_a_call(database):
    hook = Collector()
    take(database, *(run(f"T{n}", session=FRIDAY - datetime.timedelta(days=7 * n), fails="503") for n in range(7)))
    for expected in (3, 6, 7, 7):
        send(database, after(1), hook, limit=3)
        assert len(hook.taken) == expected


def test_slow_receivers_take_turns_and_leave_the_rest_to_the_next_call(database, monkeypatch):
    clock = [0.0]

    class Slow(Collector):
        def send(self, message, now):
            clock[0] += 4.0
            return super().send(message, now)

    monkeypatch.setattr(outbox, "time", types.SimpleNamespace(monotonic=lambda: clock[0]))
    take(database, *(run(f"T{n}", session=FRIDAY - datetime.timedelta(days=7 * n), fails="503") for n in range(7)))
    hook, post = Slow("webhook"), Slow("email")
    for expected in (2, 4, 6, 7, 7):
        before = clock[0]
        send(database, after(1), hook, post)
        assert (len(hook.taken), len(post.taken)) == (expected, expected)
        assert clock[0] - before <= outbox.SECONDS + 2 * 4.0
    assert [message.number for message in post.taken] == [1, 2, 3, 4, 5, 6, 7]


def test_a_new_process_goes_on_where_the_other_stopped(database_url):
    hook = Collector(down=DOWN)
    for minute in range(0, 20, 2):
        database = open_database(database_url)
        take(database, run(f"T{minute}", minute, session=FRIDAY, check="error"))
        hook.down = DOWN if minute < 10 else None
        evening(database, minute + 0.5, minute + 1.5, hook)
        database.close()
    database = open_database(database_url)
    evening(database, 20, 60, hook)
    database.close()
    assert sorted(ticker for message in hook.taken for ticker in message.details["tickers"]) == sorted(
        f"T{minute}" for minute in range(0, 20, 2)
    )


def test_a_crash_between_answer_and_mark_repeats_the_id_and_nothing_else(database, monkeypatch):
    hook = Collector()
    take(database, run(fails="503"), run("STX", check="warn"))

    class Killed(BaseException):
        pass

    def die(*_):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(hook, "send", lambda message, now: (Collector.send(hook, message, now), die()))
        with pytest.raises(Killed):
            send(database, after(1), hook)
    send(database, after(1.5), hook)
    assert len(hook.taken) == 1  # left to its sender while that may be at it
    send(database, after(3), hook)
    first, again, other = hook.taken
    assert first.id == again.id != other.id
    assert send(database, after(500), hook).delivered == 0


def test_another_sender_does_not_take_what_one_is_at(database):
    take(database, run(fails="503"))
    other = Collector()

    class Slow(Collector):
        def send(self, message, now):
            send(database, after(1.5), other)
            return super().send(message, now)

    slow = Slow()
    send(database, after(1), slow)
    assert (len(slow.taken), other.asked) == (1, 0)


def test_a_test_goes_everywhere_at_once_and_is_not_repeated(database, tmp_path):
    hook, down = Collector(), Collector("email", down=DeliveryError("no such host"))
    take(database, run(fails="503"))
    answers = outbox.send_test(database, [Log(tmp_path), hook, down], after(0), ui_url=UI)
    assert answers == [
        ("log", True, str(tmp_path / "alerts.log")),
        ("webhook", True, "taken"),
        ("email", False, "no such host"),
    ]
    assert hook.titles == ["Test of the alerts of stock_assets"]
    evening(database, 0, 30, hook, down)
    assert [message.event for message in hook.taken] == ["test", "opened"]
    with database.reading() as connection:
        assert [one.receiver for one in outbox.unsent(connection)] == ["email"]


def test_a_webhook_that_is_down_for_hours_and_back(database):
    with servers.webhook() as hook:
        hook.answers = [(503, {}, b"")] * 6 + [(429, {"Retry-After": "7200"}, b"")]
        receiver = Webhook(hook.url)
        for hour in range(8):
            take(database, run(f"T{hour}", hour * 60, fails="503"))
            evening(database, hour * 60, hour * 60 + 59, receiver, step=5)
        assert len(hook.ids) == len(set(hook.ids)) == 8
        assert [text.partition(":")[0] for text in hook.texts] == [f"T{hour}" for hour in range(8)]


@given(st.integers(1, 10**6))
def test_waits_are_from_half_a_minute_to_an_hour(attempts):
    assert outbox.FIRST_WAIT <= outbox.back_off(attempts) <= outbox.LONGEST_WAIT
    assert outbox.back_off(attempts) <= outbox.back_off(attempts + 1)


def test_names_as_long_as_they_may_be_fit_the_group():
    subject = Subject(Kind.MODEL_EXPIRED, "T", "a" * 128, "c" * 128)
    long = Condition(subject, FRIDAY, FRIDAY, "warn", None, None, "", None, EVENING)
    assert len(gathering.group_of(long, Event.RECOVERED)) <= tables.messages.c.group.type.length


def test_the_database_keeps_every_message(database):
    take(database, run(fails="503"))
    send(database, after(1))
    with database.reading() as connection:
        [row] = connection.execute(sa.select(tables.messages)).mappings()
    assert (row["number"], row["event"], row["created"]) == (1, "opened", after(1))
    assert row["details"]["tickers"] == ["TSLA"]

"""The log and the webhook: what they are sent, what they answer, what they never tell."""

import datetime
import json
import logging
import socket
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.core.errors import SettingsError
from stock_assets.monitoring import receivers
from stock_assets.monitoring.receivers import DeliveryError, Log, Message, Webhook
from stock_assets_tests.monitoring import servers

NOW = datetime.datetime(2026, 11, 20, 22, 40, 5, tzinfo=datetime.UTC)
LINK = "http://127.0.0.1:3000/runs/1"


def message(**other) -> Message:
    given = {
        "id": "7b1f",
        "number": 3,
        "event": "opened",
        "severity": "error",
        "title": "TSLA: raw_prices failed, session 2026-11-20",
        "text": f"What happened: <time-out> & more\n\n{LINK}",
        "details": {"tickers": ["TSLA"], "conditions": [], "link": LINK},
        "created": NOW,
    }
    return Message(**(given | other))


@pytest.fixture
def hook():
    with servers.webhook() as running:
        yield running


def test_the_log_has_a_line_a_message_with_its_zone(tmp_path):
    log = Log(tmp_path / "logs")
    log.send(message(), NOW)
    log.send(message(event="recovered", title="fine\nagain"), NOW)
    first, second = (tmp_path / "logs" / "alerts.log").read_text().splitlines()
    assert first == (
        "2026-11-20T22:40:05+0000 ERROR TSLA: raw_prices failed, session 2026-11-20: "
        f"What happened: <time-out> & more / {LINK} [7b1f]"
    )
    assert second.startswith("2026-11-20T22:40:05+0000 INFO fine again: ")


def test_a_log_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "logs").write_text("a file where the folder should be")
    with pytest.raises(DeliveryError, match="can't be written") as caught:
        Log(tmp_path / "logs").send(message(), NOW)
    assert not caught.value.refused


def test_a_full_disk_is_an_error():
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)
    log = Log(Path("/nowhere"))
    log._path = Path("/dev/full")
    with pytest.raises(DeliveryError, match="No space left"):
        log.send(message(), NOW)


def test_a_webhook_gets_slacks_json_and_the_id(hook):
    assert Webhook(hook.url).send(message(), NOW) == "127.0.0.1 answered 200 ok"
    [(headers, content)] = hook.taken
    assert headers["Idempotency-Key"] == "7b1f"
    assert headers["Content-Type"] == "application/json"
    assert content["text"] == (
        f"TSLA: raw_prices failed, session 2026-11-20\nWhat happened: &lt;time-out&gt; &amp; more\n\n{LINK}"
    )
    assert [block["text"]["text"] for block in content["blocks"]] == [
        "TSLA: raw_prices failed, session 2026-11-20",
        "What happened: &lt;time-out&gt; &amp; more",
        f"<{LINK}|Open in Dagster>",
    ]


@given(
    title=st.text(max_size=300),
    text=st.text(alphabet="<&>a \n", max_size=9000),
    tickers=st.integers(0, 3000),
)
def test_whatever_is_told_slack_takes_it(title, text, tickers):
    names = [f"T{n}" for n in range(tickers)]
    payload = receivers.slack_payload(message(title=title, text=text, details={"tickers": names, "link": LINK}))
    header, *sections = payload["blocks"]
    assert len(header["text"]["text"]) <= 150
    assert all(len(section["text"]["text"]) <= 3000 for section in sections)
    assert len(payload["text"]) <= 4000
    plain = [block["text"]["text"] for block in (header, *sections[:-1])]
    for shown in (payload["text"], *plain):
        assert "<" not in shown
        assert ">" not in shown
        assert all(part.startswith(("amp;", "lt;", "gt;")) for part in shown.split("&")[1:])


def test_a_list_that_is_too_long_says_how_many_more_there_are():
    names = [f"T{n:03}" for n in range(700)]
    payload = receivers.slack_payload(message(details={"tickers": names, "link": LINK}))
    listed = payload["blocks"][2]["text"]["text"]
    kept, _, more = listed.partition(" and ")
    assert kept.split(", ") == names[: len(kept.split(", "))]
    assert more == f"{700 - len(kept.split(', '))} more"
    assert len(listed) > 2900


@pytest.mark.parametrize(
    ("status", "refused"),
    [(400, True), (413, True), (422, True)]
    + [(status, False) for status in (302, 401, 403, 404, 405, 408, 410, 429, 500, 503)],
)
def test_which_answers_are_about_the_message_and_not_about_the_url(hook, status, refused):
    hook.answers.append((status, {"Location": "/elsewhere"}, b"no <thanks>\n\n"))
    with pytest.raises(DeliveryError, match=f"127.0.0.1 answered {status}( no <thanks>)?$") as caught:
        Webhook(hook.url).send(message(), NOW)
    assert caught.value.refused is refused
    assert hook.asked == 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        ("Fri, 20 Nov 2026 22:41:05 GMT", 60),
        ("Fri, 20 Nov 2026 22:00:00 GMT", 0),
        ("9" * 400, 86400),
        ("Sun, 20 Nov 2044 22:41:05 GMT", 86400),
        ("soon", None),
        ("-5", None),
        ("²", None),
    ],
)
def test_retry_after_is_heeded(hook, value, seconds):
    wanted = None if seconds is None else datetime.timedelta(seconds=seconds)
    assert receivers.retry_after(value, NOW) == wanted
    if value.isascii():
        hook.answers.append((429, {"Retry-After": value}, b""))
        with pytest.raises(DeliveryError) as caught:
            Webhook(hook.url).send(message(), NOW)
        assert caught.value.retry_after == wanted


def test_nobody_there_or_hanging_up(hook):
    hook.answers.append((0, {}, b""))
    with pytest.raises(DeliveryError, match=r"127.0.0.1 can't be reached, or hung up"):
        Webhook(hook.url).send(message(), NOW)
    with pytest.raises(DeliveryError, match=r"127.0.0.1 can't be reached") as caught:
        Webhook("http://127.0.0.1:9/services/hush").send(message(), NOW)
    assert not caught.value.refused


def test_one_that_is_silent_is_left_after_the_time_out(monkeypatch):
    monkeypatch.setattr(receivers, "TIMEOUT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/hush"
        with pytest.raises(DeliveryError, match=r"127.0.0.1 did not answer within 0.1 s"):
            Webhook(url).send(message(), NOW)


def test_the_url_is_told_nowhere(hook, caplog):
    caplog.set_level(logging.INFO)
    url = hook.url.replace("127.0.0.1", "user:password@127.0.0.1") + "?token=hush"
    receiver = Webhook(url)
    hook.answers += [(400, {}, b"bad: " + url.encode()), (0, {}, b"")]
    told = [repr(receiver), receiver.send.__doc__ or ""]
    for _ in range(2):
        with pytest.raises(DeliveryError) as caught:
            receiver.send(message(), NOW)
        told += [str(caught.value), repr(caught.getrepr(chain=True, showlocals=False).reprcrash)]
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert not [text for text in (*told, caplog.text) if "hush" in text or "password@" in text or "T00" in text]


@pytest.mark.parametrize(
    "url", ["hooks.slack.com/services/hush", "ftp://hush/", "http://", "http://h:hush", "http://a b/"]
)
def test_what_is_no_url_is_refused_without_being_told(url):
    with pytest.raises(SettingsError, match="STOCK_ASSETS_ALERT_WEBHOOK is no URL; expected") as caught:
        Webhook(url)
    assert "hush" not in str(caught.value)


def test_the_payload_is_plain_json():
    assert json.loads(json.dumps(receivers.slack_payload(message())))["blocks"][0]["type"] == "header"

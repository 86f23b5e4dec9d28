"""Alerts by e-mail: what is sent, what servers answer, passwords, and headers that take no line breaks."""

import base64
import datetime

import pytest

from stock_assets.core.errors import SettingsError
from stock_assets.monitoring import mail
from stock_assets.monitoring.mail import Email, Server
from stock_assets.monitoring.receivers import DeliveryError
from stock_assets_tests.monitoring import servers
from stock_assets_tests.monitoring.test_receivers import LINK, message

NOW = datetime.datetime(2026, 11, 20, 22, 40, 5, tzinfo=datetime.UTC)


@pytest.fixture
def post():
    with servers.smtp() as running:
        yield running


def receiver(post: servers.Post, *to: str, user: str | None = None, password: str | None = None) -> Email:
    return Email(Server("127.0.0.1", post.port, False, user, password), to or ("you@example.com",))


def test_an_email_says_what_is_wrong(post):
    told = receiver(post, "you@example.com", "her@example.com").send(
        message(details={"tickers": ["STX", "TSLA"], "link": LINK}), NOW
    )
    assert told == f"127.0.0.1:{post.port} took it for you@example.com, her@example.com"
    [got] = post.mails
    assert got["Subject"] == "TSLA: raw_prices failed, session 2026-11-20"
    assert (got["From"], got["To"]) == ("you@example.com", "you@example.com, her@example.com")
    assert got["Date"] == "Fri, 20 Nov 2026 22:40:05 +0000"
    assert (got["Message-ID"], got["Idempotency-Key"]) == ("<7b1f@example.com>", "7b1f")
    assert got.get_content() == f"What happened: <time-out> & more\n\n{LINK}\n\nAll 2: STX, TSLA\n"
    assert len(post.recipients) == 2


def test_no_line_of_a_title_becomes_a_header(post):
    receiver(post).send(message(title="TSLA\r\nBcc: thief@example.com\n\nhello", text=".\r\nQUIT\r\n.."), NOW)
    [got] = post.mails
    assert got["Subject"] == "TSLA Bcc: thief@example.com hello"
    assert got["Bcc"] is None
    assert got.get_content().startswith(".\nQUIT\n..\n")
    assert len(post.recipients) == 1


def test_words_of_any_language_arrive(post):
    receiver(post).send(message(title="Société Générale: 価格", text="naïve 価格"), NOW)
    [got] = post.mails
    assert got["Subject"] == "Société Générale: 価格"
    assert "naïve 価格" in got.get_content()


def test_the_password_goes_to_this_machine_only_without_encryption(post, monkeypatch):
    receiver(post, user="me@example.com", password="hush").send(message(), NOW)
    assert base64.b64decode(post.logins[0].split()[-1]) == b"\0me@example.com\0hush"
    monkeypatch.setattr(mail, "_LOOPBACK", ())
    with pytest.raises(DeliveryError, match="it offers no encryption, and the password needs one"):
        receiver(post, user="me", password="hush").send(message(), NOW)
    assert len(post.logins) == 1


@pytest.mark.parametrize(
    ("command", "answer", "refused", "told"),
    [
        ("RCPT", "550 no such user", False, "takes nothing for you@example.com: 550 no such user"),
        ("RCPT", "450 mailbox busy", False, "takes nothing for you@example.com: 450 mailbox busy"),
        ("MAIL", "553 not you", False, "answered 553 not you"),
        ("DATA", "554 spam", True, "answered 554 spam"),
        ("DATA", "451 later", False, "answered 451 later"),
        ("AUTH", "535 wrong hush", False, r"refused user or password: 535 wrong \*\*\*"),
        ("EHLO", "421 too busy", False, "421 too busy|can't be used|answered"),
    ],
)
def test_what_servers_refuse(post, command, answer, refused, told):
    post.refuse[command] = answer
    if command == "EHLO":
        post.refuse["HELO"] = answer
    with pytest.raises(DeliveryError, match=told) as caught:
        receiver(post, user="me@example.com", password="hush").send(message(), NOW)
    assert caught.value.refused is refused
    assert "hush" not in str(caught.value)


def test_one_recipient_that_is_refused_keeps_nothing_from_the_others(post):
    class Picky(dict):
        def __contains__(self, word: object) -> bool:
            return word == "RCPT" and len(post.recipients) == 1

        def __getitem__(self, word: str) -> str:
            return "550 unknown"

    post.refuse = Picky()
    told = receiver(post, "you@example.com", "gone@example.com").send(message(), NOW)
    assert told.endswith("took it, but not for gone@example.com")
    assert len(post.mails) == 1


def test_nobody_there():
    with pytest.raises(DeliveryError, match=r"127.0.0.1:9 can't be used: Connection refused"):
        Email(Server("127.0.0.1", 9, False), ["you@example.com"]).send(message(), NOW)


def test_a_server_that_speaks_no_tls(post):
    with pytest.raises(DeliveryError, match="can't be used"):
        Email(Server("127.0.0.1", post.port, encrypted=True), ["you@example.com"]).send(message(), NOW)


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example.com", Server("mail.example.com", 587, False)),
        ("smtp://me%40x.com:p%2F%40ss@m.com:25", Server("m.com", 25, False, "me@x.com", "p/@ss")),
        ("smtps://me:pw@m.com/", Server("m.com", 465, True, "me", "pw")),
    ],
)
def test_urls_of_servers(url, server):
    assert mail.parse_server(url) == server
    assert "pw" not in repr(server)


@pytest.mark.parametrize(
    "url",
    ["mail.example.com", "http://a:hush@b", "smtp://", "smtp://hush@m.com", "smtp://u:hush@m:x", "smtp://u:h@m/hush"],
)
def test_what_is_no_server_is_refused_without_being_told(url):
    with pytest.raises(SettingsError, match=r"STOCK_ASSETS_SMTP_URL is no URL.*; expected such as smtp://") as caught:
        mail.parse_server(url)
    assert "hush" not in str(caught.value)


def test_addresses():
    assert mail.parse_addresses("TO", " a@b.de, c+d@e.fr ,") == ("a@b.de", "c+d@e.fr")
    for wrong in ("a", "a@", "@b", "a@b@c", "a b@c", "a@b\nBcc: x@y", "A <a@b>", "ä@b.de"):
        with pytest.raises(SettingsError, match=r"TO has .*; expected addresses"):
            mail.parse_addresses("TO", wrong)

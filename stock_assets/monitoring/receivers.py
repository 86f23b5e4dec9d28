"""Where alerts go: a log file, a webhook; and what all receivers have in common. E-mail is in mail.

A receiver takes a message or raises `DeliveryError`; it remembers nothing, tries nothing twice and waits for nobody
longer than `TIMEOUT`. When to try again is the outbox's business.

A webhook's URL is a secret: whoever has it can write into the channel. Nothing here tells more of it than its host.
"""

import contextlib
import datetime
import email.utils
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, NoReturn, Protocol
from urllib.parse import urlsplit

from stock_assets.core.errors import SettingsError, StockAssetsError

TIMEOUT = 5.0
"""Seconds to wait for a connection, and for each part of an answer."""

MAX_RETRY_AFTER = datetime.timedelta(days=1)
"""A receiver that asks for more is asked again after this all the same, or a typo of its would silence it for ever."""

_MAX_BYTES = 5_000_000
_KEPT_FILES = 3
_SHOWN_ANSWER = 200

# It could not read what it was sent, or it was too long. Others, such as 401, 404 and any redirect, are about the URL.
_BAD_MESSAGE = (400, 413, 422)

# What Slack takes: https://api.slack.com/reference/block-kit/blocks
_MAX_HEADER = 150
_MAX_SECTION = 3000
_MAX_TEXT = 4000


@dataclass(frozen=True)
class Message:
    """What a person is told."""

    id: str
    """The same however often it is sent, so that a receiver can tell a repetition."""
    number: int
    event: str
    severity: str
    title: str
    """One line."""
    text: str
    """A few lines, the last of them a link."""
    details: dict[str, Any]
    """What has no room in the text: see alert_texts."""
    created: datetime.datetime


class DeliveryError(StockAssetsError):
    """A message that a receiver did not take. The text holds no secrets.

    `refused`: whether it called this very message bad, so that sending it again would hardly help. A wrong URL, address
    or password is no fault of the message: it waits until that is mended.
    `retry_after`: how long it asked to be left alone; None when it did not say.
    """

    def __init__(self, told: str, *, refused: bool = False, retry_after: datetime.timedelta | None = None) -> None:
        super().__init__(told)
        self.refused = refused
        self.retry_after = retry_after


class Receiver(Protocol):
    """Somewhere a message can be sent to."""

    name: str

    def send(self, message: Message, now: datetime.datetime) -> str:
        """Deliver it and return what the receiver answered, in a few words. Raises `DeliveryError`."""
        ...


class _StrictFile(RotatingFileHandler):
    """Says when a line could not be written, where other logs go on without it."""

    def handleError(self, record: logging.LogRecord) -> NoReturn:
        raise  # the handler calls this within its own `except`


class Log:
    """`<folder>/alerts.log`: a line a message, with its moment in UTC, severity and id; rotating."""

    name = "log"

    def __init__(self, folder: Path) -> None:
        self._path = folder / "alerts.log"

    def send(self, message: Message, now: datetime.datetime) -> str:
        """Append the message as one line. Raises `DeliveryError` when the file can't be written to."""
        level = logging.INFO if message.event == "recovered" else _LEVELS.get(message.severity, logging.ERROR)
        text = " / ".join(line for line in message.text.splitlines() if line.strip())
        self.note(level, f"{message.title}: {text} [{message.id}]", now)
        return str(self._path)

    def note(self, level: int, text: str, now: datetime.datetime) -> None:
        """Append a line that is no message. Raises `DeliveryError` when the file can't be written to."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handler = _StrictFile(self._path, maxBytes=_MAX_BYTES, backupCount=_KEPT_FILES, encoding="utf-8")
            try:
                handler.setFormatter(_line())
                record = logging.LogRecord("stock_assets.alerts", level, "", 0, _one_line(text), None, None)
                record.created, record.msecs = now.timestamp(), 0.0
                handler.handle(record)
            finally:
                handler.close()
        except OSError as error:
            raise DeliveryError(f"{self._path} can't be written: {error.strerror or error}") from error


_LEVELS = {"warn": logging.WARNING, "error": logging.ERROR}


def _line() -> logging.Formatter:
    formatter = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S+0000")
    formatter.converter = time.gmtime
    return formatter


class Webhook:
    """A URL that takes Slack's JSON, `text` and `blocks`: Slack, Mattermost, Discord (its URL with /slack), your own.

    Each request carries the message's id as `Idempotency-Key`. Proxies are those of the environment.
    """

    name = "webhook"

    def __init__(self, url: str) -> None:
        self._url = checked_webhook(url)
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._secrets = tuple(part for part in (parts.path.strip("/"), parts.query, parts.password) if part)

    def __repr__(self) -> str:
        return f"Webhook({self._host})"

    def send(self, message: Message, now: datetime.datetime) -> str:
        """POST the message. Raises `DeliveryError`: refused for a status that is about the message (400, 413, 422)."""
        import requests
        import urllib3

        shown = b""
        try:
            with requests.post(
                self._url,
                json=slack_payload(message),
                headers={"Idempotency-Key": message.id, "User-Agent": "stock-assets"},
                timeout=TIMEOUT,
                # After a redirect the message would go as a GET without content, and be taken for delivered.
                allow_redirects=False,
                # The answer's content may be endless.
                stream=True,
            ) as answer:
                with contextlib.suppress(urllib3.exceptions.HTTPError, OSError):  # the status, which decides, has come
                    shown = answer.raw.read(_SHOWN_ANSWER)
                status, wait = answer.status_code, answer.headers.get("Retry-After")
        except requests.RequestException as error:
            # Not chained: requests tells the whole URL.
            raise DeliveryError(f"{self._host} {_why(error)}") from None
        told = f"{self._host} answered {status} {self._without_secrets(shown)}".strip()
        if 200 <= status < 300:
            return told
        raise DeliveryError(told, refused=status in _BAD_MESSAGE, retry_after=retry_after(wait, now))

    def _without_secrets(self, answer: bytes) -> str:
        text = _one_line(answer.decode("utf-8", errors="replace"))
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def checked_webhook(url: str) -> str:
    """`url` as it is. Raises `SettingsError`, without telling it, when it is none that something can be POSTed to."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or any(character.isspace() or not character.isprintable() for character in url):
        raise SettingsError(
            "STOCK_ASSETS_ALERT_WEBHOOK is no URL; expected such as https://hooks.slack.com/services/..."
        )
    return url


def _why(error: Exception) -> str:
    import requests

    if isinstance(error, requests.Timeout):
        return f"did not answer within {TIMEOUT:g} s"
    if isinstance(error, requests.exceptions.SSLError):
        return "has no certificate that can be trusted, or no TLS"
    if isinstance(error, requests.ConnectionError):
        return "can't be reached, or hung up"
    return f"can't be asked: {type(error).__name__}"


def retry_after(value: str | None, now: datetime.datetime) -> datetime.timedelta | None:
    """How long a `Retry-After` of seconds, or of a date, asks to wait; None when it says nothing that can be read."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        # So many digits that no timedelta holds them are still only "for long".
        return min(datetime.timedelta(seconds=int(value[:9])), MAX_RETRY_AFTER)
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return min(max(moment - now, datetime.timedelta()), MAX_RETRY_AFTER)


def slack_payload(message: Message) -> dict[str, Any]:
    """The message as Slack's JSON, within what Slack takes; what doesn't fit is cut, with a count."""
    text = message.text.removesuffix(message.details.get("link", "")).rstrip()
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": _plain(_cut(message.title, _MAX_HEADER))},
        {"type": "section", "text": _plain(_cut(text, _MAX_SECTION))},
    ]
    tickers = message.details.get("tickers", [])
    if len(tickers) > 1:
        blocks.append({"type": "section", "text": _plain(_listed(tickers, _MAX_SECTION))})
    if link := message.details.get("link"):
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": f"<{_escaped(link)}|Open in Dagster>"}})
    # `text` is what a notification shows, and all that a receiver which knows no blocks has.
    return {"text": _cut(f"{message.title}\n{message.text}", _MAX_TEXT), "blocks": blocks}


def _plain(text: str) -> dict[str, Any]:
    # Not mrkdwn: the underscores of checks' names are no italics.
    return {"type": "plain_text", "text": text, "emoji": False}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str, most: int) -> str:
    """`text` escaped, of at most `most` characters; an escape is not cut in the middle."""
    escaped = _escaped(text)
    if len(escaped) <= most:
        return escaped
    kept = len(text)
    while len(_ended(text, kept)) > most:
        kept -= max(1, (len(_ended(text, kept)) - most) // 5)
    return _ended(text, kept)


def _ended(text: str, kept: int) -> str:
    return f"{_escaped(text[:kept])} ... ({len(text) - kept} more characters)"


def _listed(tickers: Sequence[str], most: int) -> str:
    """All tickers, or as many as fit and how many more there are."""
    whole = _escaped(f"All {len(tickers)}: {', '.join(tickers)}")
    if len(whole) <= most:
        return whole
    kept = len(tickers)
    while True:
        text = _escaped(f"{', '.join(tickers[:kept])} and {len(tickers) - kept} more")
        if len(text) <= most:
            return text
        kept -= max(1, (len(text) - most) // 20)


def _one_line(text: str) -> str:
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())

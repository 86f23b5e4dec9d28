"""Alerts by e-mail, over SMTP with TLS. What all receivers have in common is in receivers.

A password goes over an encrypted connection only, but to this machine itself, and is never told.
"""

import datetime
import email.utils
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from stock_assets.core.errors import SettingsError
from stock_assets.monitoring.receivers import TIMEOUT, DeliveryError, Message

if TYPE_CHECKING:
    import smtplib

_PORTS = {"smtp": 587, "smtps": 465}
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_EXPECTED = "expected such as smtp://user:password@smtp.example.com:587, or smtps://... for TLS from the start"


@dataclass(frozen=True)
class Server:
    """An SMTP server. `encrypted`: TLS from the start; otherwise STARTTLS, where the server offers it."""

    host: str
    port: int
    encrypted: bool
    user: str | None = None
    password: str | None = field(default=None, repr=False)


def parse_server(url: str) -> Server:
    """The server of a `smtp://` or `smtps://` URL, in which user and password are percent-encoded.

    Raises `SettingsError`, without telling the URL, when it is none.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise SettingsError(f"STOCK_ASSETS_SMTP_URL is no URL; {_EXPECTED}") from None
    user = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password else None
    odd = parts.scheme not in _PORTS or not host or parts.path.strip("/") or parts.query or parts.fragment or port == 0
    if odd or (user is None) != (password is None):
        raise SettingsError(f"STOCK_ASSETS_SMTP_URL is no URL of an SMTP server; {_EXPECTED}")
    return Server(host or "", port or _PORTS[parts.scheme], parts.scheme == "smtps", user, password)


def parse_addresses(variable: str, text: str) -> tuple[str, ...]:
    """The e-mail addresses in `text`, which commas separate. Raises `SettingsError` for anything else."""
    addresses = tuple(part.strip() for part in text.split(",") if part.strip())
    for address in addresses:
        name, _, domain = address.partition("@")
        plain = all(character.isprintable() and character not in ' <>()[]\\";:,' for character in address)
        if not name or not domain or "@" in domain or not plain or not address.isascii():
            raise SettingsError(f"{variable} has {address!r}; expected addresses such as you@example.com, by commas")
    return addresses


class Email:
    """An e-mail to everybody in `to` at once. `sender` defaults to the server's user, or else to the first of `to`."""

    name = "email"

    def __init__(self, server: Server, to: Sequence[str], sender: str | None = None) -> None:
        self._server = server
        self._to = tuple(to)
        user = server.user if server.user and "@" in server.user else None
        self._sender = sender or user or self._to[0]

    def __repr__(self) -> str:
        return f"Email({self._server.host}:{self._server.port}, to {', '.join(self._to)})"

    def send(self, message: Message, now: datetime.datetime) -> str:
        """Hand the message to the server. Raises `DeliveryError`: refused for a 5xx to the content.

        A password, sender or recipient that it does not take is no fault of the message, which waits until that is
        mended.
        """
        import smtplib
        import ssl

        where = f"{self._server.host}:{self._server.port}"
        try:
            with self._connected() as connection:
                left_out = connection.send_message(self._written(message, now), self._sender, self._to)
        except smtplib.SMTPRecipientsRefused as error:
            told = "; ".join(f"{to}: {answer} {_text(text)}" for to, (answer, text) in sorted(error.recipients.items()))
            raise DeliveryError(self._safe(f"{where} takes nothing for {told}")) from None
        except smtplib.SMTPAuthenticationError as error:
            told = f"{where} refused user or password: {error.smtp_code} {_text(error.smtp_error)}"
            raise DeliveryError(self._safe(told)) from None
        except smtplib.SMTPResponseException as error:
            about_it = isinstance(error, smtplib.SMTPDataError)
            told = f"{where} answered {error.smtp_code} {_text(error.smtp_error)}"
            raise DeliveryError(self._safe(told), refused=about_it and error.smtp_code >= 500) from None
        except ssl.SSLCertVerificationError as error:
            raise DeliveryError(f"{where} has no certificate that can be trusted: {error.verify_message}") from None
        except TimeoutError:
            raise DeliveryError(f"{where} did not answer within {TIMEOUT:g} s") from None
        except (smtplib.SMTPException, OSError) as error:
            told = getattr(error, "strerror", None) or str(error)
            raise DeliveryError(self._safe(f"{where} can't be used: {' '.join(told.split())}")) from None
        if left_out:
            return f"{where} took it, but not for {', '.join(sorted(left_out))}"
        return f"{where} took it for {', '.join(self._to)}"

    def _connected(self) -> "smtplib.SMTP":
        import smtplib
        import ssl

        server = self._server
        if server.encrypted:
            trust = ssl.create_default_context()
            connection: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT, context=trust)
        else:
            connection = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT)
        try:
            connection.ehlo()
            encrypted = server.encrypted
            if not encrypted and connection.has_extn("starttls"):
                connection.starttls(context=ssl.create_default_context())
                connection.ehlo()
                encrypted = True
            if server.user and server.password:
                if not encrypted and server.host not in _LOOPBACK:
                    raise smtplib.SMTPNotSupportedError("it offers no encryption, and the password needs one")
                connection.login(server.user, server.password)
        except (smtplib.SMTPException, OSError):
            connection.close()
            raise
        return connection

    def _written(self, message: Message, now: datetime.datetime) -> EmailMessage:
        from email.policy import SMTP

        # Not every server takes 8 bits.
        mail = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
        # Headers take no line breaks: the policy raises, and there are none after this.
        mail["Subject"] = " ".join(message.title.split())
        mail["From"] = self._sender
        mail["To"] = ", ".join(self._to)
        mail["Date"] = email.utils.format_datetime(now)
        # The same when it is sent again: most mailboxes then show it once.
        mail["Message-ID"] = f"<{message.id}@{self._sender.partition('@')[2]}>"
        mail["Idempotency-Key"] = message.id
        mail["Auto-Submitted"] = "auto-generated"
        tickers = message.details.get("tickers", [])
        listed = f"\n\nAll {len(tickers)}: {', '.join(tickers)}" if len(tickers) > 1 else ""
        mail.set_content(f"{message.text}{listed}\n")
        return mail

    def _safe(self, told: str) -> str:
        return told.replace(self._server.password, "***") if self._server.password else told


def _text(answer: bytes | str) -> str:
    text = answer.decode("utf-8", errors="replace") if isinstance(answer, bytes) else answer
    return " ".join(text.split())[:200]

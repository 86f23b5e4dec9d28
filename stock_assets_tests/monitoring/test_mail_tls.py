"""E-mail over TLS, from the start (smtps) or after STARTTLS (smtp): who gets it, and who not even the password."""

import base64
import datetime
from collections.abc import Callable
from pathlib import Path

import pytest

from stock_assets.monitoring import mail
from stock_assets.monitoring.receivers import DeliveryError
from stock_assets_tests.monitoring import certificates, servers
from stock_assets_tests.monitoring.test_receivers import message

NOW = datetime.datetime(2026, 11, 20, 22, 40, 5, tzinfo=datetime.UTC)
LOGIN = base64.b64encode(b"\0me@example.com\0hush").decode()
SCHEMES = pytest.mark.parametrize("scheme", ["smtps", "smtp"])


@pytest.fixture
def trust(monkeypatch: pytest.MonkeyPatch) -> Callable[[certificates.Certificate], None]:
    """Makes this machine trust a certificate, as its administrator would."""
    return lambda certificate: monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))


@pytest.fixture(autouse=True)
def nobody_is_near(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback counts as far away: without TLS it would be given no password."""
    monkeypatch.setattr(mail, "_LOOPBACK", ())


def serving(scheme: str, certificate: certificates.Certificate):
    """A server of that scheme which shows the certificate."""
    context = certificate.context
    return servers.smtp(tls=context) if scheme == "smtps" else servers.smtp(starttls=context)


def send(scheme: str, post: servers.Post) -> str:
    server = mail.parse_server(f"{scheme}://me%40example.com:hush@127.0.0.1:{post.port}")
    return mail.Email(server, ["you@example.com"]).send(message(), NOW)


@SCHEMES
def test_a_server_that_is_trusted_gets_password_and_mail_encrypted(scheme, tmp_path: Path, trust):
    certificate = certificates.make(tmp_path / "server.pem", days=30)
    trust(certificate)
    with serving(scheme, certificate) as post:
        assert send(scheme, post) == f"127.0.0.1:{post.port} took it for you@example.com"
    assert [mail["Subject"] for mail in post.mails] == ["TSLA: raw_prices failed, session 2026-11-20"]
    assert post.logins == [f"AUTH PLAIN {LOGIN}"]
    assert post.in_clear == ([] if scheme == "smtps" else ["EHLO", "STARTTLS"])


@SCHEMES
@pytest.mark.parametrize(
    ("shown", "is_trusted", "told"),
    [
        ({"days": 30}, False, "self-signed certificate"),
        ({"days": 30, "address": "192.0.2.1"}, True, "IP address mismatch"),
        ({"days": 1}, True, "certificate has expired"),
    ],
    ids=["of nobody we know", "of another server", "that has expired"],
)
def test_one_with_a_certificate(scheme, shown, is_trusted, told, tmp_path: Path, trust):
    """It gets nothing; and as the message is not to blame, that is not given up."""
    certificate = certificates.make(tmp_path / "server.pem", **shown)
    if is_trusted:
        trust(certificate)
    no_trust = pytest.raises(DeliveryError, match=f"has no certificate that can be trusted: .*{told}")
    with serving(scheme, certificate) as post, no_trust as caught:
        send(scheme, post)
    assert not caught.value.refused
    assert (post.mails, post.logins) == ([], [])
    assert post.in_clear == ([] if scheme == "smtps" else ["EHLO", "STARTTLS"])


def test_one_that_offers_starttls_and_then_refuses_it(tmp_path: Path):
    with serving("smtp", certificates.make(tmp_path / "server.pem", days=30)) as post:
        post.refuse["STARTTLS"] = "454 not available"
        with pytest.raises(DeliveryError, match="answered 454 not available") as caught:
            send("smtp", post)
    assert not caught.value.refused
    assert (post.mails, post.logins) == ([], [])

"""Real servers on loopback that take alerts: a webhook and a small SMTP server. No test lives here."""

import contextlib
import email
import email.message
import email.policy
import http.server
import json
import math
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from stock_assets_tests.place import PATIENCE


@dataclass
class Hook:
    """What a webhook took, and how it answers: `answers` first, one a request, then 200."""

    url: str = ""
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    taken: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)
    """Headers and JSON of each request that was answered with 200."""
    asked: int = 0
    most: float = math.inf
    """How often it may be asked: whoever comes beyond that waits, and in vain."""

    @property
    def ids(self) -> list[str]:
        return [headers["Idempotency-Key"] for headers, _ in self.taken]

    @property
    def texts(self) -> list[str]:
        return [content["text"] for _, content in self.taken]


@contextmanager
def webhook(hook: Hook | None = None) -> Iterator[Hook]:
    """A running webhook; given one that ran before, the same again at its old address."""
    hook = hook or Hook()
    ended = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if hook.asked >= hook.most:
                ended.wait()
                self.close_connection = True
                return
            hook.asked += 1
            status, headers, answer = hook.answers.pop(0) if hook.answers else (200, {}, b"ok")
            if status == 0:  # hangs up
                self.close_connection = True
                return
            if status == 200:
                hook.taken.append((dict(self.headers), content))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", urlsplit(hook.url).port or 0), Handler) as server:
        hook.url = f"http://127.0.0.1:{server.server_port}/services/T00/B00/hush"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield hook
        finally:
            ended.set()
            server.shutdown()
            thread.join()


@dataclass
class Post:
    """What an SMTP server took; `refuse` has an answer for a command, such as {"RCPT": "550 no such user"}."""

    port: int = 0
    refuse: dict[str, str] = field(default_factory=dict)
    extensions: tuple[str, ...] = ("AUTH PLAIN",)
    mails: list[email.message.EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    in_clear: list[str] = field(default_factory=list)
    """Commands that came without TLS."""


@contextmanager
def smtp(*, tls: ssl.SSLContext | None = None, starttls: ssl.SSLContext | None = None) -> Iterator[Post]:
    """A running SMTP server: what RFC 5321 asks of a receiver at least, and AUTH PLAIN.

    With TLS from the start, after STARTTLS, or without.
    """
    post = Post()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            # Some hang up without a word, or find our certificate wanting.
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                if tls:
                    self.encrypt(tls)
                self.talk()

        def encrypt(self, context: ssl.SSLContext) -> None:
            self.finish()
            self.request = context.wrap_socket(self.request, server_side=True)
            self.setup()

        def finish(self) -> None:
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                super().finish()
            if isinstance(self.request, ssl.SSLSocket):
                self.request.close()

        def talk(self) -> None:
            self.say("220 ready")
            while line := self.rfile.readline().decode("latin-1").strip():
                word = line.split(" ")[0].split(":")[0].upper()
                is_encrypted = isinstance(self.request, ssl.SSLSocket)
                if not is_encrypted:
                    post.in_clear.append(word)
                if word in post.refuse:
                    self.say(post.refuse[word])
                elif word == "STARTTLS" and starttls:
                    self.say("220 go on")
                    self.encrypt(starttls)
                elif word == "EHLO":
                    lines = ["loopback", *post.extensions]
                    if starttls and not is_encrypted:
                        lines.append("STARTTLS")
                    for n, extension in enumerate(lines, start=1):
                        self.say(f"250{'-' if n < len(lines) else ' '}{extension}")
                elif word == "AUTH":
                    post.logins.append(line)
                    self.say("235 welcome")
                elif word == "DATA":
                    self.say("354 go on")
                    self.content()
                else:
                    if word == "RCPT":
                        post.recipients.append(line)
                    self.say("221 bye" if word == "QUIT" else "250 ok")
                    if word == "QUIT":
                        return

        def content(self) -> None:
            lines = []
            while (line := self.rfile.readline()) != b".\r\n":
                lines.append(line.removeprefix(b".").replace(b"\r\n", b"\n"))
            post.mails.append(email.message_from_bytes(b"".join(lines), policy=email.policy.default))
            self.say("250 taken")

        def say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        post.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield post
        finally:
            server.shutdown()
            thread.join()


def until(condition) -> None:
    """Return as soon as `condition()` is true; fail when it never is."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE} s"
        time.sleep(0.01)

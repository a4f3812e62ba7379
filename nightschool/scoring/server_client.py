"""Client of an OpenAI-compatible server (Ollama, llama.cpp, ...) that answers one note at a time.

Notes stay on this computer unless the settings allow otherwise: the address of the connection is checked
before anything is sent, redirects are not followed, and proxies are not used.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit

from nightschool.config import bounded_json
from nightschool.config.printable import encodable, one_line
from nightschool.config.settings import ServerSettings, is_loopback

Trouble = Literal["timeout", "error"]

# Enough for a model that reasons before it answers.
_MOST_TOKENS = 1024
_MOST_BYTES = 4_000_000
# Longer than so many tokens are; the slowest text of this length takes a second to read.
_MOST_CHARACTERS = 32_000
_LONGEST_MESSAGE = 300
_LONGEST_NAME = 100
# "Try again later": the model is loading, or the server is busy.
_LATER = (429, 503)
_AGAIN_S = 0.5


class ServerError(Exception):
    """Why a note has no answer; the message may come from the server."""

    def __init__(self, trouble: Trouble, message: str) -> None:
        super().__init__("".join(filter(str.isprintable, message))[:_LONGEST_MESSAGE])
        self.trouble = trouble


@dataclass(frozen=True, slots=True)
class Server:
    """A server and the key for it."""

    settings: ServerSettings
    key: str = field(default="", repr=False)
    """Sent as a bearer token unless empty."""

    @property
    def host(self) -> str:
        return str(urlsplit(self.settings.url).hostname)

    def ask(self, messages: Sequence[Mapping[str, str]]) -> str:
        """The model's reply to a chat of messages (role, content). Raises ServerError."""
        body = {
            "model": self.settings.model,
            "messages": list(messages),
            "temperature": 0,
            "max_tokens": _MOST_TOKENS,
            "stream": False,
        }
        return _content(self._request("POST", "/chat/completions", json.dumps(body).encode()))

    def models(self) -> list[str]:
        """The names of the models that the server offers. Raises ServerError."""
        listing = _parsed(self._request("GET", "/models", None))
        rows = listing.get("data") if isinstance(listing, dict) else None
        if not isinstance(rows, list):
            raise ServerError("error", "the list of models has an unexpected form")
        names = (row.get("id") for row in rows if isinstance(row, dict))
        return [one_line(name[:_LONGEST_NAME]) for name in names if isinstance(name, str)]

    def _request(self, method: str, path: str, body: bytes | None) -> bytes:
        """The body of the answer; repeats the request while the server is busy."""
        deadline = time.monotonic() + self.settings.timeout_s
        while True:
            status, content = self._exchange(method, path, body, deadline)
            if status == 200:
                return content
            if status not in _LATER or time.monotonic() + _AGAIN_S > deadline:
                raise ServerError("error", f"HTTP {status}{_error_text(content)}")
            time.sleep(_AGAIN_S)

    def _exchange(
        self, method: str, path: str, body: bytes | None, deadline: float
    ) -> tuple[int, bytes]:
        """One request; all of it ends by `deadline` (of `time.monotonic`)."""
        if not (self.key.isascii() and self.key.isprintable()):
            name = self.settings.api_key_env
            raise ServerError(
                "error", f"the key in {name} holds characters that no HTTP header can"
            )
        url = urlsplit(self.settings.url)
        left = max(0.01, deadline - time.monotonic())
        connection = _connection(url, left)
        over = threading.Event()
        reached: list[socket.socket] = []

        def end() -> None:
            over.set()
            for sock in reached:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

        # The socket's own timeout restarts with every byte.
        watch = threading.Timer(left, end)
        watch.daemon = True
        watch.start()
        try:
            connection.connect()
            reached.append(connection.sock)
            self._check_address(connection.sock)
            headers = {"Content-Type": "application/json", "Accept": "application/json"}
            if self.key:
                headers["Authorization"] = f"Bearer {self.key}"
            connection.request(method, _base_path(url) + path, body, headers)
            response = connection.getresponse()
            if 300 <= response.status < 400:
                to = urlsplit(response.getheader("Location") or "").hostname or "elsewhere"
                raise ServerError("error", f"it redirects to {to}, which is not followed")
            content = response.read(_MOST_BYTES + 1)
            if over.is_set():
                raise TimeoutError
            if len(content) > _MOST_BYTES:
                raise ServerError("error", f"an answer of more than {_MOST_BYTES:,} bytes")
            if self.key:  # a server may repeat it, and answers are stored
                content = content.replace(self.key.encode(), b"***")
            return response.status, content
        except (OSError, http.client.HTTPException, ValueError) as error:
            if over.is_set() or isinstance(error, TimeoutError):
                wait = f"no answer within {self.settings.timeout_s:g} s"
                raise ServerError("timeout", wait) from None
            raise ServerError("error", _connection_error_text(error)) from None
        finally:
            watch.cancel()
            connection.close()

    def _check_address(self, sock: socket.socket) -> None:
        """A name may resolve to any address: checks the one that is connected."""
        if not self.settings.allow_remote:
            address = str(sock.getpeername()[0])
            if not is_loopback(address):
                raise ServerError("error", f"{self.host} is {address}, not this computer")


def _connection(url: SplitResult, timeout_s: float) -> http.client.HTTPConnection:
    host = str(url.hostname)
    if url.scheme == "https":
        return http.client.HTTPSConnection(
            host, url.port or 443, timeout=timeout_s, context=ssl.create_default_context()
        )
    return http.client.HTTPConnection(host, url.port or 80, timeout=timeout_s)


def _base_path(url: SplitResult) -> str:
    """The path before the protocol's own paths: "/v1" unless the settings name another."""
    path = url.path.rstrip("/").removesuffix("/chat/completions")
    return path or "/v1"


def _content(body: bytes) -> str:
    """The text in an answer of the chat-completions protocol."""
    try:
        content = _parsed(body)["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        raise ServerError("error", "the answer is not a chat completion") from None
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        content = "".join(text for text in texts if isinstance(text, str))
    if not isinstance(content, str):
        return ""
    if len(content) > _MOST_CHARACTERS:
        raise ServerError("error", f"a reply of more than {_MOST_CHARACTERS:,} characters")
    return encodable(content)


def _parsed(body: bytes) -> Any:
    try:
        return bounded_json.loads(body.decode("utf-8"))
    except ValueError:
        raise ServerError("error", "broken JSON") from None


def _error_text(body: bytes) -> str:
    """The message in an error's body, as ": model not found", or ""."""
    try:
        error = bounded_json.loads(body.decode("utf-8"))["error"]
        message = error["message"] if isinstance(error, dict) else error
    except (ValueError, KeyError, TypeError):
        return ""
    text = message.strip() if isinstance(message, str) else ""
    return f": {text.splitlines()[0][:120]}" if text else ""


def _connection_error_text(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused (is the server running?)"
    if isinstance(error, socket.gaierror):
        return "there is no host of that name"
    text = str(getattr(error, "strerror", None) or error) or type(error).__name__
    return text.splitlines()[0][:120]

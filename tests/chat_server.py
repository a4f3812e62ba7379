"""A real HTTP server that speaks the chat-completions protocol, as well or as badly as a test wants."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Chat:
    """A server under way: where it is, and what it was asked."""

    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    ending: threading.Event = field(default_factory=threading.Event)
    """Set as the test ends: for handlers that wait."""

    def note(self, number: int) -> str:
        """What the user said in a request."""
        return str(self.asked[number]["messages"][-1]["content"])


Handler = BaseHTTPRequestHandler
Behave = Callable[[Chat, Handler], None]


def send(handler: Handler, body: bytes, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def says(text: str | Callable[[str], str]) -> Behave:
    """Answers as a model would; `text` may be a function of what the user said."""

    def behave(chat: Chat, handler: Handler) -> None:
        content = text(chat.note(-1)) if callable(text) else text
        message = {"role": "assistant", "content": content}
        body = {"object": "chat.completion", "choices": [{"index": 0, "message": message}]}
        send(handler, json.dumps(body).encode())

    return behave


def fails(status: int, body: bytes = b'{"error": {"message": "no such model"}}') -> Behave:
    return lambda _, handler: send(handler, body, status)


def hangs(chat: Chat, handler: Handler) -> None:
    """Never answers."""
    chat.ending.wait(20)


def drips(chat: Chat, handler: Handler) -> None:
    """Sends a byte now and then, for as long as anybody listens."""
    handler.send_response(200)
    handler.end_headers()
    while not chat.ending.wait(0.05):
        handler.wfile.write(b" ")
        handler.wfile.flush()


@contextmanager
def chat_server(behave: Behave, host: str = "127.0.0.1") -> Iterator[Chat]:
    """Serves until the block ends."""
    chat = Chat()

    class Handling(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            chat.paths.append(self.path)
            chat.headers.append(dict(self.headers))
            length = int(self.headers["Content-Length"])
            chat.asked.append(json.loads(self.rfile.read(length)))
            with contextlib.suppress(OSError):  # the client has gone
                behave(chat, self)

        def do_GET(self) -> None:
            chat.paths.append(self.path)
            body = {"object": "list", "data": [{"id": "tiny:1b", "object": "model"}]}
            send(self, json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            pass

    class Serving(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        daemon_threads = True

    server = Serving((host, 0), Handling)
    name = f"[{host}]" if ":" in host else host
    chat.url = f"http://{name}:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield chat
    finally:
        chat.ending.set()
        server.shutdown()
        thread.join()
        server.server_close()

"""The client against a real server on this computer: what it sends, and what it makes of what comes."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightschool.config.settings import ServerSettings
from nightschool.scoring import server_client
from nightschool.scoring.answer_parsing import kind_in
from nightschool.scoring.server_client import Server, ServerError
from tests.chat_server import Behave, Chat, Handler, chat_server, drips, fails, hangs, says, send

NOTE = [{"role": "system", "content": "Sort."}, {"role": "user", "content": "買った. Buy milk."}]


def client(url: str, key: str = "", **others: object) -> Server:
    settings = {"url": url, "model": "tiny:1b", "timeout_s": 5.0, **others}
    return Server(ServerSettings.model_validate(settings), key)


def trouble(server: Server) -> tuple[str, str]:
    with pytest.raises(ServerError) as caught:
        server.ask(NOTE)
    message = str(caught.value)
    assert "\n" not in message
    return caught.value.trouble, message


def test_a_chat_is_asked_and_its_answer_is_read() -> None:
    with chat_server(says("lesson")) as chat:
        assert client(chat.url).ask(NOTE) == "lesson"
    assert chat.paths == ["/v1/chat/completions"]
    asked = chat.asked[0]
    assert (asked["model"], asked["messages"], asked["temperature"]) == ("tiny:1b", NOTE, 0)
    assert asked["stream"] is False
    assert "Authorization" not in chat.headers[0]


@pytest.mark.parametrize("path", ["", "/", "/v1/", "/v1/chat/completions"])
def test_the_path_may_be_written_in_any_way(path: str) -> None:
    with chat_server(says("lesson")) as chat:
        server = client(chat.url.removesuffix("/v1") + path)
        server.ask(NOTE)
        assert server.models() == ["tiny:1b"]
    assert chat.paths == ["/v1/chat/completions", "/v1/models"]


def test_a_key_goes_along_as_a_bearer_token() -> None:
    with chat_server(says("lesson")) as chat:
        client(chat.url, key="secret").ask(NOTE)
    assert chat.headers[0]["Authorization"] == "Bearer secret"


def test_a_server_on_the_ipv6_loopback_is_asked() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("there is no IPv6 here")
    with chat_server(says("lesson"), host="::1") as chat:
        assert client(chat.url).ask(NOTE) == "lesson"


def test_localhost_is_this_computer() -> None:
    with chat_server(says("lesson")) as chat:
        assert client(chat.url.replace("127.0.0.1", "localhost")).ask(NOTE) == "lesson"


def test_a_server_that_is_down_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert trouble(client(f"http://127.0.0.1:{port}")) == (
        "error",
        "connection refused (is the server running?)",
    )


@pytest.mark.parametrize("behave", [hangs, drips])
def test_an_answer_that_takes_too_long_is_not_waited_for(behave: Behave) -> None:
    with chat_server(behave) as chat:
        found = trouble(client(chat.url, timeout_s=0.3))
    assert found == ("timeout", "no answer within 0.3 s")


def drips_raw(*parts: bytes) -> Behave:
    """Sends the first part, then the others again and again, for as long as anybody listens."""

    def behave(chat: Chat, handler: Handler) -> None:
        handler.wfile.write(parts[0])
        while not chat.ending.wait(0.01):
            handler.wfile.write(parts[-1])
            handler.wfile.flush()

    return behave


@pytest.mark.parametrize(
    "parts",
    [
        (b"HTTP/1.1 100 Continue\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 2),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"x: y\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", b" "),
        (b"H", b"T"),
    ],
    ids=["continue", "headers", "chunks", "trailers", "length", "status"],
)
def test_no_way_to_draw_out_an_answer_outlasts_the_limit(parts: tuple[bytes, ...]) -> None:
    began = time.monotonic()
    with chat_server(drips_raw(*parts)) as chat:
        trouble(client(chat.url, timeout_s=0.3))
        assert time.monotonic() - began < 2


def test_a_handshake_that_is_drawn_out_ends_at_the_limit() -> None:
    began, over = time.monotonic(), threading.Event()

    def drip(server: socket.socket) -> None:
        with server.accept()[0] as peer, contextlib.suppress(OSError):
            peer.sendall(b"\x16\x03\x03\x40\x00")  # a record of 16 kB, of the handshake
            while not over.wait(0.01):
                peer.sendall(b"\x00")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=drip, args=(server,))
        thread.start()
        found = trouble(client(f"https://127.0.0.1:{server.getsockname()[1]}", timeout_s=0.3))
        over.set()
        thread.join()
    assert found == ("timeout", "no answer within 0.3 s") and time.monotonic() - began < 2


def test_an_error_is_told_with_what_the_server_says_of_it() -> None:
    with chat_server(fails(500)) as chat:
        assert trouble(client(chat.url)) == ("error", "HTTP 500: no such model")
    with chat_server(fails(404, b"<html>nothing here</html>")) as chat:
        assert trouble(client(chat.url)) == ("error", "HTTP 404")
    with chat_server(fails(500, b"[" * 200_000)) as chat:
        assert trouble(client(chat.url)) == ("error", "HTTP 500")
    with chat_server(fails(500, b'{"error": "\\u001b[2Jno\\u0007 memory\\nat line 3"}')) as chat:
        assert trouble(client(chat.url)) == ("error", "HTTP 500: [2Jno memory")


def test_what_a_server_says_does_nothing_to_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    def speaks_otherwise(chat: Chat, handler: Handler) -> None:
        handler.wfile.write(b"\x1b[2J hello\r\n\r\n")

    with chat_server(speaks_otherwise) as chat:
        found = trouble(client(chat.url))[1]
    assert "hello" in found and found.isprintable()
    names = json.dumps({"data": [{"id": "\x1b[2Jbig\n\ud83d"}]}).encode()
    monkeypatch.setattr(Server, "_request", lambda *_: names)
    assert client("http://127.0.0.1").models() == ["[2Jbig ?"]


def test_a_server_that_still_loads_its_model_is_asked_again() -> None:
    def loading(chat: Chat, handler: Handler) -> None:
        ready = len(chat.asked) > 1
        (says("lesson") if ready else fails(503, b'{"error": {"message": "Loading model"}}'))(
            chat, handler
        )

    with chat_server(loading) as chat:
        assert client(chat.url).ask(NOTE) == "lesson"
    assert len(chat.asked) == 2


def test_a_server_that_loads_for_too_long_is_told() -> None:
    with chat_server(fails(503, b'{"error": {"message": "Loading model"}}')) as chat:
        assert trouble(client(chat.url, timeout_s=1.0)) == ("error", "HTTP 503: Loading model")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"choices": [{"message": {"content": "les', "broken JSON"),
        (b"\xff\xfe", "broken JSON"),
        (b"[" * 200_000, "broken JSON"),
        (b"[]", "the answer is not a chat completion"),
        (b'{"choices": []}', "the answer is not a chat completion"),
        (b'{"choices": [{"message": null}]}', "the answer is not a chat completion"),
        (
            json.dumps({"choices": [{"message": {"content": "x" * 40_000}}]}).encode(),
            "a reply of more than 32,000 characters",
        ),
    ],
)
def test_an_answer_of_another_form_is_an_error(body: bytes, message: str) -> None:
    with chat_server(lambda _, handler: send(handler, body)) as chat:
        assert trouble(client(chat.url)) == ("error", message)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, ""),
        ("", ""),
        ("\ud83d lesson", "? lesson"),
        ([{"type": "text", "text": "les"}, {"text": "son"}], "lesson"),
    ],
)
def test_an_answer_may_be_empty_or_in_parts(content: object, text: str) -> None:
    body = json.dumps({"choices": [{"message": {"content": content}}]}).encode()
    with chat_server(lambda _, handler: send(handler, body)) as chat:
        assert client(chat.url).ask(NOTE) == text


def test_an_answer_that_ends_too_soon_or_never_is_an_error() -> None:
    def cut(_: Chat, handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b"{")

    with chat_server(cut) as chat:
        assert trouble(client(chat.url))[0] == "error"
    with chat_server(lambda _, handler: send(handler, b" " * 4_000_001)) as chat:
        assert trouble(client(chat.url)) == ("error", "an answer of more than 4,000,000 bytes")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "message", "content", "text", "error", "data", "id"]), inner
        )
    ),
)


@given(
    st.binary()
    | _JSON.map(lambda value: json.dumps(value).encode())
    | _JSON.map(lambda value: json.dumps({"choices": [{"message": {"content": value}}]}).encode())
    | st.integers(900, 1000).map(lambda n: b'{"error": ' + b"[" * n + b"]" * n + b"}")
)
@settings(max_examples=60)
def test_whatever_a_server_answers_is_a_short_text_or_a_server_error(body: bytes) -> None:
    with contextlib.suppress(ServerError):
        kind_in(server_client._content(body), ["lesson", "idea"])
    server_client._error_text(body)
    server = client("http://127.0.0.1")
    with pytest.MonkeyPatch.context() as patch, contextlib.suppress(ServerError):
        patch.setattr(Server, "_request", lambda *_: body)
        assert all(len(name) <= 100 for name in server.models())


@pytest.fixture
def elsewhere() -> Iterator[Chat]:
    with chat_server(says("lesson")) as chat:
        yield chat


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status: int, elsewhere: Chat) -> None:
    to = f"{elsewhere.url}/chat/completions"

    def redirect(_: Chat, handler: Handler) -> None:
        send(handler, b"", status, Location=to.replace("127.0.0.1", "notes.example"))

    with chat_server(redirect) as chat:
        found = trouble(client(chat.url))
        assert found == ("error", "it redirects to notes.example, which is not followed")
        with chat_server(lambda _, handler: send(handler, b"", status, Location=to)) as nearby:
            assert "not followed" in trouble(client(nearby.url))[1]
    assert elsewhere.asked == []


def test_nothing_is_sent_where_a_name_leads_to_another_computer(
    monkeypatch: pytest.MonkeyPatch, elsewhere: Chat
) -> None:
    """As by an entry in the hosts file: the connection stands, and the address is not ours."""
    own = socket.socket.getpeername
    monkeypatch.setattr(
        socket.socket, "getpeername", lambda sock: ("192.0.2.7", own(sock)[1]), raising=False
    )
    url = elsewhere.url.replace("127.0.0.1", "localhost")
    assert trouble(client(url)) == ("error", "localhost is 192.0.2.7, not this computer")
    assert elsewhere.paths == []
    assert client(url, allow_remote=True).ask(NOTE) == "lesson"


def test_a_proxy_in_the_environment_is_not_used(
    monkeypatch: pytest.MonkeyPatch, elsewhere: Chat
) -> None:
    with chat_server(says("none")) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        assert client(elsewhere.url).ask(NOTE) == "lesson"
    assert proxy.paths == []


def test_a_key_that_no_header_can_hold_is_an_error(elsewhere: Chat) -> None:
    assert trouble(client(elsewhere.url, key="a\nb"))[0] == "error"

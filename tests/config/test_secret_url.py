"""A password in an address, and a key, are shown and stored nowhere."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from nightschool.config.errors import ConfigError
from nightschool.config.paths import School
from nightschool.config.secret_url import SecretUrl
from nightschool.config.settings import ServerSettings, Settings
from nightschool.config.settings_file import load
from nightschool.config.settings_template import template
from nightschool.config.trusted_schools import reaches
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import StageName, Timing
from nightschool.scoring.server_client import Server, ServerError
from tests.cli.conftest import invoke
from tests.conftest import MakeSchool

SECRET = "geheim7"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite", "sqlite"),
        ("redis://host:6379/0", "redis://host:6379/0"),
        (f"redis://:{SECRET}@host:6379/0", "redis://***@host:6379/0"),
        (f"rediss://me:{SECRET}@[::1]/0?password={SECRET}", "rediss://***@[::1]/0?***"),
    ],
)
def test_address_is_shown_without_its_password(url: str, shown: str) -> None:
    settings = Settings.model_validate({"queue": url})
    assert settings.queue.reveal() == url
    for text in (str(settings.queue), settings.model_dump()["queue"]):
        assert text == shown
    for text in (repr(settings), settings.model_dump_json(), template({"queue": url})):
        assert shown in text and SECRET not in text
    assert Settings.model_validate(settings.model_dump()) == settings


@pytest.mark.parametrize(
    "text",
    [
        f'queue = "redis://:{SECRET}/x@host:1/0"',
        f'queue = "redis ://:{SECRET}@host"',
        f'queue = ["redis://:{SECRET}@host"]',
        f'[server]\nurl = "http://u:{SECRET}@host/v1"\nmodel = "m"',
        f'[server]\nurl = "http://:{SECRET}/@host/v1"\nmodel = "m"',
        f'[server]\nurl = ["http://u:{SECRET}@host/v1"]',
        f'[server]\napi_key_env = "sk-{SECRET}"',
    ],
)
def test_wrong_setting_is_explained_without_its_value(make_school: MakeSchool, text: str) -> None:
    school = make_school(each=0)
    school.settings_file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(school.settings_file)
    assert SECRET not in str(caught.value)
    done = invoke(school, "--debug", "status")
    assert SECRET not in done.output and done.exit_code == 2


def test_nothing_of_a_school_and_no_output_holds_the_password(make_school: MakeSchool) -> None:
    school = make_school(base="demo", train={"epochs": 1.0})
    text = school.settings_file.read_text("utf-8")
    url = f"redis://me:{SECRET}@127.0.0.1:1/0?password={SECRET}"
    school.settings_file.write_text(f'queue = "{url}"\n{text}', encoding="utf-8")
    settings = load(school.settings_file)
    outputs = [
        invoke(school, *arguments).output
        for arguments in (
            ["run", "--tonight"],
            ["--debug", "retry", "1"],
            ["status"],
            ["log", "--json"],
        )
    ]
    outputs += [each.text for each in reaches(school, settings)]
    assert "redis://***@127.0.0.1:1/0?***" in outputs[-1]
    with Ledger(school.ledger_file) as ledger:
        ledger.add_run(settings.model_dump(), StageName.PREP, Timing.NOW)
    assert SECRET not in "".join(outputs)
    assert files_with(school, SECRET) == [school.settings_file.name]


def files_with(school: School, secret: str) -> list[str]:
    """The names of the school's files that hold a secret."""
    files = [file for file in sorted(school.root.rglob("*")) if file.is_file()]
    return [file.name for file in files if secret.encode() in file.read_bytes()]


class _Echo(BaseHTTPRequestHandler):
    """Refuses every request and repeats its key."""

    def do_GET(self) -> None:
        body = f'{{"error": "bad key {self.headers["Authorization"]}"}}'.encode()
        self.send_response(401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *values: object) -> None:
        pass


def test_key_that_a_server_repeats_is_not_in_the_error() -> None:
    echo = HTTPServer(("127.0.0.1", 0), _Echo)
    threading.Thread(target=echo.handle_request, daemon=True).start()
    url = f"http://127.0.0.1:{echo.server_port}/v1"
    server = Server(ServerSettings(url=url, model="m", api_key_env="KEY"), SECRET)
    with pytest.raises(ServerError, match=r"HTTP 401: bad key Bearer \*\*\*"):
        server.models()
    assert SECRET not in repr(server)
    echo.server_close()


def test_key_that_no_header_can_hold_is_not_in_the_error() -> None:
    settings = ServerSettings(url="http://127.0.0.1:1/v1", model="m", api_key_env="KEY")
    for key in (f"{SECRET}\r\nX: y", f"{SECRET}学校"):
        with pytest.raises(ServerError, match="the key in KEY holds characters") as caught:
            Server(settings, key).models()
        assert SECRET not in str(caught.value)


def test_address_equals_its_text() -> None:
    assert SecretUrl("sqlite") == "sqlite"
    assert len({SecretUrl("sqlite"), SecretUrl("sqlite")}) == 1

"""Headers and settings that are almost right."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from docker_envs.errors import AuthenticationError
from docker_envs.oci.reference import Reference
from docker_envs.transports.authentication.challenges import parse_challenges
from docker_envs.transports.authentication.config_files import CredentialFile
from docker_envs.transports.engine.answers import error_message, raise_refusal
from docker_envs.transports.fetch import RetryRule, error_detail, parse_retry_after, status_error
from docker_envs.transports.redirects import join_location
from docker_envs.transports.registry.listing import next_page
from docker_envs.transports.registry.registries_conf import RegistriesConf
from docker_envs.transports.resuming import ResumingReader
from tests.fuzz.choices import Choices
from tests.fuzz.damage import damaged
from tests.fuzz.documents import changed
from tests.fuzz.targets import outcome
from tests.unit.transports.helpers import FakeResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from docker_envs.transports.fetch import Response

PIECES = {
    "WWW-Authenticate": (
        *("Bearer ", "Basic ", "Negotiate", "realm=", '"', ",", "=", "\\", "https://auth.example.org/token", "scope="),
        *('"repository:app:pull,push"', "service=", " ", "http://169.254.169.254/", "x" * 999, "é", "\t", "http://["),
    ),
    "Link": (
        *("<", ">", ";", "rel=", '"next"', "next", "/v2/app/tags/list?n=1&last=x", "http://[", "//evil:99999/", ","),
        *(" ", "prev", "http://127.0.0.1:1/", "?", "%", "\u0130", "x" * 999, "title=<>"),
    ),
    "Retry-After": (
        *("0", "1", "9" * 9, "9" * 400, "-", "+", ".", "1e9", "Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 99 Oct 2015", " "),
        *("Fri, 31 Dec 9999 23:59:59 -2359", "Mon, 01 Jan 0001 00:00:00 +2359", "²", "GMT", "00:00:99", "inf", "nan"),
    ),
    "Content-Range": (
        *("bytes", " ", "0", "5", "-", "/", "*", "9" * 19, "9" * 5000, "-1", "4-9/10", "bytes 0-0/1", "bytes 5-9/10"),
        *("\u0665", "items", "=", ",", "bytes 3-"),
    ),
    "Location": (
        *("/", "//", "http://", "https://", "h", ":", "99999", "[", "]", "..", "?", "#", "é", "%00", "@", "\0", " "),
        *("file:///etc/passwd", "data:", "\u2100", "127.0.0.1", "x" * 9999),
    ),
    "Content-Type": ("text/plain", "application/json", ";", "charset=", "x", '"'),
    "Warning": ("299 - ", '"', "text", "\\", "\x1b[31m", "é", ","),
    "Docker-Content-Digest": ("sha256:", "5" * 64, "sha512:", "x", " "),
}


def header(name: str, choices: Choices) -> str:
    return "".join(choices.pick(PIECES[name]) for _ in range(choices.number(10)))


def _answer(choices: Choices, *, status: int = 200, body: bytes = b"0123456789") -> FakeResponse:
    found = {name: header(name, choices) for name in PIECES if choices.number(2)}
    return FakeResponse(body, status=status, headers=found)


def headers(recipe: bytes) -> list[str]:
    """Headers of answers."""
    choices = Choices(recipe)
    kind = choices.pick(list(PIECES))
    text = header(kind, choices)
    if choices.number(8) == 7:
        text += choices.rest().decode("latin-1")
    answers = {kind: text}
    readers: tuple[Callable[[], object], ...] = (
        lambda: parse_challenges(text),
        lambda: [challenge.wider(["repository:app:pull"]) for challenge in parse_challenges(text)],
        lambda: parse_retry_after(text, now=1e9),
        lambda: join_location("https://registry.example.org/v2/", text),
        lambda: next_page(FakeResponse(b"", headers=answers)),
        lambda: _resume(FakeResponse(b"0123456789", status=206, headers=answers)),
        lambda: RetryRule(sleep=lambda _: None).run(lambda: _refuse(answers)),
    )
    return [outcome(reader) for reader in readers]


def _refuse(answers: Mapping[str, str]) -> None:
    raise status_error("GET", FakeResponse(b"", status=503, headers=answers), now=1e9)


def _resume(second: Response) -> bytes:
    """The rest of a download whose connection broke after 4 bytes."""
    answers: list[Response] = [FakeResponse(b"0123456789", breaks_at=4), second]
    rule = RetryRule(attempts=2, sleep=lambda _: None)
    stream = ResumingReader(lambda _: answers.pop(0) if len(answers) > 1 else answers[0], rule, size=10)
    return stream.read(4) + b"|" + b"".join(stream.read(6) for _ in range(3))


def refusals(recipe: bytes) -> list[str]:
    """What registries and engines say when they refuse."""
    choices = Choices(recipe)
    known = [{"errors": [{"code": "DENIED", "message": "no", "detail": {}}]}, {"message": "no"}, {"cause": "x"}]
    body = changed(choices.pick([*known, {"details": "no"}, {"error": {"a": 1}}]), choices)
    status = choices.pick([400, 401, 403, 404, 405, 408, 416, 429, 499, 500, 501, 503, 599, 600, 999])
    answer = _answer(choices, status=status, body=body)
    text = body.decode(errors="replace")
    return [
        outcome(lambda: error_detail(FakeResponse(body, headers={"Content-Type": "text/plain"}))),
        outcome(lambda: error_detail(answer)),
        outcome(lambda: status_error("GET", FakeResponse(body, status=status, headers=answer.headers), now=1e9)),
        outcome(lambda: error_message(text)),
        outcome(lambda: raise_refusal("load", error_message(text), status)),
    ]


_CONF = """
unqualified-search-registries = ["docker.io"]
[[registry]]
prefix = "docker.io/team"
location = "mirror.example.org:5000/team"
insecure = true
[[registry.mirror]]
location = "localhost:5000/x"
pull-from-mirror = "tag-only"
"""
_TOML = (
    *("[[registry]]\n", 'prefix = "*.example.org"\n', 'location = "[::1]:5000"\n', "blocked = true\n", "= ", "[" * 500),
    *('location = ""\n', "mirror = 1\n", "mirror-by-digest-only = 1979-05-27\n", '"""', "\\ud800", "location = inf\n"),
    *(
        "[registries.insecure]\n",
        'registries = ["x"]\n',
        "a.b.c = " + "9" * 5000 + "\n",
        "é",
        "\0",
        "{" * 500,
        "a." * 99,
    ),
)


def settings(recipe: bytes) -> list[str]:
    """Files of settings and credentials."""
    choices = Choices(recipe)
    conf = _CONF
    for _ in range(choices.number(4)):
        at = choices.number(len(conf) + 1)
        conf = conf[:at] + choices.pick(_TOML) + conf[at + choices.pick([0, 1, 20]) :]
    entry = {"auth": "dXNlcjpwYXNz", "identitytoken": "t", "username": "u", "password": "p"}
    auths = {"docker.io": entry, "https://index.docker.io/v1/": {"auth": "====", "registrytoken": ""}, "[": {}}
    auth = changed({"auths": auths, "credHelpers": {"x.example.org": "h"}, "credsStore": ""}, choices, most=5)
    content = damaged(conf.encode("utf-8", "replace"), choices) if choices.number(3) == 2 else conf.encode()
    file, name = tempfile.mkstemp(suffix=".conf")
    try:
        os.write(file, content)
        found = outcome(lambda: RegistriesConf.load([Path(name)]).sources(Reference.parse("team/app:1")))
    finally:
        os.close(file)
        Path(name).unlink()
    return [found.replace(name, ""), outcome(lambda: _credentials(auth))]


def _credentials(content: bytes) -> list[object]:
    file = CredentialFile.parse(content, source="auth.json")
    return [file.find(registry, "team/app", _no_helper) for registry in ("docker.io", "x.example.org", "[", "")]


def _no_helper(_: object) -> None:
    raise AuthenticationError("no helper")

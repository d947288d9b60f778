"""A registry in memory, for what a real one does not do on demand: tokens, redirects, wrong digests, lost bytes."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
from dataclasses import dataclass, field

from docker_envs.oci.media_types import OCI_INDEX
from tests.simulators.http_server import Answer, HttpSimulator, Request, json_answer, refusal

_PATH = re.compile(r"/v2/(?P<name>.+?)/(?P<kind>manifests|blobs|referrers|tags)/(?P<rest>.*)")


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass
class Repository:
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)


@dataclass
class TokenRules:
    """How the simulator's token server behaves.

    Attributes:
        users: Who may have more than anonymous pulls, with passwords.
        identity_tokens: What OAuth2's grant takes; None when the server does not know the grant.
        field_name: Where the token is in the answer.
        uses: After how many requests a token expires.
    """

    users: dict[str, str] = field(default_factory=dict)
    identity_tokens: tuple[str, ...] | None = ()
    field_name: str = "token"
    uses: int = 1_000_000


class RegistrySimulator(HttpSimulator):
    """The registry; with `tokens` it wants Bearer tokens, which its own `/token` gives.

    Attributes:
        repositories: What it has.
        mounts: Answer to mounts: 201, 202, or a refusal.
        blob_host: Where downloads of blobs are redirected to.
        uploads: Bytes of the uploads that are not complete, by number.
        resumable: Whether bytes of a broken request are kept.
        chunks: Status for chunks, if they are refused.
        streams: Status for chunks of unknown length, if they are refused.
        shortest_chunk: The least length of chunks but the last, which is announced.
        largest_body: What is longer is too large.
        lists_referrers: Whether it has the API of OCI 1.1 for that.
    """

    def __init__(self, tokens: TokenRules | None = None) -> None:
        super().__init__()
        self.repositories: dict[str, Repository] = {}
        self.tokens = tokens
        self.mounts = 201
        self.blob_host: str | None = None
        self.uploads: dict[str, bytes] = {}
        self.resumable = True
        self.chunks: int | None = None
        self.streams: int | None = None
        self.shortest_chunk = 0
        self.largest_body = 1 << 60
        self.lists_referrers = False
        self._issued: dict[str, tuple[frozenset[str], int]] = {}
        self._numbers = itertools.count(1)

    def repository(self, name: str) -> Repository:
        return self.repositories.setdefault(name, Repository())

    def add_manifest(self, name: str, tag: str, content: bytes, media_type: str) -> str:
        digest = sha256(content)
        for key in (tag, digest):
            self.repository(name).manifests[key] = (media_type, content)
        return digest

    def add_blob(self, name: str, content: bytes) -> str:
        self.repository(name).blobs[sha256(content)] = content
        return sha256(content)

    def answer(self, request: Request) -> Answer:
        if request.path == "/token":
            return self._token(request)
        found = _PATH.fullmatch(request.path)
        name = found["name"] if found else ""
        if self.tokens is not None and not self._allowed(request, name):
            challenge = f'Bearer realm="{self.url}/token?x=1",service="simulator",scope="repository:{name}:pull"'
            return refusal(401, "UNAUTHORIZED", "authentication required", **{"WWW-Authenticate": challenge})
        if not found:
            return json_answer({})
        if found["kind"] == "manifests":
            return self._manifest(request, name, found["rest"])
        if found["kind"] == "referrers":
            return self._referrers(name, found["rest"])
        if found["kind"] == "tags":
            tags = [tag for tag in self.repository(name).manifests if ":" not in tag]
            return json_answer({"name": name, "tags": tags}) if tags else refusal(404, "NAME_UNKNOWN")
        if found["rest"].startswith("uploads/"):
            return self._upload(request, name)
        return self._blob(request, name, found["rest"])

    def _manifest(self, request: Request, name: str, key: str) -> Answer:
        if request.method == "PUT":
            digest = self.add_manifest(name, key, request.body, request.headers["content-type"])
            subject = json.loads(request.body).get("subject") if self.lists_referrers else None
            known = {"OCI-Subject": subject["digest"]} if subject else {}
            return Answer(201, headers={"Docker-Content-Digest": digest, **known})
        if key not in self.repository(name).manifests:
            return refusal(404, "MANIFEST_UNKNOWN", f"manifest unknown to {name}")
        media_type, content = self.repository(name).manifests[key]
        return Answer(200, content, {"Content-Type": media_type, "Docker-Content-Digest": sha256(content)})

    def _referrers(self, name: str, subject: str) -> Answer:
        if not self.lists_referrers:
            return Answer(404, b"404 page not found\n")
        entries = {}
        for media_type, content in self.repository(name).manifests.values():
            document = json.loads(content)
            if document.get("subject", {}).get("digest") == subject:
                entries[sha256(content)] = {
                    "mediaType": media_type,
                    "digest": sha256(content),
                    "size": len(content),
                    "artifactType": document.get("artifactType", document["config"]["mediaType"]),
                    "annotations": document.get("annotations", {}),
                }
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(entries.values())}
        return Answer(200, json.dumps(index).encode(), {"Content-Type": OCI_INDEX})

    def _blob(self, request: Request, name: str, digest: str) -> Answer:
        if digest not in self.repository(name).blobs:
            return refusal(404, "BLOB_UNKNOWN", "blob unknown to registry")
        if self.blob_host and request.method == "GET":
            return Answer(307, headers={"Location": f"{self.blob_host}/store/{digest}?signature=secret"})
        content = self.repository(name).blobs[digest]
        if ranged := re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", "")):
            first, size = int(ranged[1]), len(content)
            return Answer(206, content[first:], {"Content-Range": f"bytes {first}-{size - 1}/{size}"})
        return Answer(200, content)

    def _upload(self, request: Request, name: str) -> Answer:
        if request.method != "POST":
            return self._continue(request, name)
        if "mount" in request.query:
            digest, source = request.query["mount"][0], request.query["from"][0]
            if self.mounts not in (201, 202):
                return refusal(self.mounts, "DENIED", "no mounts here")
            if self.mounts == 201 and digest in self.repository(source).blobs:
                self.add_blob(name, self.repository(source).blobs[digest])
                return Answer(201)
        number = str(next(self._numbers))
        self.uploads[number] = b""
        minimum = {"OCI-Chunk-Min-Length": str(self.shortest_chunk)} if self.shortest_chunk else {}
        return Answer(202, headers={**self._place(name, number), **minimum})

    def _continue(self, request: Request, name: str) -> Answer:
        number = request.path.rpartition("/")[2]
        if number not in self.uploads or request.query["state"] != ["a b"]:
            return refusal(404, "BLOB_UPLOAD_UNKNOWN")
        if request.method == "DELETE":
            del self.uploads[number]
            return Answer(204)
        if len(request.body) > self.largest_body:
            return refusal(413, "SIZE_INVALID", "too large")
        if request.method == "PATCH" and "transfer-encoding" in request.headers:
            if self.streams is not None:
                return refusal(self.streams, "UNSUPPORTED", "length required")
        elif request.method == "PATCH":
            first, _, last = request.headers["content-range"].partition("-")
            if self.chunks is not None:
                return refusal(self.chunks, "UNSUPPORTED", "no chunks here")
            if int(first) != len(self.uploads[number]) or int(last) - int(first) + 1 != len(request.body):
                return refusal(416, "BLOB_UPLOAD_INVALID", "out of order")
        self.uploads[number] += request.body
        if request.method != "PUT":
            return Answer(202 if request.method == "PATCH" else 204, headers=self._place(name, number))
        digest, content = request.query["digest"][0], self.uploads.pop(number)
        if sha256(content) != digest:
            return refusal(400, "DIGEST_INVALID")
        self.add_blob(name, content)
        return Answer(201, headers={"Docker-Content-Digest": digest})

    def _place(self, name: str, number: str) -> dict[str, str]:
        # Relative, and with a query that must survive.
        location = f"/v2/{name}/blobs/uploads/{number}?state=a%20b"
        return {"Location": location, "Range": f"0-{max(0, len(self.uploads[number]) - 1)}"}

    def broken(self, request: Request) -> None:
        number = request.path.rpartition("/")[2]
        if number in self.uploads:
            if self.resumable:
                self.uploads[number] += request.body
            else:
                del self.uploads[number]

    def _token(self, request: Request) -> Answer:
        assert self.tokens is not None
        form = dict(item.partition("=")[::2] for item in request.body.decode().split("&")) if request.body else {}
        if request.method == "POST":
            if self.tokens.identity_tokens is None:
                return Answer(404)
            if form["refresh_token"] not in self.tokens.identity_tokens:
                return json_answer({"details": "invalid refresh token"}, 401)
            wanted = frozenset(form["scope"].replace("%3A", ":").replace("%2F", "/").replace("%2C", ",").split("+"))
        else:
            wanted = frozenset(request.query.get("scope", []))
            user = self._user(request)
            if user is None and request.authorization:
                return json_answer({"details": "incorrect username or password"}, 401)
            if user is None:
                wanted = frozenset(scope for scope in wanted if scope.endswith(":pull"))
        token = f"token-{next(self._numbers)}"
        self._issued[f"Bearer {token}"] = (wanted, self.tokens.uses)
        return json_answer({self.tokens.field_name: token, "expires_in": 300})

    def _user(self, request: Request) -> str | None:
        assert self.tokens is not None
        scheme, _, encoded = (request.authorization or "").partition(" ")
        name, _, password = base64.b64decode(encoded).decode().partition(":") if scheme == "Basic" else ("", "", "")
        return name if name in self.tokens.users and self.tokens.users[name] == password else None

    def _allowed(self, request: Request, name: str) -> bool:
        scopes, uses = self._issued.get(request.authorization or "", (frozenset[str](), 0))
        if not uses or not name:
            return False
        self._issued[request.authorization or ""] = (scopes, uses - 1)
        needed = [(name, "pull" if request.method in ("GET", "HEAD") else "push")]
        needed += [(source, "pull") for source in request.query.get("from", [])]
        return all(
            any(s.startswith(f"repository:{wanted}:") and action in s.rpartition(":")[2] for s in scopes)
            for wanted, action in needed
        )

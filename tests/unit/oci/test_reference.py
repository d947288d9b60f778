from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_envs.digest import Digest
from docker_envs.errors import InvalidReferenceError
from docker_envs.oci.reference import Reference, is_loopback

DIGEST = Digest.of(b"manifest")


@pytest.mark.parametrize(
    ("text", "canonical", "familiar"),
    [
        ("debian", "docker.io/library/debian:latest", "debian:latest"),
        ("debian:12", "docker.io/library/debian:12", "debian:12"),
        ("library/debian", "docker.io/library/debian:latest", "debian:latest"),
        ("continuumio/miniconda3", "docker.io/continuumio/miniconda3:latest", "continuumio/miniconda3:latest"),
        ("docker.io/debian", "docker.io/library/debian:latest", "debian:latest"),
        ("index.docker.io/debian", "docker.io/library/debian:latest", "debian:latest"),
        ("registry-1.docker.io/a/b", "docker.io/a/b:latest", "a/b:latest"),
        ("docker.io/library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"),
        ("localhost/a", "localhost/a:latest", "localhost/a:latest"),
        ("localhost:5000", "docker.io/library/localhost:5000", "localhost:5000"),
        ("localhost:5000/a", "localhost:5000/a:latest", "localhost:5000/a:latest"),
        ("host.example:5000/a/b/c:1.0-rc_2", "host.example:5000/a/b/c:1.0-rc_2", "host.example:5000/a/b/c:1.0-rc_2"),
        ("HOST/a", "HOST/a:latest", "HOST/a:latest"),
        ("127.0.0.1:5000/a:b", "127.0.0.1:5000/a:b", "127.0.0.1:5000/a:b"),
        ("[::1]:5000/a", "[::1]:5000/a:latest", "[::1]:5000/a:latest"),
        ("[2001:db8::1]/a:1", "[2001:db8::1]/a:1", "[2001:db8::1]/a:1"),
        (f"debian@{DIGEST}", f"docker.io/library/debian@{DIGEST}", f"debian@{DIGEST}"),
        (f"host:1/a:t@{DIGEST}", f"host:1/a:t@{DIGEST}", "host:1/a:t"),
        ("a__b/c--d/e.f_g", "docker.io/a__b/c--d/e.f_g:latest", "a__b/c--d/e.f_g:latest"),
        ("a:" + "t" * 128, "docker.io/library/a:" + "t" * 128, "a:" + "t" * 128),
    ],
)
def test_good(text: str, canonical: str, familiar: str) -> None:
    reference = Reference.parse(text)
    assert str(reference) == canonical
    assert reference.familiar == familiar
    assert Reference.parse(canonical) == Reference.parse(familiar if reference.digest is None else text) == reference


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "'library/' is no repository name"),
        ("Debian", "repository names are lower case"),
        ("host.example/Debian:1", "repository names are lower case"),
        ("a:", "'' is no tag"),
        ("a:.b", "'.b' is no tag"),
        ("a:b c", "'b c' is no tag"),
        ("a:" + "t" * 129, f"'{'t' * 129}' is no tag"),
        ("a:b\n", "'b\\n' is no tag"),
        ("a/", "'a/' is no repository name"),
        ("/a", "'/a' is no repository name"),
        ("a//b", "'a//b' is no repository name"),
        ("host.example/", "'' is no repository name"),
        ("a..b/c", "'a..b' is no host name"),
        ("-host.example/c", "'-host.example' is no host name"),
        ("host-.example/c", "'host-.example' is no host name"),
        ("host.example:port/c", "'host.example:port' is no host name"),
        ("host.example:123456/c", "'host.example:123456' is no host name"),
        ("[::1/a", "'[::1' is no host name"),
        ("https://host.example/a", "'https:' is no host name"),
        ("x/a___b", "'x/a___b' is no repository name"),
        ("x/.a", "'x/.a' is no repository name"),
        ("x/a-", "'x/a-' is no repository name"),
        ("x/é", "'x/é' is no repository name"),
        ("x/../y", "'x/../y' is no repository name"),
        ("a@", "invalid digest ''"),
        ("a@sha256:abc", "invalid digest 'sha256:abc'"),
        (f"a@{DIGEST}@{DIGEST}", f"invalid digest '{DIGEST}@{DIGEST}'"),
        (f"@{DIGEST}", "'library/' is no repository name"),
        ("x/" + "a" * 254, "longer than 255 characters"),
    ],
)
def test_bad(text: str, reason: str) -> None:
    with pytest.raises(InvalidReferenceError) as caught:
        Reference.parse(text)
    assert caught.value.reason == reason
    assert str(caught.value).startswith("invalid image reference ")


LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
HOSTS = st.one_of(
    st.sampled_from(["localhost", "docker.io", "127.0.0.1", "[::1]", "[fe80::1]"]),
    st.lists(LABELS, min_size=2, max_size=3).map(".".join),
)
PORTS = st.one_of(st.just(""), st.integers(1, 65535).map(":{}".format))
PARTS = st.from_regex(r"[a-z0-9]{1,5}((\.|_|__|-{1,3})[a-z0-9]{1,5}){0,2}", fullmatch=True)
TAGS = st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}", fullmatch=True)


@st.composite
def references(draw: st.DrawFn) -> Reference:
    """Values as `parse` gives them: the Hub's official images have `library/`, and there is a tag or a digest."""
    registry = draw(HOSTS)
    parts = draw(st.lists(PARTS, min_size=1 + (registry == "docker.io"), max_size=4))
    digest = draw(st.one_of(st.none(), st.binary().map(Digest.of)))
    tag = draw(TAGS if digest is None else st.one_of(st.none(), TAGS))
    return Reference(registry if registry == "docker.io" else registry + draw(PORTS), "/".join(parts), tag, digest)


@given(references())
def test_parsing_text_gives_the_value(reference: Reference) -> None:
    """OCI distribution-spec 1.1, "Pulling manifests": `<name>` and `<reference>` as tag or digest."""
    assert Reference.parse(str(reference)) == reference
    assert str(Reference.parse(str(reference))) == str(reference)


@given(references().filter(lambda reference: reference.digest is None))
def test_parsing_the_familiar_form_gives_the_value(reference: Reference) -> None:
    assert Reference.parse(reference.familiar) == reference


@given(st.text())
def test_any_text_gives_a_value_or_our_error(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except InvalidReferenceError:
        return
    assert Reference.parse(str(reference)) == reference


def test_identifier_and_copies() -> None:
    tagged = Reference.parse("host.example/a:1")
    assert tagged.identifier == "1"
    pinned = tagged.with_digest(DIGEST)
    assert pinned.identifier == DIGEST
    assert str(pinned) == f"host.example/a:1@{DIGEST}"
    assert pinned.with_tag("2") == Reference("host.example", "a", "2")
    with pytest.raises(InvalidReferenceError):
        tagged.with_tag("no tag")


@pytest.mark.parametrize(
    ("registry", "expected"),
    [("localhost", True), ("localhost:5000", True), ("127.0.0.1:5000", True), ("127.9.9.9", True), ("[::1]", True),
     ("[::1]:5000", True), ("docker.io", False), ("localhost.example", False), ("10.0.0.1:5000", False),
     ("[fe80::1]:5000", False), ("127.0.0.1.example", False)],
)  # fmt: skip
def test_is_loopback(registry: str, *, expected: bool) -> None:
    assert is_loopback(registry) is expected

"""Users and groups, merged with those of a base."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest

from docker_envs.archive.entry import Entry, Kind, file_entry
from docker_envs.archive.layer_writer import write_layer
from docker_envs.builder.application.account_files import AccountFiles
from docker_envs.builder.application.accounts import Group, User
from docker_envs.builder.application.planned_accounts import BaseAccounts, PlannedAccounts, plan_accounts
from docker_envs.errors import InvalidInputError, TransportError
from docker_envs.oci import media_types
from docker_envs.oci.descriptor import Descriptor
from docker_envs.oci.image import Image, scratch
from docker_envs.oci.layer import Layer
from docker_envs.report import SILENT
from tests.images import AMD64, make_image, make_layer

if TYPE_CHECKING:
    from docker_envs.streams import ByteSource

PASSWD = "root:x:0:0:root:/root:/bin/bash\nwww:x:33:33::/srv:/bin/false\nbroken line\n+::::::"
GROUP = "root:x:0:\nwww:x:33:\naudio:x:29:www\n"
SHADOW = "root:*:1:0:99999:7:::\n"
BASE = AccountFiles(PASSWD, GROUP, SHADOW)


def plan(base: Image, *users: User, groups: tuple[Group, ...] = (), owners: tuple[str, ...] = ()) -> PlannedAccounts:
    return plan_accounts(BaseAccounts(base), users, groups, owners=owners, mtime=5, reporter=SILENT)


def contents(planned: PlannedAccounts) -> dict[str, bytes]:
    return {entry.path: entry.read() for entry in planned.entries if entry.kind is Kind.FILE}


def closed(contents: dict[str, bytes]) -> Layer:
    """A layer that cannot be opened."""

    def refuse() -> ByteSource:
        raise TransportError("not to be read")

    return replace(make_layer(contents), opener=refuse)


def test_a_user_is_added_with_a_group_and_no_password() -> None:
    files = BASE.with_accounts([User(name="app", uid=1000, comment="The App")], [])
    assert files.passwd == f"{PASSWD}\napp:x:1000:1000:The App:/home/app:/bin/sh\n"
    assert files.group == f"{GROUP}app:x:1000:\n"
    assert files.shadow == f"{SHADOW}app:!:::::::\n"


@pytest.mark.parametrize(
    ("user", "group", "added"),
    [
        (User(name="a", uid=5, group="www"), 33, ""),
        (User(name="a", uid=5, group=29), 29, ""),
        (User(name="a", uid=5, group=77), 77, "a:x:77:\n"),
        (User(name="a", uid=33 + 1), 34, "a:x:34:\n"),
    ],
    ids=["name", "known-number", "new-number", "own"],
)
def test_primary_groups(user: User, group: int, added: str) -> None:
    files = BASE.with_accounts([user], [])
    assert files.user("a") == (user.uid, group)
    assert files.group == GROUP + added


def test_members_of_groups() -> None:
    users = [User(name="app", uid=1000, groups=("audio", "team"))]
    files = BASE.with_accounts(users, [Group(name="team", gid=50, members=("www", "app"))])
    assert files.group == "root:x:0:\nwww:x:33:\naudio:x:29:www,app\nteam:x:50:www,app\napp:x:1000:\n"


def test_what_the_base_has_stays() -> None:
    again = BASE.with_accounts([User(name="www", uid=33, home="/x")], [Group(name="audio", gid=29, members=("www",))])
    assert again == BASE
    once = BASE.with_accounts([User(name="app", uid=1000)], [])
    assert once.with_accounts([User(name="app", uid=1000)], []) == once


@pytest.mark.parametrize(
    ("users", "groups", "message"),
    [
        ([User(name="www", uid=34)], [], "user `www` already, with the number 33 instead of 34"),
        ([User(name="app", uid=33)], [], "the number 33 of the user `app` belongs to `www`"),
        ([User(name="www", uid=33, group="audio")], [], "`www` is in the group 33 already, not in 29"),
        ([User(name="audio", uid=5)], [], "group `audio` already, with the number 29 instead of 5"),
        ([User(name="app", uid=5, group="none")], [], "no group `none` for the user `app`"),
        ([User(name="app", uid=5, groups=("none",))], [], "no group `none`"),
        ([], [Group(name="audio", gid=30)], "group `audio` already, with the number 29 instead of 30"),
        ([], [Group(name="video", gid=29)], "the number 29 of the group `video` belongs to `audio`"),
        ([], [Group(name="team", gid=50, members=("nobody",))], "no user `nobody`"),
        ([User(name="a", uid=5), User(name="b", uid=5)], [], "the number 5 of the user `b` belongs to `a`"),
    ],
)
def test_contradictions(users: list[User], groups: list[Group], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        BASE.with_accounts(users, groups)


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "", "uid": 1},
        {"name": "Root", "uid": 1},
        {"name": "a:b", "uid": 1},
        {"name": "a\nb", "uid": 1},
        {"name": "1a", "uid": 1},
        {"name": "a" * 33, "uid": 1},
        {"name": "a", "uid": -1},
        {"name": "a", "uid": 2**32 - 1},
        {"name": "a", "uid": 1, "group": -1},
        {"name": "a", "uid": 1, "group": "x y"},
        {"name": "a", "uid": 1, "groups": ("x,y",)},
        {"name": "a", "uid": 1, "home": "home"},
        {"name": "a", "uid": 1, "home": "/a:b"},
        {"name": "a", "uid": 1, "home": "/a/../b"},
        {"name": "a", "uid": 1, "shell": "/bin/sh\nroot2:x:0:0::/:/bin/sh"},
        {"name": "a", "uid": 1, "comment": "a\n"},
    ],
)
def test_no_users(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        User(**fields)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", (0, 0)), ("5", (5, 5)), ("5:6", (5, 6)), ("www", (33, 33)), ("www:audio", (33, 29)), ("7:audio", (7, 29))],
)
def test_owners(text: str, expected: tuple[int, int]) -> None:
    assert BASE.owner(text) == expected


@pytest.mark.parametrize(("text", "message"), [("x", "no user `x`"), ("0:x", "no group `x`"), ("www:", "no group ``")])
def test_unknown_owners(text: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        BASE.owner(text)


def test_a_base_is_not_read_for_numbers() -> None:
    image = make_image(closed({"etc/passwd": PASSWD.encode()}))
    assert plan(image, owners=("0:0", "1000")) == PlannedAccounts()
    with pytest.raises(TransportError):
        plan(image, owners=("www",))


def test_layers_are_read_from_the_top_until_the_files_are_found() -> None:
    upper = {"etc/passwd": PASSWD.encode(), "etc/group": GROUP.encode(), "etc/shadow": SHADOW.encode()}
    image = make_image(closed({"x": b""}), upper)
    planned = plan(image, User(name="app", uid=1000, home="/srv/app"), owners=("www",))
    assert planned.owner("app") == (1000, 1000)
    assert planned.owner("www") == (33, 33)
    assert [entry.path for entry in planned.entries] == ["etc/passwd", "etc/group", "etc/shadow", "srv/app"]
    home: Entry = planned.entries[-1]
    assert (home.kind, home.uid, home.gid, home.mode, home.mtime) == (Kind.DIRECTORY, 1000, 1000, 0o755, 5)


def test_modes_and_owners_of_the_bases_files_stay() -> None:
    out = BytesIO()
    shadow = file_entry("etc/shadow", SHADOW.encode(), mode=0o640, mtime=1)
    shadow.gid = 42
    facts = write_layer([shadow], out, source="test")
    layer = Layer(
        Descriptor(media_types.OCI_LAYER_GZIP, facts.digest, facts.size),
        partial(BytesIO, out.getvalue()),
        diff_id=facts.diff_id,
    )
    planned = plan(
        make_image({"etc/passwd": PASSWD.encode(), "etc/group": GROUP.encode()}, layer), User(name="a", uid=1)
    )
    found = {entry.path: (entry.mode, entry.uid, entry.gid) for entry in planned.entries}
    assert found["etc/shadow"] == (0o640, 0, 42)
    assert found["etc/passwd"] == (0o644, 0, 0)


def test_from_nothing_there_is_root() -> None:
    planned = plan(scratch(AMD64), User(name="app", uid=1000, home="/", shell="/sbin/nologin"))
    assert contents(planned) == {
        "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/:/sbin/nologin\n",
        "etc/group": b"root:x:0:\napp:x:1000:\n",
    }
    assert len(planned.entries) == 2


def test_there_is_no_layer_when_the_base_has_it_all() -> None:
    image = make_image({"etc/passwd": PASSWD.encode(), "etc/group": GROUP.encode()})
    assert plan(image, User(name="www", uid=33, home="/new")).entries == ()

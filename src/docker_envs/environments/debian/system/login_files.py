"""`/etc/shells` and the common configuration of PAM, which programs put together of what packages have.

Spec: update-shells(8); pam-auth-update(8) and the format of `/usr/share/pam-configs`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docker_envs.environments.debian.system.files import SystemFiles

_SHELLS, _SHELLS_STATE = "/etc/shells", "/var/lib/shells.state"
_SHELLS_TEMPLATE, _SHELLS_PARTS = "/usr/share/debianutils/shells", "/usr/share/debianutils/shells.d"
_PAM_TEMPLATES, _PAM_PROFILES = "/usr/share/pam", "/usr/share/pam-configs"
_PAM_KINDS = ("account", "auth", "password", "session", "session-noninteractive")
_WITHOUT_ARGUMENTS = re.compile(r"\A(?:\[[^]]*\]|\w+)\s+\S+\Z")
_NOBODY = "[default=1]\t\t\tpam_permit.so"


def write_shells(files: SystemFiles) -> None:
    """The list of login shells: those of packages, by each path that they have."""
    base = _text(files, _SHELLS) or _text(files, _SHELLS_TEMPLATE)
    shells: list[str] = []
    for path in (_SHELLS_TEMPLATE, *(f"/{each}" for each in files.below(_SHELLS_PARTS))):
        for line in _text(files, path).splitlines():
            shell = line.partition("#")[0].strip()
            directory, _, name = shell.rpartition("/")
            real = f"/{files.resolve(directory)}/{name}" if shell else ""
            shells += [each for each in dict.fromkeys((shell, real)) if each and each not in shells]
    listed = base.splitlines()
    files.write(_SHELLS, (base + "".join(f"{each}\n" for each in shells if each not in listed)).encode())
    files.write(_SHELLS_STATE, "".join(f"{each}\n" for each in shells).encode())


def write_pam(files: SystemFiles) -> None:
    """`/etc/pam.d/common-*` of the profiles that are on by default, where the files are not there yet."""
    profiles = [_profile(_text(files, f"/{path}"), path) for path in files.below(_PAM_PROFILES)]
    active = [each for each in profiles if each.get("Default") == "yes"]
    active.sort(key=lambda each: (-int(each.get("Priority") or 0), each["path"]))
    others = [each for each in profiles if each not in active]
    for kind in _PAM_KINDS:
        template, place = _text(files, f"{_PAM_TEMPLATES}/common-{kind}"), f"/etc/pam.d/common-{kind}"
        if template and place not in files:
            state, text = _common(template, kind, active)
            files.write(place, text.encode())
            files.write(f"/var/lib/pam/{kind}", state.encode())
    names = (each["path"].rpartition("/")[2] for each in [*active, *others])
    files.write("/var/lib/pam/seen", "".join(f"{name}\n" for name in names).encode())


def _common(template: str, kind: str, profiles: list[dict[str, str]]) -> tuple[str, str]:
    """What `pam-auth-update` keeps of the chosen modules, and the file itself."""
    group, state = kind.partition("-")[0].capitalize(), ""
    field = "Session-Interactive-Only"
    chosen = [each for each in profiles if not (kind.endswith("noninteractive") and each.get(field) == "yes")]
    for block in ("Primary", "Additional"):
        lines: list[str] = []
        modules = [each for each in chosen if each.get(f"{group}-Type") == block and each.get(group)]
        if block == "Primary" and not modules:
            lines.append(_NOBODY)
            state += f"Module: null\n{_NOBODY}\n"
        for number, each in enumerate(modules):
            own = (each.get(f"{group}-Initial") if not number else None) or each[group]
            state += f"Module: {each['path'].rpartition('/')[2]}\n{own}\n"
            jump = str(len(modules) - number)
            # What has no arguments gets a blank all the same.
            own_lines = (_WITHOUT_ARGUMENTS.sub(r"\g<0> ", line) for line in own.splitlines())
            lines += [re.sub(r"(?<==)end\b", jump, line) for line in own_lines]
        text = "".join(f"{group.lower()}\t{line}\n" for line in lines)
        template = template.replace(f"${group.lower()}_{block.lower()}\n", text)
        template = template.replace(f"${group.lower()}_nonint_{block.lower()}\n", text)
    return state, template


def _profile(text: str, path: str) -> dict[str, str]:
    fields, name = {"path": path}, ""
    for line in text.splitlines():
        if line[:1].isspace() and name:
            fields[name] = "\n".join(each for each in (fields[name], line.strip()) if each)
        elif ":" in line:
            name, _, value = line.partition(":")
            fields[name] = value.strip()
    if not fields.get("Priority", "0").isdecimal():
        fields["Priority"] = "0"
    return fields


def _text(files: SystemFiles, path: str) -> str:
    return (files.read(path) or b"").decode("utf-8", "surrogateescape")

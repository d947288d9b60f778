"""`setcap` and `getcap`: capabilities of files, as an extended attribute.

Spec: Linux, include/uapi/linux/capability.h, `struct vfs_cap_data`; cap_from_text(3).
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

from docker_envs.environments.debian.scripts.outcome import UNKNOWN, Outcome

if TYPE_CHECKING:
    from docker_envs.environments.debian.system.files import SystemFiles

#: Capabilities by their number.
_NAMES = (
    "chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap",
    "linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner",
    "sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice",
    "sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap",
    "mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf",
    "checkpoint_restore",
)  # fmt: skip
_REVISION_2 = 0x02000000
_EFFECTIVE = 1
_CLAUSE = re.compile(r"((?:cap_[a-z_]+)(?:,cap_[a-z_]+)*)[=+]([eip]+)")


def encode_capabilities(text: str) -> bytes | None:
    """The value of `security.capability` for `cap_net_raw+ep` and the like; None for another form."""
    permitted = inheritable = 0
    flags: set[str] = set()
    for clause in text.split():
        found = _CLAUSE.fullmatch(clause)
        if found is None:
            return None
        flags |= {"e" if "e" in found[2] else "-"}
        for name in found[1].split(","):
            if name.removeprefix("cap_") not in _NAMES:
                return None
            bit = 1 << _NAMES.index(name.removeprefix("cap_"))
            permitted |= bit if "p" in found[2] else 0
            inheritable |= bit if "i" in found[2] else 0
    # One bit says whether all of them are effective.
    if len(flags) != 1:
        return None
    words = (permitted & 0xFFFFFFFF, inheritable & 0xFFFFFFFF, permitted >> 32, inheritable >> 32)
    return struct.pack("<5I", _REVISION_2 | (_EFFECTIVE if flags == {"e"} else 0), *words)


def set_capability(words: list[str], files: SystemFiles) -> bool:
    """`setcap CAPABILITIES FILE` or `setcap -r FILE`; False for what is not known."""
    words = [word for word in words if word not in ("-q", "-v")]
    if len(words) != 2 or words[1].startswith("-"):
        return False
    value = b"" if words[0] == "-r" else encode_capabilities(words[0])
    return value is not None and files.change(words[1], capability=value)


def get_capability(words: list[str | None], files: SystemFiles) -> Outcome:
    """`getcap FILE`: a line where it has capabilities, the value of which is not known here."""
    if len(words) != 1 or words[0] is None:
        return UNKNOWN
    found = files.lookup(words[0])
    if found is None:
        return Outcome(status=False)
    return Outcome(output=None) if found.xattrs else Outcome()

"""What maintainer scripts would do and the image does not have."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why a command of a script has no effect in the image.

    Attributes:
        UNKNOWN: Nobody knows what it does without running it.
        CACHE: It makes a cache that programs can do without, or make themselves.
        MACHINE: It makes what each machine has to make for itself, such as keys; an image must not have it.
        CONDITION: Whether it is reached depends on something that is not known.
        ARGUMENT: Something in its arguments is not known.
        UNREADABLE: The script is in another language, or cannot be read.
        FILE: It changes or removes a file of a package.
    """

    UNKNOWN = "unknown command"
    CACHE = "cache"
    MACHINE = "made on each machine"
    CONDITION = "unknown condition"
    ARGUMENT = "unknown argument"
    UNREADABLE = "unreadable script"
    FILE = "file of a package"


@dataclass(frozen=True, slots=True)
class Finding:
    """One command that was left out.

    Attributes:
        package: Name of the package.
        script: `preinst` or `postinst`.
        line: Its line, from one; 0 for what became of the whole script.
        command: As it stands in the script.
        reason: Why.
    """

    package: str
    script: str
    line: int
    command: str
    reason: Reason

    @property
    def is_harmless(self) -> bool:
        """Whether the image lacks nothing but speed, or what it must not have; `--strict` refuses the others."""
        return self.reason in (Reason.CACHE, Reason.MACHINE)

    def __str__(self) -> str:
        place = f", line {self.line}" if self.line else ""
        return f"{self.package}: {self.script}{place}: `{self.command}` was not run ({self.reason})"

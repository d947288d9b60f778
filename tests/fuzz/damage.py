"""Bytes with mistakes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fuzz.choices import Choices


def damaged(content: bytes, choices: Choices, *, most: int = 3) -> bytes:
    """`content` with up to `most` bytes or ranges flipped, inserted, deleted, repeated or cut off."""
    for _ in range(1 + choices.number(most)):
        at = choices.number(len(content) + 1)
        length = choices.pick([1, 2, 8, 100, 512, 5000])
        part = content[at : at + length]
        match choices.number(7):
            case 0:
                content = content[:at] + bytes([choices.number(256)]) + content[at + 1 :]
            case 1:
                content = content[:at] + bytes(byte ^ 1 << choices.number(8) for byte in part[:1]) + content[at + 1 :]
            case 2:
                content = content[:at] + choices.some(40) + content[at:]
            case 3:
                content = content[:at] + content[at + length :]
            case 4:
                content = content[:at] + part * 3 + content[at + length :]
            case 5:
                content = content[:at]
            case _:
                content = content[:at] + bytes(len(part)) + content[at + length :]
    return content

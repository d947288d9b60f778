from __future__ import annotations

import io

import pytest

from docker_envs.streams import CHUNK_SIZE, copy_stream


class Counting(io.BytesIO):
    largest = 0

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        assert size > 0
        self.largest = max(self.largest, size)
        return super().read(min(size, 100_000))


@pytest.mark.parametrize("size", [0, 1, CHUNK_SIZE, 3 * CHUNK_SIZE + 1])
def test_copies_all_in_bounded_chunks(size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    source, target = Counting(content[:size]), io.BytesIO()
    assert copy_stream(source, target) == size
    assert target.getvalue() == content[:size]
    assert source.largest <= CHUNK_SIZE

"""How much is read of documents at once, since hostile ones name each other in numbers that grow with each level."""

from __future__ import annotations

import threading

from docker_envs.errors import FormatError

#: The most manifests and indexes below one name, or images in one archive, each counted as often as it is named.
MAX_DOCUMENTS = 20_000
#: The most bytes of manifests, indexes and configs that are held at once.
MAX_DOCUMENT_BYTES = 64 << 20


class DocumentBudget:
    """Counts the documents that are read for one purpose; safe for many threads.

    Args:
        source: Where they come from, for messages.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._count = self._size = 0

    def take(self, size: int, count: int = 1) -> None:
        """Allow for documents of `size` bytes in all, before they are read.

        Raises:
            FormatError: There are too many.
        """
        with self._lock:
            self._count += count
            self._size += size
            if self._count > MAX_DOCUMENTS:
                raise FormatError(self._source, f"more than {MAX_DOCUMENTS:,} manifests or images")
            if self._size > MAX_DOCUMENT_BYTES:
                raise FormatError(self._source, f"manifests and configs of more than {MAX_DOCUMENT_BYTES:,} bytes")

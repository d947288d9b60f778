"""A reporter that remembers the tasks it was told of."""

from __future__ import annotations


class Recorder:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.tasks: list[RecordedTask] = []

    def message(self, text: str) -> None:
        raise AssertionError(text)

    def warning(self, text: str) -> None:
        raise AssertionError(text)

    def start(self, verb: str, name: str, total: int | None = None) -> RecordedTask:
        task = RecordedTask(verb, name, total)
        self.tasks.append(task)
        return task


class RecordedTask:
    def __init__(self, verb: str, name: str, total: int | None) -> None:
        self.verb, self.name, self.total = verb, name, total
        self.amount = self.finished = 0
        self.note = ""

    def advance(self, amount: int) -> None:
        assert amount > 0
        self.amount += amount

    def finish(self, note: str = "") -> None:
        self.finished += 1
        self.note = note

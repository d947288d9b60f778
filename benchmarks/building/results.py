"""What was measured: samples by scenario, environment and way."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

#: Scenarios, as reports call them.
COLD = "cold"
LEAF = "one leaf updated"
UNCHANGED = "nothing changed"
CACHE = "cold machine, warm layer cache"
BASE = "big base"


@dataclass(frozen=True)
class Sample:
    """One run of one way.

    Attributes:
        seconds: By the clock.
        cpu_seconds: Processor time of the tool; of an engine, only that of its client.
        peak_memory: Of the tool's processes together, in bytes.
        sent: Bytes to the registry, headers included.
        received: Bytes from the registry, headers included.
        watching: Processor time that counting these bytes and looking at the memory took, in seconds.
    """

    seconds: float
    cpu_seconds: float
    peak_memory: int
    sent: int
    received: int
    watching: float


@dataclass
class Result:
    """All runs of one way in one scenario for one environment, with so many cores."""

    scenario: str
    environment: str
    way: str
    cores: int
    samples: list[Sample] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """The median."""
        return median(sample.seconds for sample in self.samples)

    @property
    def moved(self) -> int:
        """Bytes to and from the registry, the median."""
        return int(median(sample.sent + sample.received for sample in self.samples))

    @property
    def peak_memory(self) -> int:
        """The highest of all runs, in bytes."""
        return max(sample.peak_memory for sample in self.samples)

    def middle(self, value: Callable[[Sample], float]) -> float:
        """The median of something."""
        return median(value(sample) for sample in self.samples)


class Results:
    """The results of a run, in the order in which they came.

    Attributes:
        cached: Bytes of layers that were moved with a warm layer cache, and of all layers, by environment.
    """

    def __init__(self) -> None:
        self.cached: dict[str, tuple[int, int]] = {}
        self._found: dict[tuple[str, str, str, int], Result] = {}

    def add(self, scenario: str, environment: str, way: str, cores: int, sample: Sample) -> None:
        """Add a sample."""
        key = (scenario, environment, way, cores)
        self._found.setdefault(key, Result(*key)).samples.append(sample)

    def of(
        self,
        scenario: str | None = None,
        *,
        environment: str | None = None,
        way: str | None = None,
        cores: int | None = None,
    ) -> list[Result]:
        """Those that match."""
        wanted = (scenario, environment, way, cores)
        return [
            result
            for key, result in self._found.items()
            if all(mine in (None, theirs) for mine, theirs in zip(wanted, key, strict=True))
        ]

    def document(self) -> list[dict[str, Any]]:
        """All of them for JSON."""
        return [asdict(result) for result in self._found.values()]

"""How benchmarks here measure: interleaved repeats, medians, ratios to a baseline."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """Repeats of one contestant, in seconds."""

    name: str
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def p95(self) -> float:
        return sorted(self.seconds)[max(0, round(0.95 * len(self.seconds)) - 1)]


def interleave(
    contestants: Mapping[str, Callable[[], object]], *, repeats: int, warmup: int = 3
) -> dict[str, Measurement]:
    """Time every contestant `repeats` times, in turn, so that noise hits all alike."""
    for _ in range(warmup):
        for run in contestants.values():
            run()
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(repeats):
        for name, run in contestants.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: Measurement(name=name, seconds=tuple(values)) for name, values in seconds.items()}


def ratio(one: Measurement, other: Measurement) -> float:
    """The median over all rounds of how many times longer `one` took."""
    return statistics.median(a / b for a, b in zip(one.seconds, other.seconds, strict=True))


def report(title: str, results: Mapping[str, Measurement], *, baseline: str) -> None:
    """Print medians, and the median of the ratios to the baseline, round by round.

    What else the machine does hits the two sides of a round alike, more or less.
    """
    print(f"\n{title}")
    for result in results.values():
        print(
            f"  {result.name:<44} p50 {result.median * 1e3:9.2f} ms"
            f"   p95 {result.p95 * 1e3:9.2f} ms"
            f"   {ratio(result, results[baseline]):6.2f} x {baseline}"
            f"   (n={len(result.seconds)})"
        )

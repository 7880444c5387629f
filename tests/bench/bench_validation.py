"""How long loading and validating take as graphs grow; run it as a script.

python tests/bench/bench_validation.py [STEPS ...]
"""

import json
import sys
import time
from typing import Any

from dioptra_ray.language import load, validate


def make_description(steps: int) -> dict[str, Any]:
    """A graph of `steps` steps in all three styles, each using the two before it."""
    graph: dict[str, Any] = {}
    for number in range(steps):
        earlier = [f"$s{other}" for other in range(max(0, number - 2), number)]
        values = {"weights": [0.5, 1, number], "parts": earlier, "name": "$name"}
        match number % 3:
            case 0:
                graph[f"s{number}"] = {"combine": [values, "$rate"]}
            case 1:
                graph[f"s{number}"] = {
                    "combine": {"values": values, "rate": 0.5},
                    "dependencies": [f"s{number - 1}"],
                }
            case _:
                graph[f"s{number}"] = {
                    "task": "combine",
                    "args": [values],
                    "kwargs": {"rate": "$rate"},
                }
    return {
        "types": {"numbers": {"list": "number"}, "either": {"union": ["numbers", "string"]}},
        "parameters": {"rate": {"type": "number", "default": 0.1}, "name": "x"},
        "tasks": {
            "combine": {
                "plugin": "plugin.module.combine",
                "inputs": [{"values": "any"}, {"rate": "number"}],
                "outputs": {"combined": "numbers"},
            }
        },
        "graph": graph,
    }


def main() -> None:
    sizes = [int(size) for size in sys.argv[1:]] or [100, 1_000, 10_000]
    print(
        f"{'steps':>7} {'text KiB':>9} {'load YAML s':>12} {'load JSON s':>12} {'validate s':>11}"
    )
    for size in sizes:
        text = json.dumps(make_description(size), indent=1)
        took: list[float] = []
        for suffix in ("yaml", "json"):
            begun = time.perf_counter()
            description = load(text if suffix == "json" else "---\n" + text, file=f"x.{suffix}")
            took.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        issues = validate(description)
        took.append(time.perf_counter() - begun)
        if issues:
            raise SystemExit(f"the benchmark's description is wrong: {issues[0]}")
        print(
            f"{size:>7} {len(text) // 1024:>9} {took[0]:>12.3f} {took[1]:>12.3f} {took[2]:>11.3f}"
        )


if __name__ == "__main__":
    main()

"""Comparing and adding up what steps ask for.

CPUs and memory are amounts that every node has, so a stage may ask for the most that any
of its steps asks for. GPUs, labels and custom resources say *which* node: steps that
differ in them belong on different nodes.
"""

from collections.abc import Iterable
from itertools import chain

from dioptra_ray.planning.declarations import Declaration
from dioptra_ray.planning.plan import Resources

Kind = tuple[float, tuple[tuple[str, str], ...], tuple[tuple[str, float], ...]]


def resolve(declaration: Declaration, defaults: Resources) -> Resources:
    """What a step asks for that declares this."""
    said = declaration
    return Resources(
        num_cpus=defaults.num_cpus if said.num_cpus is None else said.num_cpus,
        num_gpus=defaults.num_gpus if said.num_gpus is None else said.num_gpus,
        memory=defaults.memory if said.memory is None else said.memory,
        labels=tuple(sorted({**dict(defaults.labels), **dict(said.labels or ())}.items())),
        custom=tuple(sorted({**dict(defaults.custom), **dict(said.resources or ())}.items())),
    )


def kind(resources: Resources) -> Kind:
    """Which nodes will do; steps of one kind can run on the same node."""
    return resources.num_gpus, resources.labels, resources.custom


def most(many: Iterable[Resources]) -> Resources:
    """The most that any of `many` asks for; their labels must not contradict each other."""
    items = tuple(many)
    custom: dict[str, float] = {}
    for name, amount in chain.from_iterable(item.custom for item in items):
        custom[name] = max(amount, custom.get(name, 0.0))
    return Resources(
        num_cpus=max(item.num_cpus for item in items),
        num_gpus=max(item.num_gpus for item in items),
        memory=max(item.memory for item in items),
        labels=tuple(sorted(dict(chain.from_iterable(item.labels for item in items)).items())),
        custom=tuple(sorted(custom.items())),
    )


def fits(step: Resources, host: Resources) -> bool:
    """Whether `step` can run on every node that `host` runs on."""
    amounts = dict(host.custom)
    return (
        step.num_gpus <= host.num_gpus
        and set(step.labels) <= set(host.labels)
        and all(amount <= amounts.get(name, 0.0) for name, amount in step.custom)
    )


def difference(step: Resources, host: Resources) -> str:
    """What `step` asks for in another way than `host`, for people; empty when nothing."""
    differing = []
    for name in ("num_gpus", "num_cpus", "memory"):
        own, other = getattr(step, name), getattr(host, name)
        if own != other:
            differing.append(f"{name} {own:g}, not {other:g}")
    labels, custom = dict(host.labels), dict(host.custom)
    differing += [f"label {key}={value}" for key, value in step.labels if labels.get(key) != value]
    differing += [f"no label {key}" for key in labels if key not in dict(step.labels)]
    differing += [f"{key} {value:g}" for key, value in step.custom if custom.get(key) != value]
    differing += [f"no {key}" for key in custom if key not in dict(step.custom)]
    return ", ".join(differing)


def describe(resources: Resources) -> str:
    """All that is asked for, for people."""
    said = [f"num_cpus {resources.num_cpus:g}"]
    if resources.num_gpus:
        said.append(f"num_gpus {resources.num_gpus:g}")
    if resources.memory:
        said.append(f"memory {resources.memory:,} bytes")
    said += [f"label {key}={value}" for key, value in resources.labels]
    said += [f"{key} {value:g}" for key, value in resources.custom]
    return ", ".join(said)

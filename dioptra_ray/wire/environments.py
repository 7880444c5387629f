"""Environments of queues on the wire: the mapping that users write here, messages there."""

import json
from collections.abc import Mapping
from typing import Any

from dioptra_ray.api.controller.v1 import queue_service_pb2 as pb
from dioptra_ray.planning.environments import DEFAULTS, Environment


def write_environment(environment: Environment) -> pb.Environment:
    """Write an environment."""
    mapping = environment.to_mapping()
    runtime_env = mapping.get("runtime_env")
    return pb.Environment(
        defaults=pb.DefaultResources(
            **{name: mapping[name] for name in DEFAULTS if name in mapping}
        ),
        runtime_env_json=json.dumps(runtime_env) if runtime_env else "",
        isolation=environment.stages.isolation,
    )


def read_environment(message: pb.Environment) -> dict[str, Any]:
    """What a message says, as users write it; it may be wrong.

    Raises:
        ValueError: The `runtime_env` is no JSON.
    """
    defaults = message.defaults
    said: Mapping[str, Any] = {
        "num_gpus": defaults.num_gpus,
        "memory": defaults.memory,
        "labels": dict(defaults.labels),
        "resources": dict(defaults.resources),
        "runtime_env": _load(message.runtime_env_json),
        "isolation": message.isolation,
    }
    mapping = {name: value for name, value in said.items() if value not in ({}, 0, "")}
    if defaults.HasField("num_cpus"):
        mapping["num_cpus"] = defaults.num_cpus
    return mapping


def _load(text: str) -> Any:
    try:
        return json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise ValueError(f"runtime_env is not JSON: {error}") from None

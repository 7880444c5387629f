"""A lineage for scripts, as two trees, and for people, as indented lines."""

from typing import TYPE_CHECKING, Any

from dioptra_ray.cli.output import Output

if TYPE_CHECKING:
    from dioptra_ray.client import Artifact, Lineage, LineageJob


def describe_lineage(found: "Lineage") -> dict[str, Any]:
    """What made the artifact below `job` and `inputs`, what was made with it in `used_by`."""
    start = found.artifacts[0].id
    tree = _sources(found, start, frozenset())
    tree["used_by"] = [_use(found, job, frozenset()) for job in found.users(start)]
    tree["sweeps"] = list(found.sweeps)
    tree["truncated"] = found.truncated
    return tree


def show_lineage(found: "Lineage", output: Output) -> None:
    """Print both trees."""
    tree = describe_lineage(found)
    _show_sources(tree, output, "", "")
    if tree["used_by"] or found.sweeps:
        output.line("used by")
    for use in tree["used_by"]:
        _show_use(use, output, "  ")
    for sweep in found.sweeps:
        snapshot = f"{sweep.entrypoint} (snapshot {sweep.entrypoint_snapshot})"
        output.line(f"  sweep {sweep.id} of {snapshot} as {sweep.parameter}")
    if found.truncated:
        output.note("there is more; --depth shows more of it")


def _sources(found: "Lineage", artifact: int, seen: frozenset[int]) -> dict[str, Any]:
    known = _artifact(found, artifact)
    tree: dict[str, Any] = {"id": artifact}
    if known is not None:
        tree |= {"name": known.name, "digest": known.digest, "deleted": known.deleted}
    job = found.maker(artifact)
    if job is None or known is None or artifact in seen:
        return tree
    step = {"step": known.step, "output": known.output}
    tree["job"] = {**_job(job), **step}
    tree["inputs"] = {
        name: _sources(found, source, seen | {artifact}) for name, source in job.inputs.items()
    }
    return tree


def _use(found: "Lineage", job: "LineageJob", seen: frozenset[int]) -> dict[str, Any]:
    made = []
    for artifact in job.outputs:
        known = _artifact(found, artifact)
        users = () if job.id in seen else found.users(artifact)
        made.append(
            {
                "id": artifact,
                "name": known.name if known else "",
                "used_by": [_use(found, user, seen | {job.id}) for user in users],
            }
        )
    return {**_job(job), "made": made}


def _job(job: "LineageJob") -> dict[str, Any]:
    return {
        "id": job.id,
        "entrypoint": job.entrypoint,
        "entrypoint_snapshot": job.entrypoint_snapshot,
        "entrypoint_deleted": job.entrypoint_deleted,
        "parameters": job.parameters,
        "plugins": [{"name": pin.name, "snapshot": pin.snapshot} for pin in job.plugins],
    }


def _artifact(found: "Lineage", number: int) -> "Artifact | None":
    return next((one for one in found.artifacts if one.id == number), None)


def _show_sources(tree: dict[str, Any], output: Output, indent: str, role: str) -> None:
    deleted = ", deleted" if tree.get("deleted") else ""
    output.line(f"{indent}{role}artifact {tree['id']} {tree.get('name', '')}{deleted}")
    made = tree.get("job")
    if made is None:
        return
    step = f", step {made['step']}" if made["step"] else ""
    output.line(f"{indent}  made by {_show_job(made)}{step}")
    if made["parameters"]:
        values = " ".join(f"{name}={value!r}" for name, value in made["parameters"].items())
        output.line(f"{indent}  with {values}")
    for name, source in tree["inputs"].items():
        _show_sources(source, output, f"{indent}    ", f"{name} = ")


def _show_use(use: dict[str, Any], output: Output, indent: str) -> None:
    output.line(f"{indent}{_show_job(use)}")
    for made in use["made"]:
        output.line(f"{indent}  made artifact {made['id']} {made['name']}".rstrip())
        for user in made["used_by"]:
            _show_use(user, output, f"{indent}    ")


def _show_job(job: dict[str, Any]) -> str:
    deleted = ", deleted" if job["entrypoint_deleted"] else ""
    return (
        f"job {job['id']} of {job['entrypoint']} (snapshot {job['entrypoint_snapshot']}{deleted})"
    )

"""What every method of every service asks of its callers before it runs.

A method that is not here can be called by nobody. The role is the least that is needed in some
group; whether it is held in the group of the thing at hand is checked where the thing is found.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from dioptra_controller.access.caller import EVERY_GROUP, Caller, Role
from dioptra_ray.errors import PermissionDeniedError

_CONTROLLER = "dioptra_ray.api.controller.v1"
_RUNNER = "dioptra_ray.api.runner.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What one method asks for.

    Attributes:
        role: The least role, in some group; None for anybody who is known.
        everywhere: Whether the role must be held in all groups ("*").
        for_runners: Whether only runners may call it.
        mutates: Whether it changes anything, and so is kept in the audit log.
    """

    role: Role | None = None
    everywhere: bool = False
    for_runners: bool = False
    mutates: bool = False


_VIEW = Rule(role=Role.VIEWER)
_SUBMIT = Rule(role=Role.SUBMITTER, mutates=True)
_REGISTER = Rule(role=Role.PLUGIN_AUTHOR, mutates=True)
_ADMINISTER = Rule(role=Role.ADMIN, mutates=True)
_OPERATE = Rule(role=Role.ADMIN, everywhere=True, mutates=True)

_METHODS: Final[Mapping[str, Mapping[Rule, str]]] = {
    f"{_CONTROLLER}.AccessService": {
        Rule(): "GetCaller ListGroups ListTokens",
        Rule(mutates=True): "RevokeToken",
        Rule(role=Role.ADMIN, everywhere=True): "ListAuditRecords",
        _ADMINISTER: "CreateToken",
        _OPERATE: "CreateGroup DeleteGroup",
    },
    f"{_CONTROLLER}.ArtifactService": {
        _VIEW: "GetArtifact GetArtifactLineage ListArtifacts DownloadArtifact CreateArtifactLinks",
        _SUBMIT: "UploadArtifact",
        _OPERATE: "CollectGarbage",
    },
    f"{_CONTROLLER}.ClusterService": {_VIEW: "GetCluster"},
    f"{_CONTROLLER}.EntrypointService": {
        _VIEW: "GetEntrypoint ListEntrypoints GetEntrypointDraft ListEntrypointDrafts",
        _REGISTER: "PutEntrypoint SyncEntrypoint PutEntrypointDraft DeleteEntrypointDraft "
        "PublishEntrypointDraft",
    },
    f"{_CONTROLLER}.ExperimentService": {
        _VIEW: "GetExperiment ListExperiments",
        _SUBMIT: "CreateExperiment",
    },
    f"{_CONTROLLER}.JobService": {
        _VIEW: "GetJob ListJobs WatchJob WaitJob ListJobLogs WatchJobLogs ListJobMetrics",
        _SUBMIT: "CreateJob RetryJob CancelJob",
    },
    f"{_CONTROLLER}.ParameterTypeService": {
        _VIEW: "GetParameterType ListParameterTypes",
        _REGISTER: "PutParameterType",
    },
    f"{_CONTROLLER}.PluginService": {
        _VIEW: "GetPlugin ListPlugins GetPluginFile ListTasks",
        _REGISTER: "PutPlugin PutPluginFile DeletePluginFile",
    },
    f"{_CONTROLLER}.QueueService": {
        _VIEW: "GetQueue ListQueues",
        _ADMINISTER: "CreateQueue UpdateQueue",
    },
    f"{_CONTROLLER}.RegistryService": {_REGISTER: "ImportResources"},
    f"{_CONTROLLER}.ResourceService": {
        _VIEW: "ListSnapshots DiffSnapshots ListTags ListTaggedResources",
        _SUBMIT: "UpdateResource DeleteResource UpdateTags",
    },
    f"{_CONTROLLER}.SweepService": {
        _VIEW: "GetSweep ListSweeps WatchSweep ListSweepResults",
        _SUBMIT: "CreateSweep CancelSweep",
    },
    f"{_RUNNER}.RunnerService": {
        Rule(for_runners=True, mutates=True): "Connect",
        Rule(for_runners=True): "GetPlan",
    },
    "grpc.reflection.v1alpha.ServerReflection": {Rule(): "ServerReflectionInfo"},
}


def _list_rules() -> Iterator[tuple[str, Rule]]:
    for service, rules in _METHODS.items():
        for rule, methods in rules.items():
            for method in methods.split():
                yield f"/{service}/{method}", rule


RULES: Final[Mapping[str, Rule]] = dict(_list_rules())
"""By full method name, such as "/dioptra_ray.api.controller.v1.JobService/GetJob"."""


def find_rule(method: str) -> Rule:
    """The rule of a method.

    Raises:
        PermissionDeniedError: It has none.
    """
    rule = RULES.get(method)
    if rule is None:
        raise PermissionDeniedError(f"{method} may be called by nobody: it has no access rule")
    return rule


def check(rule: Rule, caller: Caller) -> None:
    """Refuse a caller who may not call the method at all.

    Raises:
        PermissionDeniedError: It may not; says what it would need.
    """
    if rule.for_runners:
        if not caller.is_runner:
            raise PermissionDeniedError(
                f"only runners may call this, and {caller.subject!r} is none: use a token that "
                "was made with --runner"
            )
        return
    if rule.role is None:
        return
    if rule.everywhere:
        if not caller.has(rule.role, EVERY_GROUP):
            raise PermissionDeniedError(
                f"this needs the role {rule.role.title} in all groups ('*'), which "
                f"{caller.subject!r} has not",
                role=rule.role.title,
                group=EVERY_GROUP,
            )
        return
    if caller.highest is None or caller.highest < rule.role:
        raise PermissionDeniedError(
            f"this needs the role {rule.role.title} in a group, and {caller.subject!r} has it in "
            "none",
            role=rule.role.title,
        )

"""Tokens, groups and the audit log, the same on every database."""

import datetime as dt
from collections.abc import Callable
from contextvars import copy_context

import pytest

from dioptra_controller.access import audit, audit_retention, auditing, groups, tokens
from dioptra_controller.access.caller import BOOTSTRAP, Caller, Role, act_as
from dioptra_controller.paging import PageRequest
from dioptra_controller.registry import experiments, tags
from dioptra_controller.registry.listing import Listing
from dioptra_ray.errors import AlreadyExistsError, NotFoundError, PreconditionError

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
ANNA = Caller(subject="anna", roles={"red": Role.SUBMITTER})


@pytest.fixture
def do(database) -> Callable[..., object]:
    """Does something in a transaction, as somebody."""

    def work(function, *arguments, who=BOOTSTRAP, entry=None, **options):
        def run():
            act_as(who)
            if entry is not None:
                auditing.begin(entry)
            database.before_commit = auditing.append
            return database.write_now(function, *arguments, **options)[0]

        return copy_context().run(run)

    return work


def request(name: str, **roles: Role) -> tokens.TokenRequest:
    return tokens.TokenRequest(
        name=name, subject="", roles=roles, is_runner=False, lifetime_seconds=60
    )


def test_a_token_from_its_making_to_its_end(do):
    do(groups.create, "red", "The reds")
    made, secret = do(tokens.create, request("anna", red=Role.VIEWER), now=NOW)
    digest = tokens.digest_of(secret)
    assert do(tokens.find, digest) == made
    assert made.caller == Caller(subject="anna", roles={"red": Role.VIEWER}, token="anna")
    assert made.is_valid(NOW)
    assert not made.is_valid(NOW + dt.timedelta(minutes=2))
    do(tokens.note_use, "anna", NOW)
    assert do(tokens.find, digest).use_time == NOW
    assert do(tokens.revoke, "anna", now=NOW)[1] == digest
    assert do(tokens.find, digest).revoke_time == NOW
    with pytest.raises(AlreadyExistsError):
        do(tokens.create, request("anna", red=Role.VIEWER), now=NOW)
    assert do(tokens.find, "unknown") is None
    listed = do(tokens.list_page, PageRequest(), show_ended=True, now=NOW)
    assert [one.name for one in listed.rows] == ["anna"]


def test_groups_hide_what_belongs_to_others(do):
    for name in ("red", "blue"):
        do(groups.create, name, "")
        do(experiments.create, f"of_{name}", group=name)
    do(experiments.create, "hers", who=ANNA)
    found = do(experiments.list_page, Listing(), who=ANNA)
    assert [(one.name, one.group) for one in found.rows] == [("hers", "red"), ("of_red", "red")]
    with pytest.raises(NotFoundError):
        do(experiments.get, "of_blue", who=ANNA)
    for name in ("red", "blue"):
        head = do(experiments.get_id, f"of_{name}")
        do(tags.update, "experiment", head, add=["both", name])
    listed = do(tags.list_page, PageRequest(), who=ANNA)
    assert [(tag.name, tag.resources) for tag in listed.rows] == [("both", 1), ("red", 1)]
    with pytest.raises(PreconditionError):
        do(groups.delete, "red")
    do(groups.create, "empty", "")
    do(groups.delete, "empty")


def test_a_record_is_committed_with_what_it_says_or_not_at_all(do):
    def entry() -> auditing.Entry:
        return auditing.Entry(caller=ANNA, method="X/Y", resource="a\0b", request_id="r", peer="p")

    def explode(_connection):
        raise RuntimeError("half-way")

    do(groups.create, "red", "", entry=entry())
    with pytest.raises(RuntimeError):
        do(explode, entry=entry())
    found = do(audit.list_page, PageRequest(), audit.AuditFilter()).rows
    assert [(one.subject, one.resource, one.outcome) for one in found] == [("anna", "ab", "ok")]
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    assert do(audit_retention.forget, oldest=later) == 1
    assert do(audit_retention.forget, oldest=later) == 0

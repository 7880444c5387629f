"""What belongs to a group, and who meets it."""

import datetime as dt

from dioptra_controller.jobs.ledger import Ledger
from dioptra_controller.sweeps.trials import make_trials
from dioptra_ray.errors import (
    AlreadyExistsError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
)

RUN = {"entrypoint": "red_entry", "experiment": "red_experiment", "queue": "red_queue"}


async def test_messages_say_the_group_and_who_submitted(world):
    (plugin,) = await world.call("viewer", "GetPlugin", {"name": "red_tools"})
    assert plugin.plugin.group == "red"
    (made,) = await world.call("submitter", "CreateJob", RUN)
    assert (made.job.group, made.job.owner) == ("red", "submitter")
    (default,) = await world.call("bootstrap", "GetExperiment", {"name": "default"})
    assert default.experiment.group == "default"


async def test_a_refusal_says_what_is_missing(world):
    await world.make_token("mixed", [("red", "viewer"), ("blue", "admin")])
    error = await world.refusal("mixed", "CreateJob", RUN)
    assert isinstance(error, PermissionDeniedError)
    assert error.message == "this needs the role submitter in group 'red'; 'mixed' is viewer there"
    assert error.metadata == {"role": "submitter", "group": "red"}


async def test_a_taken_name_is_taken_for_everybody(world):
    request = {"name": "red_experiment"}
    error = await world.refusal("stranger", "CreateExperiment", request)
    assert isinstance(error, AlreadyExistsError)
    assert "taken by a group that you do not see" in error.message


async def test_what_is_new_belongs_to_the_callers_group(world):
    (made,) = await world.call("stranger", "CreateExperiment", {"name": "blues"})
    assert made.experiment.group == "blue"
    await world.make_token("both", [("red", "submitter"), ("blue", "submitter")])
    error = await world.refusal("both", "CreateExperiment", {"name": "which"})
    assert isinstance(error, InvalidRequestError)
    assert "blue, red" in error.message
    (made,) = await world.call("both", "CreateExperiment", {"name": "which", "group": "red"})
    assert made.experiment.group == "red"
    wrong = {"name": "red_tools", "archive": b"", "group": "default"}
    await world.make_token("everywhere", [("*", "plugin_author")])
    (plugin,) = await world.call("everywhere", "GetPlugin", {"name": "red_tools"})
    assert plugin.plugin.snapshot >= 1
    wrong = {"name": "red_type", "structure_json": '{"list": "any"}', "group": "default"}
    error = await world.refusal("everywhere", "PutParameterType", wrong)
    assert isinstance(error, PreconditionError)


async def test_pages_are_full_of_what_the_caller_may_see(world):
    for number in range(6):
        await world.call(
            "bootstrap",
            "CreateExperiment",
            {"name": f"page{number}", "group": ("red", "blue")[number % 2]},
        )
    seen, token = [], ""
    while True:
        request = {"page_size": 2, "page_token": token, "search": "page"}
        (page,) = await world.call("viewer", "ListExperiments", request)
        seen.append([one.name for one in page.experiments])
        if not (token := page.next_page_token):
            break
    assert seen == [["page0", "page2"], ["page4"]]


async def test_a_suggestion_never_names_what_is_hidden(world):
    error = await world.refusal("stranger", "GetExperiment", {"name": "red_experimen"})
    assert isinstance(error, NotFoundError)
    assert "did you mean" not in error.message
    error = await world.refusal("viewer", "GetExperiment", {"name": "red_experimen"})
    assert "did you mean 'red_experiment'?" in error.message


async def test_what_one_made_one_may_delete(world):
    (made,) = await world.call("submitter", "CreateExperiment", {"name": "own"})
    assert made.experiment.group == "red"
    other = {"resource": {"kind": "RESOURCE_KIND_EXPERIMENT", "name": "red_experiment"}}
    assert isinstance(
        await world.refusal("submitter", "DeleteResource", other), PermissionDeniedError
    )
    own = {"resource": {"kind": "RESOURCE_KIND_EXPERIMENT", "name": "own"}}
    await world.call("submitter", "DeleteResource", own)
    history = await world.refusal("stranger", "ListSnapshots", own)
    assert isinstance(history, NotFoundError)
    assert "deleted" not in history.message


async def test_a_job_needs_a_look_at_everything_that_it_uses(world):
    await world.call("bootstrap", "CreateExperiment", {"name": "open", "group": "blue"})
    await world.call("bootstrap", "CreateQueue", {"name": "open", "group": "blue"})
    run = {"entrypoint": "red_entry", "experiment": "open", "queue": "open"}
    error = await world.refusal("stranger", "CreateJob", run)
    assert isinstance(error, NotFoundError)
    assert "red_entry" in error.message
    await world.make_token("guest", [("blue", "submitter"), ("red", "viewer")])
    (made,) = await world.call("guest", "CreateJob", run)
    assert made.job.group == "blue"
    given = {**run, "artifact_inputs": {"file": world.ids["artifact"]}}
    assert isinstance(await world.refusal("stranger", "CreateJob", given), NotFoundError)
    # Whoever may see the job need not see the entrypoint; to run it again takes both.
    await world.call("stranger", "CancelJob", {"id": made.job.id})
    error = await world.refusal("stranger", "RetryJob", {"id": made.job.id})
    assert isinstance(error, NotFoundError)
    await world.call("guest", "RetryJob", {"id": made.job.id})


async def test_trials_belong_where_their_sweep_does(world, controller):
    grid = {"dimensions": [{"parameter": "eps", "values": [{"number_value": 0.5}]}]}
    (made,) = await world.call("submitter", "CreateSweep", {**RUN, "grid": grid})

    def make(connection):
        ledger = Ledger(connection, dt.datetime.now(dt.UTC))
        make_trials(ledger, made.sweep.id, 1, controller._hub.spaces)
        ledger.write()

    await controller.database.write(make)
    (page,) = await world.call("viewer", "ListJobs", {"sweep_id": made.sweep.id})
    assert [(job.group, job.owner) for job in page.jobs] == [("red", "submitter")]
    (page,) = await world.call("stranger", "ListJobs", {})
    assert list(page.jobs) == []

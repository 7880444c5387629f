import asyncio

import pytest

from dioptra_ray.api.controller.v1 import experiment_service_pb2 as experiment
from dioptra_ray.api.controller.v1 import experiment_service_pb2_grpc as experiment_grpc
from dioptra_ray.api.controller.v1 import queue_service_pb2 as queue
from dioptra_ray.api.controller.v1 import queue_service_pb2_grpc as queue_grpc
from dioptra_ray.errors import AlreadyExistsError, InvalidRequestError, NotFoundError


@pytest.fixture
def experiments(channel):
    return experiment_grpc.ExperimentServiceStub(channel)


@pytest.fixture
def queues(channel):
    return queue_grpc.QueueServiceStub(channel)


async def test_default_ones_exist(experiments, queues):
    assert (
        await experiments.GetExperiment(experiment.GetExperimentRequest(name="default"))
    ).experiment
    found = (await queues.GetQueue(queue.GetQueueRequest(name="default"))).queue
    assert (found.name, found.queued_jobs, found.started_jobs, list(found.runners)) == (
        "default",
        0,
        0,
        [],
    )


async def test_a_repeated_request_gives_the_first_result(experiments, queues, refusal):
    request = experiment.CreateExperimentRequest(name="a", description="first", request_id="r1")
    first = await experiments.CreateExperiment(request)
    assert await experiments.CreateExperiment(request) == first
    changed = experiment.CreateExperimentRequest(name="b", request_id="r1")
    assert type(await refusal(experiments.CreateExperiment(changed))) is InvalidRequestError
    other_method = queue.CreateQueueRequest(name="a", description="first", request_id="r1")
    assert type(await refusal(queues.CreateQueue(other_method))) is InvalidRequestError
    without_id = experiment.CreateExperimentRequest(name="a")
    assert type(await refusal(experiments.CreateExperiment(without_id))) is AlreadyExistsError


async def test_a_failed_request_may_be_repeated(experiments, refusal):
    request = experiment.CreateExperimentRequest(name="default", request_id="r1")
    for _ in range(2):
        assert type(await refusal(experiments.CreateExperiment(request))) is AlreadyExistsError
    fixed = experiment.CreateExperimentRequest(name="fixed", request_id="r1")
    assert (await experiments.CreateExperiment(fixed)).experiment.name == "fixed"


async def test_the_same_request_at_once_creates_one(experiments):
    request = experiment.CreateExperimentRequest(name="a", request_id="r1")
    answers = await asyncio.gather(*(experiments.CreateExperiment(request) for _ in range(20)))
    assert all(answer == answers[0] for answer in answers)


async def test_a_wrong_name_suggests_the_right_one(experiments, refusal):
    error = await refusal(
        experiments.GetExperiment(experiment.GetExperimentRequest(name="defualt"))
    )
    assert isinstance(error, NotFoundError)
    assert "did you mean 'default'" in error.message


@pytest.mark.parametrize("name", ["", "  ", " a", "a ", "a\nb", "a\0", "x" * 256])
async def test_bad_names_are_refused(experiments, queues, refusal, name):
    call = experiments.CreateExperiment(experiment.CreateExperimentRequest(name=name))
    assert type(await refusal(call)) is InvalidRequestError
    call = queues.CreateQueue(queue.CreateQueueRequest(name=name))
    assert type(await refusal(call)) is InvalidRequestError


async def test_a_queue_with_a_comma_is_refused(queues, refusal):
    call = queues.CreateQueue(queue.CreateQueueRequest(name="a,b"))
    assert "comma" in (await refusal(call)).message


async def test_pages_show_everything_once_whatever_is_inserted_between(experiments):
    for number in range(7):
        await experiments.CreateExperiment(experiment.CreateExperimentRequest(name=f"run_{number}"))
    seen, token = [], ""
    while True:
        page = await experiments.ListExperiments(
            experiment.ListExperimentsRequest(page_size=3, page_token=token, search="RUN_")
        )
        seen += [one.name for one in page.experiments]
        token = page.next_page_token
        if not token:
            break
        await experiments.CreateExperiment(
            experiment.CreateExperimentRequest(name=f"a run_ before {len(seen)}")
        )
    assert seen == [f"run_{number}" for number in range(7)]


async def test_search_takes_wildcards_as_text(queues):
    await queues.CreateQueue(queue.CreateQueueRequest(name="50% off"))
    found = await queues.ListQueues(queue.ListQueuesRequest(search="%"))
    assert [one.name for one in found.queues] == ["50% off"]


@pytest.mark.parametrize("token", ["x", "!!", "AAAA", "W10", "WyJhIl0"])
async def test_forged_tokens_are_refused(experiments, refusal, token):
    call = experiments.ListExperiments(experiment.ListExperimentsRequest(page_token=token))
    assert type(await refusal(call)) is InvalidRequestError


async def test_a_token_is_of_one_query(experiments, queues, refusal):
    await experiments.CreateExperiment(experiment.CreateExperimentRequest(name="other"))
    page = await experiments.ListExperiments(experiment.ListExperimentsRequest(page_size=1))
    assert page.next_page_token
    other = experiment.ListExperimentsRequest(page_token=page.next_page_token, search="o")
    assert "another query" in (await refusal(experiments.ListExperiments(other))).message
    elsewhere = queue.ListQueuesRequest(page_token=page.next_page_token)
    assert "another query" in (await refusal(queues.ListQueues(elsewhere))).message


async def test_a_negative_page_size_is_refused(experiments, refusal):
    call = experiments.ListExperiments(experiment.ListExperimentsRequest(page_size=-1))
    assert type(await refusal(call)) is InvalidRequestError

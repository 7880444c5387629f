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


async def test_a_queue_has_an_environment_a_limit_and_a_priority(queues):
    environment = queue.Environment(
        defaults=queue.DefaultResources(num_cpus=0, num_gpus=0.5, labels={"zone": "b"}),
        runtime_env_json='{"env_vars": {"A": "1"}}',
        isolation="process",
    )
    made = await queues.CreateQueue(
        queue.CreateQueueRequest(
            name="gpu", environment=environment, max_started_jobs=4, priority=2
        )
    )
    assert made.queue.environment == environment
    found = (await queues.GetQueue(queue.GetQueueRequest(name="gpu"))).queue
    assert found == made.queue
    update = queue.UpdateQueueRequest(name="gpu", queue=queue.Queue(priority=-1, description="x"))
    update.update_mask.paths.append("priority")
    for changed in (True, False):
        answer = await queues.UpdateQueue(update)
        assert answer.changed is changed
        assert (answer.queue.priority, answer.queue.snapshot) == (-1, 2)
        assert (answer.queue.max_started_jobs, answer.queue.description) == (4, "")
        assert answer.queue.environment == environment


async def test_everything_wrong_with_a_queue_is_said_at_once(queues, refusal):
    environment = queue.Environment(
        defaults=queue.DefaultResources(num_gpus=1.5, memory=-1, resources={"GPU": 1}),
        runtime_env_json='{"env_var": {"A": "1"}}',
        isolation="container",
    )
    wanted = queue.CreateQueueRequest(name="a,b", environment=environment, max_started_jobs=-1)
    error = await refusal(queues.CreateQueue(wanted))
    assert type(error) is InvalidRequestError
    for part in (
        "comma",
        "max_started_jobs must be 0",
        "num_gpus must be a fraction below 1",
        "memory must be a number of bytes",
        "GPU has its own setting",
        "did you mean env_vars?",
        'isolation must be "process"',
    ):
        assert part in error.message
    for text in ("{", "[]", '{"pip": NaN}', "[" * 100_000):
        environment = queue.Environment(runtime_env_json=text)
        call = queues.CreateQueue(queue.CreateQueueRequest(name="a", environment=environment))
        assert "runtime_env" in (await refusal(call)).message


@pytest.mark.parametrize(
    ("name", "paths", "error", "said"),
    [
        ("default", ["name"], InvalidRequestError, "name cannot be changed"),
        ("default", [], InvalidRequestError, "the mask names nothing"),
        ("default", ["environment"], InvalidRequestError, "isolation must be"),
        ("defualt", ["priority"], NotFoundError, "did you mean 'default'"),
    ],
)
async def test_a_wrong_change_changes_nothing(queues, refusal, *, name, paths, error, said):
    wrong = queue.Queue(environment=queue.Environment(isolation="none"), priority=3)
    request = queue.UpdateQueueRequest(name=name, queue=wrong)
    request.update_mask.paths.extend(paths)
    refused = await refusal(queues.UpdateQueue(request))
    assert type(refused) is error
    assert said in refused.message
    found = (await queues.GetQueue(queue.GetQueueRequest(name="default"))).queue
    assert (found.snapshot, found.priority) == (1, 0)

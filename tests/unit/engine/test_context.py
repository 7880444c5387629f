"""What plugin code can ask about its job."""

import math
from datetime import UTC
from threading import Thread

import numpy as np
import pytest
import torch

from dioptra_ray.context import CurrentJob, MetricPoint, bind, current_job
from dioptra_ray.errors import InvalidRequestError, PreconditionError


@pytest.fixture
def points() -> list[MetricPoint]:
    return []


@pytest.fixture
def job(points) -> CurrentJob:
    return CurrentJob(id=3, metric_sink=points.append, step="train")


def test_no_job_runs_outside() -> None:
    with pytest.raises(PreconditionError, match=r"local\.run"):
        current_job()


def test_the_innermost_job_is_the_current_one_also_for_threads(job) -> None:
    seen = []
    with bind(job):
        with bind(CurrentJob(id=4)) as inner:
            assert current_job() is inner
        thread = Thread(target=lambda: seen.append(current_job()))
        thread.start()
        thread.join()
    assert seen == [job]
    with pytest.raises(PreconditionError):
        current_job()


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (1, 1.0),
        (True, 1.0),
        (0.25, 0.25),
        (math.inf, math.inf),
        (-math.inf, -math.inf),
        (np.float32(0.5), 0.5),
        (np.array(2), 2.0),
    ],
)
def test_values(job, points, value, stored) -> None:
    job.log_metric("m", value, step=2)
    (point,) = points
    assert (point.name, point.value, point.step, point.graph_step) == ("m", stored, 2, "train")
    assert type(point.value) is float
    assert point.time.tzinfo is UTC


def test_nan_and_torch_scalars(job, points) -> None:
    job.log_metric("m", math.nan)
    job.log_metric("m", torch.tensor(0.5))
    assert math.isnan(points[0].value)
    assert points[0].step == 0
    assert points[1].value == 0.5


@pytest.mark.parametrize("value", ["1", b"1", None, 10**400, [1], np.zeros(2), object()])
def test_values_that_are_no_numbers(job, points, value) -> None:
    with pytest.raises(InvalidRequestError, match="'m' is not a number"):
        job.log_metric("m", value)
    assert points == []


@pytest.mark.parametrize("name", ["a", "Z", "_x", "x1", "loss_train", "__"])
def test_names(job, points, name) -> None:
    job.log_metric(name, 1)
    assert points[0].name == name


@pytest.mark.parametrize("name", ["", "_", "1", "1a", "a.b", "bad name", "é", "a\n", None, 5])
def test_names_that_cannot_be(job, points, name) -> None:
    with pytest.raises(InvalidRequestError, match="cannot name a metric"):
        job.log_metric(name, 1)
    assert points == []


@pytest.mark.parametrize("step", ["1", "Task 1", 1.0, None, 2**63])
def test_steps_that_cannot_be(job, points, step) -> None:
    with pytest.raises(InvalidRequestError, match="step of metric 'm'"):
        job.log_metric("m", 1, step=step)
    assert points == []


def test_numpy_steps(job, points) -> None:
    job.log_metric("m", 1, step=np.int64(7))
    assert points[0].step == 7


def test_names_of_metrics_are_bounded_and_shown_in_short():
    job = CurrentJob()
    job.log_metric("a" * 200, 1)
    with pytest.raises(InvalidRequestError, match="200 at most") as caught:
        job.log_metric("a" * 100_000, 1)
    assert len(caught.value.message) < 400

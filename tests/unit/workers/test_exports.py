"""The values that a stage leaves to others."""

import pickle
import threading

import numpy as np
import pytest
import torch

from dioptra_ray.planning.plan import StageInput
from dioptra_workers.stage.exports import NotPicklableError, dump_exports, load_inputs


class Odd:
    """Can be sent, but not be made again."""

    def __reduce__(self):
        return _refuse, ()


def _refuse():
    raise RuntimeError("not here")


def taken(exports, *steps, readonly=()):
    """What another stage gets that takes these steps, in order."""
    payloads = dict(zip(exports, dump_exports(exports), strict=True))
    sent = [
        type(payload)(
            tuple(pickle.PickleBuffer(bytes(memoryview(buffer))) for buffer in payload.buffers)
        )
        for payload in (payloads[step] for step in steps)
    ]
    inputs = [StageInput(stage="s0", step=step, readonly=step in readonly) for step in steps]
    return load_inputs(inputs, sent)


def size(payload):
    return sum(memoryview(buffer).nbytes for buffer in payload.buffers)


def test_steps_come_by_themselves():
    exports = {"a": {"x": 1, "y": [2]}, "b": {}, "c": {"z": None}}
    assert taken(exports, "a") == {"a": {"x": 1, "y": [2]}}
    assert taken(exports, "b", "c") == {"b": {}, "c": {"z": None}}


def test_an_optimizer_still_trains_the_model_that_another_step_made():
    model = torch.nn.Linear(300, 300)
    exports = {"built": {"model": model}, "tuned": {"opt": torch.optim.SGD(model.parameters())}}
    got = taken(exports, "built", "tuned")
    (group,) = got["tuned"]["opt"].param_groups
    assert group["params"][0] is got["built"]["model"].weight
    alone = taken(exports, "built")["built"]["model"]
    assert bool((alone.weight == model.weight).all())
    assert taken(exports, "tuned")["tuned"]["opt"].param_groups[0]["params"][0].shape == (300, 300)


def test_what_is_shared_through_a_third_step_is_found():
    one, other = ["one"], ["other"]
    exports = {"a": {"o": one}, "b": {"o": other}, "c": {"o": {"one": one, "other": other}}}
    got = taken(exports, "a", "b", "c")
    assert got["c"]["o"]["one"] is got["a"]["o"]
    assert got["c"]["o"]["other"] is got["b"]["o"]
    got = taken(exports, "b", "c")
    assert got["c"]["o"]["other"] is got["b"]["o"]


def test_values_without_anything_in_common_are_sent_once():
    large = np.arange(100_000)
    text, kind = "text" * 100, np.dtype("float64")
    exports = {
        "a": {"o": [large, text, kind, torch.float32, threading.Thread]},
        "b": {"o": (text, kind, torch.float32, threading.Thread, large.dtype)},
    }
    first, second = dump_exports(exports)
    assert size(first) > large.nbytes
    assert size(second) < 2000


def test_what_one_step_may_change_is_copied_for_all_that_share_it():
    array = np.arange(300_000.0)
    exports = {"a": {"o": array}, "b": {"o": [array]}, "c": {"o": array + 1}}
    got = taken(exports, "a", "b", "c", readonly=("b", "c"))
    assert got["a"]["o"] is got["b"]["o"][0]
    assert got["a"]["o"].flags.writeable
    assert not got["c"]["o"].flags.writeable
    both = taken(exports, "a", "b", readonly=("a", "b"))
    assert not both["a"]["o"].flags.writeable


def test_what_cannot_be_pickled_is_named_with_the_ways_out():
    with pytest.raises(NotPicklableError) as caught:
        dump_exports({"train": {"fine": 1, "data": (n for n in range(3))}})
    assert caught.value.step == "train"
    message = str(caught.value)
    assert '"data"' in message
    assert "generator" in message
    assert "run together" in message
    assert "picklable" in message


def test_what_cannot_be_made_again_is_named_with_the_ways_out():
    with pytest.raises(NotPicklableError) as caught:
        taken({"train": {"fine": 1, "odd": Odd()}}, "train")
    assert caught.value.step == "train"
    message = str(caught.value)
    assert "(int, Odd)" in message
    assert "RuntimeError: not here" in message
    assert "run together" in message
    assert "picklable" in message

"""Values that cross between stages."""

import gc
import pickle

import numpy as np
import pytest
import torch

from dioptra_workers.stage.payload import dump, load
from dioptra_workers.stage.tensors import place, reducers


class Tied(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Linear(3, 3)
        self.second = torch.nn.Linear(3, 3)
        self.second.weight = self.first.weight

    def forward(self, x):
        return self.second(self.first(x))


def sent(payload):
    """As Ray delivers it: buffers that cannot be written."""
    return type(payload)(
        tuple(pickle.PickleBuffer(bytes(memoryview(buffer))) for buffer in payload.buffers)
    )


@pytest.mark.parametrize("value", [None, (1, None), {"a": [1, (2,)]}, "text", b"", float("inf")])
def test_plain_values_stay_what_they_are(value):
    loaded = load(sent(dump(value)))
    assert loaded == value
    assert type(loaded) is type(value)


def test_arrays_travel_out_of_band_and_arrive_writable():
    array = np.arange(100_000.0)
    payload = dump({"array": array})
    assert len(memoryview(payload.buffers[0])) < 1000
    loaded = load(sent(payload))["array"]
    loaded[0] = 7
    assert (loaded[0], array[0]) == (7, 0)


def test_the_memory_order_of_an_array_is_kept():
    array = np.asfortranarray(np.arange(6).reshape(2, 3))
    loaded = load(sent(dump(array)))
    assert loaded.flags.f_contiguous
    assert (loaded == array).all()


def test_tensors_that_share_storage_still_share_it():
    whole = torch.arange(10.0)
    loaded_whole, loaded_part = load(sent(dump((whole, whole[2:5]))))
    loaded_part[0] = 99
    assert loaded_whole[2] == 99
    assert whole[2] == 2


def test_storage_bytes_are_out_of_band():
    payload = dump(torch.zeros(10_000))
    assert [len(memoryview(buffer)) for buffer in payload.buffers[1:]] == [40_000]


def test_modules_keep_tied_weights_and_can_be_trained():
    module = load(sent(dump(Tied())))
    assert module.first.weight is module.second.weight
    module(torch.ones(1, 3)).sum().backward()
    assert module.first.weight.grad is not None


def test_arrays_that_nobody_changes_stay_where_they_are():
    payload = sent(dump({"array": np.arange(300_000.0)}))
    array = load(payload, readonly=True)["array"]
    assert not array.flags.writeable
    assert np.shares_memory(array, np.frombuffer(payload.buffers[1], dtype="uint8"))
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.bool])
def test_tensors_that_nobody_changes_stay_where_they_are(dtype):
    tensor = torch.ones(300_000, dtype=dtype)
    payload = sent(dump((tensor, tensor[5:])))
    whole, part = load(payload, readonly=True)
    address = np.frombuffer(payload.buffers[1], dtype="uint8").ctypes.data
    assert whole.data_ptr() == address
    assert part.data_ptr() == address + 5 * tensor.element_size()
    assert bool((whole == tensor).all())


def test_memory_that_a_tensor_uses_is_kept():
    tensor = load(sent(dump(torch.arange(300_000))), readonly=True)
    gc.collect()
    assert int(tensor.sum()) == 300_000 * 299_999 // 2


def test_large_values_are_copied_to_memory_of_their_own():
    payload = sent(dump((np.ones(300_000), torch.ones(600_000))))
    array, tensor = load(payload)
    array += 1
    tensor += 1
    again, once_more = load(payload)
    assert (again[0], float(once_more[0])) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("device", "gpus", "where"),
    [
        ("cpu", 4, "cpu"), ("cuda:0", 0, "cpu"), ("cuda", 2, "cuda"), ("cuda:1", 2, "cuda:1"),
        ("cuda:3", 1, "cuda:0"), ("meta", 1, "cpu"),
    ],
)  # fmt: skip
def test_storages_go_back_to_their_gpu_where_there_is_one(device, gpus, where):
    assert place(device, gpus) == where


class OnGpu:
    """A storage that says that it is on a GPU; its content can be had as that of one can."""

    device = torch.device("cuda:0")

    def __init__(self, tensor):
        self._storage = tensor.untyped_storage()

    def cpu(self):
        return self._storage


def test_what_was_on_a_gpu_arrives_without_one():
    assert torch.cuda.device_count() == 0, "here the other half can be tested as well"
    load_storage, (buffer, device) = reducers()[torch.UntypedStorage](OnGpu(torch.arange(6.0)))
    assert device == "cuda:0"
    storage = load_storage(bytearray(buffer), device)
    assert storage.device.type == "cpu"
    assert torch.empty(0).set_(storage).tolist() == [0, 1, 2, 3, 4, 5]


def test_an_empty_tensor_crosses():
    assert load(sent(dump(torch.tensor([])))).shape == (0,)


def test_a_closure_crosses():
    factor = 3
    assert load(sent(dump(lambda x: x * factor)))(2) == 6

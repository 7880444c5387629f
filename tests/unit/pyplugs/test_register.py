"""Registering: what is recorded, and that nothing else happens."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dioptra_ray import pyplugs


@pytest.fixture(autouse=True)
def _own_records() -> Iterator[None]:
    before = pyplugs.exchange_records({})
    yield
    pyplugs.exchange_records(before)


def function(name: str = "f", module: str = "pack.sub.mod", doc: str | None = None) -> Any:
    def made(x: Any = None) -> Any:
        return x

    made.__name__, made.__module__, made.__doc__ = name, module, doc
    return made


def test_a_function_is_returned_unchanged_with_and_without_arguments() -> None:
    one, two, three = function("one"), function("two"), function("three")
    assert pyplugs.register(one) is one
    assert pyplugs.register(sort_value=2)(two) is two
    assert pyplugs.register(
        num_cpus=2, num_gpus=0.5, memory="4GiB", labels={"a": "b"}, resources={"r": 1},
        parallel=True, pure=True, readonly=False, retries=3, timeout="2h",
    )(three) is three  # fmt: skip
    assert pyplugs.funcs("pack.sub", "mod") == ["one", "two", "three"]


def test_what_is_not_known_cannot_be_declared() -> None:
    register: Callable[..., Any] = pyplugs.register
    with pytest.raises(TypeError, match="num_tpus"):
        register(num_tpus=1)


def test_the_record() -> None:
    pyplugs.register(sort_value=3)(function(doc="Short,\n  two lines.\n\n    Long.\n      In.\n"))
    info = pyplugs.info("pack.sub", "mod")
    assert (info.package_name, info.plugin_name, info.func_name) == ("pack.sub", "mod", "f")
    assert (info.description, info.doc) == ("Short,\n  two lines.", "Long.\n  In.")
    assert (info.module_doc, info.sort_value) == ("", 3)


def test_the_same_name_again_replaces_and_keeps_its_place() -> None:
    first, second, replacement = function("a"), function("b"), function("a")
    for made in (first, second, replacement):
        pyplugs.register(made)
    assert pyplugs.funcs("pack.sub", "mod") == ["a", "b"]
    assert pyplugs.get("pack.sub", "mod") is replacement


def test_a_class_can_be_registered() -> None:
    made = type("Point", (), {"__module__": "top"})
    pyplugs.register(made)
    assert isinstance(pyplugs.call("", "top", "Point"), made)


def test_call_passes_arguments_on() -> None:
    pyplugs.register(function())
    assert pyplugs.call("pack.sub", "mod", "f", 4) == 4
    assert pyplugs.call_factory("pack.sub")("mod", "f", x=5) == 5


def test_factories_are_bound_to_a_package() -> None:
    made = function()
    pyplugs.register(made)
    assert pyplugs.funcs_factory("pack.sub")("mod") == ["f"]
    assert pyplugs.get_factory("pack.sub")("mod") is made
    assert pyplugs.exists_factory("pack.sub")("mod")
    assert not pyplugs.exists_factory("json")("other")
    assert pyplugs.info_factory("pack.sub")("mod").func is made


def test_lookups_say_what_there_is() -> None:
    pyplugs.register(function("one"))
    pyplugs.register(function("two"))
    with pytest.raises(pyplugs.UnknownPluginFunctionError, match="one, two"):
        pyplugs.get("pack.sub", "mod", "three")


def test_a_module_that_an_installed_one_hides_is_said_to_be_hidden():
    with pytest.raises(pyplugs.UnknownPluginError, match=r"'yaml.loader' is an installed module"):
        pyplugs.get("yaml", "loader", "load_data")

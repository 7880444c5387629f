import pytest

from dioptra_controller.registry import names
from dioptra_ray.errors import InvalidRequestError


@pytest.mark.parametrize("name", ["a", "my experiment", "ä/ö: 1", "x" * 255, "日本"])
def test_names_are_free_text(name):
    names.check_name("experiment", name)
    names.check_queue_name(name)
    names.check_type_name(name)


@pytest.mark.parametrize("name", ["", " ", " a", "a ", "a\tb", "a\u2028b", "a\0", "x" * 256])
def test_names_that_cannot_be_read_in_a_list_are_refused(name):
    for check in (names.check_queue_name, names.check_plugin_name, names.check_type_name):
        with pytest.raises(InvalidRequestError):
            check(name)


@pytest.mark.parametrize("name", ["a", "_a", "__", "Plugin_2"])
def test_plugin_names_are_identifiers(name):
    names.check_plugin_name(name)


@pytest.mark.parametrize("name", ["_", "1a", "a-b", "a.b", "a b", "class", "None", "ünïcode"])
def test_what_cannot_be_imported_is_no_plugin_name(name):
    with pytest.raises(InvalidRequestError, match="identifier"):
        names.check_plugin_name(name)


@pytest.mark.parametrize("name", ["string", "Integer", "NULL", "any"])
def test_built_in_types_cannot_be_redefined(name):
    with pytest.raises(InvalidRequestError, match="built-in"):
        names.check_type_name(name)


@pytest.mark.parametrize("text", ["x" * (64 * 1024 + 1), "a\0b"])
def test_descriptions_are_bounded(text):
    names.check_text("queue", "x" * 64 * 1024)
    with pytest.raises(InvalidRequestError):
        names.check_text("queue", text)

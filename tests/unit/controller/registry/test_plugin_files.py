import pytest

from dioptra_controller.registry.plugin_files import check_path
from dioptra_ray.errors import InvalidRequestError


@pytest.mark.parametrize(
    "path", ["a.py", "_a.py", "__init__.py", "a/b.py", "a/__init__.py", "a1/b_2/c.py"]
)
def test_modules_can_be_put(path):
    check_path(path)


@pytest.mark.parametrize(
    "path",
    [
        *("", ".py", "a", "a.txt", "a.PY", "a-b.py", "1a.py", "_.py", "é.py", "a//b.py", "/a.py"),
        *("../a.py", "a/../b.py", "_a/b.py", "a.py/", "a.py\n", "a\\b.py", "a b.py", "a/_.py"),
    ],
)
def test_what_nothing_could_import_cannot(path):
    with pytest.raises(InvalidRequestError, match="Python module"):
        check_path(path)

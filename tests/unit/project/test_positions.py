import tomllib

import pytest

from dioptra_ray.project.positions import locate, nearest

TEXT = '''\
title = "x" # [not.a.table]
[[plugins]]
path = 'a'
  [[plugins.tasks.functions]]
  input_params = [
    { name = "q", type = "t" }, # a comment with ]
    { name = "r]", type = """t
t""" },
  ]
  [[plugins.tasks.functions]]
  name = "second"
[[plugins]]
"odd \\"key\\"".'inner key' = 1
[a . b]
c.d = 1979-05-27T07:32:00Z
'''


@pytest.mark.parametrize(
    ("path", "position"),
    [
        (("title",), (1, 1)),
        (("plugins", 0), (2, 1)),
        (("plugins", 0, "path"), (3, 1)),
        (("plugins", 0, "tasks", "functions", 0), (4, 3)),
        (("plugins", 0, "tasks", "functions", 0, "input_params", 0), (6, 5)),
        (("plugins", 0, "tasks", "functions", 0, "input_params", 0, "type"), (6, 19)),
        (("plugins", 0, "tasks", "functions", 0, "input_params", 1, "type"), (7, 20)),
        (("plugins", 0, "tasks", "functions", 1, "name"), (11, 3)),
        (("plugins", 1), (12, 1)),
        (("plugins", 1, 'odd "key"', "inner key"), (13, 1)),
        (("a", "b"), (14, 1)),
        (("a", "b", "c", "d"), (15, 1)),
    ],
)
def test_places(path: tuple[str | int, ...], position: tuple[int, int]) -> None:
    assert tomllib.loads(TEXT)
    assert locate(TEXT)[path] == position


def test_nearest_is_the_innermost_that_is_known() -> None:
    positions = locate(TEXT)
    assert nearest(positions, ("plugins", 1, "path", 3)) == (12, 1)
    assert nearest(positions, ("nothing",)) == (1, 1)

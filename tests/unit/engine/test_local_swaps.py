"""Swaps in a job that runs in this process."""

from pathlib import Path

import pytest

from dioptra_ray.errors import InvalidDescriptionError
from dioptra_ray.local import run

TASKS = """\
from dioptra import pyplugs

@pyplugs.register
def one():
    return 1

@pyplugs.register
def two():
    return 2, "surplus"

@pyplugs.register
def negate(value):
    return -value
"""

TEXT = """\
tasks:
  one: {plugin: numbers_.tasks.one, outputs: {value: integer}}
  two: {plugin: numbers_.tasks.two, outputs: [{result: integer}, {rest: string}]}
  negate: {plugin: numbers_.tasks.negate, inputs: [{value: integer}], outputs: {value: integer}}
graph:
  last: {negate: [$number.it]}
  number:
    ?which:
      ?outputs: [it, more]
      both: {two: []}
"""


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    folder = tmp_path / "plugins" / "numbers_"
    folder.mkdir(parents=True)
    (folder / "tasks.py").write_text(TASKS)
    return folder.parent


def test_the_chosen_alternative_runs_and_its_outputs_have_the_names_of_the_swap(plugins: Path):
    result = run(TEXT, plugins_dir=plugins, swaps={"which": "both"})
    assert result.steps == {"number": {"it": 2, "more": "surplus"}, "last": {"value": -2}}
    assert result.order == ["number", "last"]


def test_a_single_output_stays_whole(plugins: Path):
    text = TEXT.replace("[it, more]", "[it]").replace("two: []", "one: []")
    assert run(text, plugins_dir=plugins, swaps={"which": "both"}).steps["number"] == {"it": 1}


def test_without_a_choice_nothing_runs(plugins: Path):
    with pytest.raises(InvalidDescriptionError) as caught:
        run(TEXT, plugins_dir=plugins)
    assert [issue.code for issue in caught.value.issues] == ["swap.missing_choice"]

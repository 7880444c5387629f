"""Each way in which dependencies can drift is said."""

from typing import Any

import pytest

from tests.tools.dependencies import find_drift, find_foreign

PROJECT: dict[str, Any] = {
    "project": {
        "name": "dioptra-ray",
        "dependencies": ["click>=8.1"],
        "optional-dependencies": {
            "s3": ["minio>=7.2"],
            "all": ["dioptra-ray[s3]"],
            "examples": ["torch==2.13.*"],
        },
    },
    "dependency-groups": {"dev": ["Py_Test>=8"]},
}
PINS = "# made by hand\nclick==8.2\nminio==7.3 # why\npy-test==9.0\n"


def test_no_drift_is_nothing_to_say() -> None:
    assert not list(find_drift(PROJECT, PINS))


@pytest.mark.parametrize(
    ("constraints", "problem"),
    [
        (PINS.replace("minio==7.3", ""), "minio is asked for, but constraints.txt does not pin it"),
        (PINS.replace("8.2", "8.0"), "click: click>=8.1 is asked for, but pinned is 8.0"),
        (PINS + "Click==8.3\n", "constraints.txt: click is pinned twice"),
        (PINS + "rich>=13\n", "constraints.txt: 'rich>=13' pins no version"),
    ],
)
def test_each_drift_is_said(constraints: str, problem: str) -> None:
    assert list(find_drift(PROJECT, constraints)) == [problem]


def test_what_is_installed_in_another_version_is_said() -> None:
    installed = {"click": "8.1", "minio": "7.3+cpu", "unpinned": "1"}
    assert list(find_foreign({"click": "8.2", "minio": "7.3", "absent": "2"}, installed)) == [
        "click 8.1 is installed, but pinned is 8.2: `make venv` mends it"
    ]

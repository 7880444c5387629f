"""Every lookup recorded from Dioptra's pyplugs gives the same here."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dioptra_ray import pyplugs
from dioptra_ray.plugins.activation import PluginSet, activate, forget

CASES = Path(__file__).parent / "cases" / "pyplugs.jsonl"
FILES, *LOOKUPS = [json.loads(line) for line in CASES.read_text().splitlines()]


@pytest.fixture
def _plugins(tmp_path: Path) -> Iterator[None]:
    for name, source in FILES["files"].items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(source)
    plugin_set = PluginSet(key=str(tmp_path), root=tmp_path)
    with activate(plugin_set):
        yield
    forget(plugin_set.key)


@pytest.mark.usefixtures("_plugins")
@pytest.mark.parametrize("case", LOOKUPS, ids=lambda case: f"{case['id']} {case['call']}")
def test_lookup(case: dict[str, Any]) -> None:
    def look_up() -> Any:
        return eval(case["call"], {"pp": pyplugs})

    if "raises" in case:
        with pytest.raises(Exception) as caught:
            look_up()
        assert type(caught.value).__name__ == case["raises"]
        return
    result = look_up()
    if isinstance(result, pyplugs.PluginInfo):
        result = {key: value for key, value in result._asdict().items() if key != "func"}
    if isinstance(result, tuple):
        result = list(result)
    assert result == case["result"]

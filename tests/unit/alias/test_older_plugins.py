"""The small helpers that older plugins import."""

import io
import os
import sys
from pathlib import Path

import pytest

from dioptra_ray.alias.contexts import (
    env_vars,
    import_temp,
    plugin_dirs,
    redirect_print,
    sys_path_dirs,
)
from dioptra_ray.alias.decorators import require_package
from dioptra_ray.alias.exceptions import ARTDependencyError, BaseOptionalDependencyError
from dioptra_ray.alias.generics import estimator_predict, fit_estimator
from dioptra_ray.alias.paths import clear_directory, set_cwd, set_path_ext


@pytest.mark.parametrize(
    ("path", "ext", "changed"),
    [("a.txt", "csv", "a.csv"), ("d/a.tar.gz", ".zip", "d/a.zip"), ("a", "csv", "a.csv")],
)
def test_set_path_ext(path, ext, changed) -> None:
    assert set_path_ext(path, ext) == Path(changed)


def test_set_cwd(tmp_path) -> None:
    before = Path.cwd()
    with set_cwd(tmp_path):
        assert Path.cwd() == tmp_path
    assert Path.cwd() == before


def test_clear_directory_leaves_what_links_lead_to(tmp_path) -> None:
    for name in ("kept", "cleared/sub"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "f").write_text("")
    (tmp_path / "cleared" / "link").symlink_to(tmp_path / "kept")
    clear_directory(tmp_path / "cleared")
    assert list((tmp_path / "cleared").iterdir()) == []
    assert (tmp_path / "kept" / "f").exists()
    clear_directory(tmp_path / "missing")


def test_env_vars(monkeypatch) -> None:
    monkeypatch.setenv("KNOWN", "1")
    with env_vars({"KNOWN": "2", "NEW": "3"}):
        assert (os.environ["KNOWN"], os.environ["NEW"]) == ("2", "3")
        os.environ["LATER"] = "4"
    assert os.environ["KNOWN"] == "1"
    assert not {"NEW", "LATER"} & set(os.environ)


def test_directories_to_import_from(tmp_path, monkeypatch) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    before = list(dict.fromkeys(sys.path))
    monkeypatch.setattr(sys, "path", list(before))
    with sys_path_dirs([tmp_path / "one", tmp_path / "missing"]):
        assert sys.path == [before[0], str(tmp_path / "one"), *before[1:]]
    monkeypatch.setenv("DIOPTRA_PLUGIN_DIR", f"{tmp_path / 'two'}:relative")
    with plugin_dirs([tmp_path / "one"]):
        assert sys.path[1:3] == [str(tmp_path / "two"), str(tmp_path / "one")]
    assert sys.path == before


def test_import_temp_forgets(tmp_path) -> None:
    (tmp_path / "for_a_while.py").write_text("X = 1")
    with import_temp("for_a_while", tmp_path) as module:
        assert module.X == 1
    assert "for_a_while" not in sys.modules
    assert str(tmp_path) not in sys.path


def test_redirect_print(capsys) -> None:
    target = io.StringIO()
    with redirect_print(target):
        print("a", 1, sep="-")
    with redirect_print():
        print("nowhere")
    print("shown")
    assert target.getvalue() == "a-1\n"
    assert capsys.readouterr().out == "shown\n"


def test_require_package() -> None:
    @require_package("json")
    def fine() -> int:
        return 1

    @require_package("no_such_package_at_all", exc_type=ARTDependencyError)
    def refused() -> None: ...

    @require_package("no_such_package_at_all", "do this")
    def explained() -> None: ...

    assert fine() == 1
    with pytest.raises(ARTDependencyError, match="refused needs the package"):
        refused()
    with pytest.raises(BaseOptionalDependencyError, match="do this"):
        explained()


class SpecialEstimator:
    pass


def test_generics_dispatch_by_type() -> None:
    class Estimator:
        def predict(self, x, **kwargs):
            return ("predict", x, kwargs)

        def fit(self, x, y, **kwargs):
            return ("fit", x, y, kwargs)

    assert estimator_predict(Estimator(), 1, k=2) == ("predict", 1, {"k": 2})
    assert fit_estimator(Estimator(), 1, 2) == ("fit", 1, 2, {})

    @estimator_predict.register
    def _(_estimator: SpecialEstimator, x: object, **_kwargs: object) -> object:
        return ("special", x)

    assert estimator_predict(SpecialEstimator(), 1) == ("special", 1)

"""What a template imports for a plugin set."""

from dioptra_workers.stage.imports import heavy_imports


def test_only_installed_modules_that_are_imported_at_the_top(tmp_path):
    plugin = tmp_path / "mine"
    plugin.mkdir()
    (plugin / "tasks.py").write_text(
        "import os, numpy as np\nimport sklearn.svm\nimport ray, dioptra_ray\n"
        "from torch import nn\nfrom . import near\nfrom mine import far\n"
        "try:\n    import fast\nexcept ImportError:\n    fast = None\n"
        "def step():\n    import lazy\n"
    )
    (plugin / "near.py").write_text("import far.away\n")
    (plugin / "broken.py").write_text("import (\n")
    (tmp_path / "far").mkdir()
    assert heavy_imports(tmp_path) == ("fast", "numpy", "sklearn.svm", "torch")

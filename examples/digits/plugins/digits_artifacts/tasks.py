# ruff: noqa: ARG004 - the signatures are those of the interface
"""Artifact tasks for checkpoints, tables and figures."""

from pathlib import Path
from typing import Any

import pandas as pd
import structlog
import torch
from dioptra.sdk.api.artifact import ArtifactTaskInterface
from matplotlib.image import imread

LOGGER = structlog.get_logger()


class CheckpointArtifactTask(ArtifactTaskInterface):
    """A network that has a `checkpoint()`, as a .pt file.

    Reading gives the checkpoint, not the network: only plain values and tensors are
    loaded, so that a file can never run code.
    """

    @staticmethod
    def serialize(working_dir: Path, name: str, contents: Any, **kwargs: Any) -> Path:
        path = working_dir / f"{name}.pt"
        torch.save(contents.checkpoint(), path)
        return path

    @staticmethod
    def deserialize(working_dir: Path, path: str, **kwargs: Any) -> dict[str, Any]:
        return torch.load(working_dir / path, map_location="cpu", weights_only=True)

    @staticmethod
    def validation() -> dict[str, Any] | None:
        return None


class TableArtifactTask(ArtifactTaskInterface):
    """A pandas DataFrame, as CSV or Parquet."""

    @staticmethod
    def serialize(
        working_dir: Path,
        name: str,
        contents: Any,
        format: str = "csv",  # noqa: A002 - what entrypoints call it
        **kwargs: Any,
    ) -> Path:
        path = working_dir / f"{name}.{format}"
        if format == "parquet":
            contents.to_parquet(path, index=False)
        else:
            contents.to_csv(path, index=False)
        LOGGER.info("wrote a table", rows=len(contents), file=path.name)
        return path

    @staticmethod
    def deserialize(working_dir: Path, path: str, **kwargs: Any) -> Any:
        read = pd.read_parquet if path.endswith(".parquet") else pd.read_csv
        return read(working_dir / path)

    @staticmethod
    def validation() -> dict[str, Any] | None:
        return {"format": {"type": "string", "enum": ["csv", "parquet"]}}


class FigureArtifactTask(ArtifactTaskInterface):
    """A matplotlib figure, as a PNG image; reading gives its pixels."""

    @staticmethod
    def serialize(
        working_dir: Path, name: str, contents: Any, dpi: int = 120, **kwargs: Any
    ) -> Path:
        path = working_dir / f"{name}.png"
        contents.savefig(path, dpi=dpi)
        return path

    @staticmethod
    def deserialize(working_dir: Path, path: str, **kwargs: Any) -> Any:
        return imread(working_dir / path)

    @staticmethod
    def validation() -> dict[str, Any] | None:
        return {"dpi": {"type": "integer", "minimum": 10, "maximum": 1200}}

"""What artifact tasks implement: objects into files, and back."""

from pathlib import Path
from typing import Any


class ArtifactTaskInterface:
    """An artifact task: three static methods, called on the class, which is never instantiated."""

    @staticmethod
    def serialize(working_dir: Path, name: str, contents: Any, **kwargs: Any) -> Path:
        """Write `contents` to a file or directory.

        Args:
            working_dir: The job's working directory.
            name: The artifact output's name; by custom the stem of the file.
            contents: What to write.
            kwargs: The `args` of the artifact output, as `validation` describes them.

        Returns:
            The file or directory: a new one, one that a step made, or a symbolic link.
        """
        raise NotImplementedError

    @staticmethod
    def deserialize(working_dir: Path, path: str, **kwargs: Any) -> Any:
        """Read what `serialize` wrote.

        Args:
            working_dir: The directory that holds the file or directory; free to use.
            path: Its name in there.
            kwargs: Nothing yet.
        """
        raise NotImplementedError

    @staticmethod
    def validation() -> dict[str, Any] | None:
        """The JSON schema `properties` of the arguments of `serialize`; None when it has none."""
        raise NotImplementedError

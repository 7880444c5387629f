"""Exceptions into data.

An exception of plugin code must not leave the process that raised it: its class may live
in a plugin that nobody else has. What leaves is text, made here, and made to work for
exceptions that cannot even be printed.
"""

import os
from pathlib import Path
from traceback import FrameSummary, StackSummary, TracebackException, walk_tb

from dioptra_ray.engine.errors import ErrorDetail

_MESSAGE_LIMIT = 10_000
_TRACEBACK_LIMIT = 100_000
_OWN_FOLDER = str(Path(__file__).parents[1]) + os.sep
_IMPORTLIB = ("<frozen importlib", f"{os.sep}importlib{os.sep}__init__.py")


def describe_exception(error: BaseException, plugins_root: Path | None) -> ErrorDetail:
    """Describe an exception for those who cannot see it.

    Args:
        error: The exception.
        plugins_root: The plugins directory, to name files relative to it.
    """
    file, line = _innermost_plugin_line(error, plugins_root)
    return ErrorDetail(
        error_type=type(error).__name__,
        message=_shorten(_text(error), _MESSAGE_LIMIT),
        traceback=_shorten(_format(error), _TRACEBACK_LIMIT),
        file=file,
        line=line,
        classes=tuple(
            f"{kind.__module__}.{kind.__qualname__}"
            for kind in type(error).__mro__
            if kind is not object
        ),
    )


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException as problem:  # noqa: BLE001 - user code; the original error matters
        return f"<its text cannot be made: {type(problem).__name__}>"


def _format(error: BaseException) -> str:
    try:
        report = TracebackException.from_exception(error)
        _hide_own_frames(report, set())
        return "".join(report.format())
    except Exception:  # noqa: BLE001 - a broken exception class must not hide the failure
        return f"{type(error).__name__}: {_text(error)}\n"


def _hide_own_frames(report: TracebackException | None, seen: set[int]) -> None:
    if report is None or id(report) in seen:
        return
    seen.add(id(report))
    report.stack = StackSummary.from_list([frame for frame in report.stack if not _is_own(frame)])
    _hide_own_frames(report.__cause__, seen)
    _hide_own_frames(report.__context__, seen)
    for part in report.exceptions or ():
        _hide_own_frames(part, seen)


def _is_own(frame: FrameSummary) -> bool:
    name = frame.filename
    return name.startswith((_OWN_FOLDER, _IMPORTLIB[0])) or name.endswith(_IMPORTLIB[1])


def _innermost_plugin_line(
    error: BaseException, plugins_root: Path | None
) -> tuple[str | None, int | None]:
    if plugins_root is None:
        return None, None
    prefixes = {str(plugins_root) + os.sep, str(plugins_root.resolve()) + os.sep}
    if isinstance(error, SyntaxError) and error.filename:
        # The file that cannot be compiled has no frame of its own.
        for prefix in prefixes:
            if error.filename.startswith(prefix):
                return error.filename.removeprefix(prefix), error.lineno
    found: tuple[str | None, int | None] = (None, None)
    for frame, line in walk_tb(error.__traceback__):
        for prefix in prefixes:
            if frame.f_code.co_filename.startswith(prefix):
                found = frame.f_code.co_filename.removeprefix(prefix), line
    return found


def _shorten(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n[... {len(text) - limit} characters left out ...]\n{text[-half:]}"

"""What every rung shares: no test may be skipped unnoticed, no test may reach outside."""

import os
from collections.abc import Iterator

import pytest

from dioptra_workers.runner.cluster import prepare_environment

# Before any test module imports Ray, which then has read it once and for all.
prepare_environment("local")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--no-skips",
        action="store_true",
        help="fail the run when any test was skipped or expected to fail",
    )


class SkipGuard:
    """Turns a run with skipped tests into a failed one."""

    def __init__(self) -> None:
        self.unseen: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped or hasattr(report, "wasxfail"):
            self.unseen.append(report.nodeid)

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Iterator[None]:
        yield
        if self.unseen and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for nodeid in self.unseen:
            terminalreporter.write_line(f"not run, so the run fails: {nodeid}", red=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("DIOPTRA_CHAOS") == "long":
        return
    left_out = [item for item in items if item.get_closest_marker("long")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("long")]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "long: only `make chaos` has the time for it")
    if config.getoption("--no-skips"):
        config.pluginmanager.register(SkipGuard(), "skip-guard")

"""A stage finds, and leaves, a fresh process."""

import logging
import os
import random
import signal
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from dioptra_workers.stage import environment
from dioptra_workers.stage.environment import pristine


def test_what_a_step_does_to_its_process_is_undone(tmp_path, monkeypatch):
    monkeypatch.setenv("KEPT", "before")
    monkeypatch.setenv("REMOVED", "before")
    logger = logging.getLogger("known.before")
    before = (Path.cwd(), dict(os.environ), list(sys.argv), sys.stdout, logging.root.level)
    handler = signal.getsignal(signal.SIGUSR2)
    mask = os.umask(0o027)
    filters = list(warnings.filters)
    try:
        with pristine():
            os.chdir(tmp_path)
            os.environ.update(KEPT="changed", ADDED="x")
            del os.environ["REMOVED"]
            sys.argv.append("x")
            sys.stdout = None
            os.umask(0)
            os.environ["TMPDIR"] = str(tmp_path)
            tempfile.tempdir = None
            assert tempfile.gettempdir() == str(tmp_path)
            logging.root.setLevel(logging.CRITICAL)
            logger.disabled = True
            logging.getLogger("new.within").addHandler(logging.NullHandler())
            logging.disable(logging.CRITICAL)
            signal.signal(signal.SIGUSR2, signal.SIG_IGN)
            warnings.simplefilter("ignore")
        after = (Path.cwd(), dict(os.environ), list(sys.argv), sys.stdout, logging.root.level)
        assert after == before
        assert os.umask(0o027) == 0o027
        assert tempfile.gettempdir() != str(tmp_path)
        assert not logger.disabled
        assert logging.getLogger("new.within").handlers == []
        assert logging.root.manager.disable == logging.NOTSET
        assert signal.getsignal(signal.SIGUSR2) is handler
        assert warnings.filters == filters
    finally:
        os.umask(mask)


def test_the_caller_gets_its_exception_and_its_process_back(tmp_path):
    directory = Path.cwd()
    with pytest.raises(SystemExit), pristine():  # noqa: PT012
        os.chdir(tmp_path)
        raise SystemExit
    assert Path.cwd() == directory


@pytest.mark.parametrize(
    "name",
    [
        "DIOPTRA_S3_SECRET_KEY",
        "DIOPTRA_S3_ACCESS_KEY",
        "DIOPTRA_TOKEN_FILE",
        "DIOPTRA_KEY_FILE",
        "DIOPTRA_DATABASE_URL",
        "RAY_AUTH_TOKEN",
    ],
)
def test_credentials_are_out_of_sight(monkeypatch, name):
    monkeypatch.setenv(name, "secret")
    with pristine():
        assert name not in os.environ
    assert os.environ[name] == "secret"
    monkeypatch.setattr(os, "environ", os.environ.copy())
    environment.take_on({name: "secret", "KEPT": "x"})
    assert dict(os.environ) == {"KEPT": "x"}


def test_a_seed_does_not_reach_the_next_stage():
    def draw():
        return random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002

    drawn = []
    for _ in range(2):
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002
        torch.manual_seed(1)
        with pristine():
            drawn.append(draw())
    for first, second in zip(*drawn, strict=True):
        assert first != second


def test_the_time_zone_of_a_step_does_not_stay():
    before = time.tzname, time.timezone
    with pristine():
        os.environ["TZ"] = "Asia/Tokyo"
        time.tzset()
        assert time.tzname == ("JST", "JST")
    assert (time.tzname, time.timezone) == before

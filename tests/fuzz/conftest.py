"""How long to fuzz, and with which seed: both can be set from outside."""

import os
import random
import time
from collections.abc import Callable

import pytest

# Seconds for each test. CI gives more: `DIOPTRA_FUZZ_SECONDS=60 pytest tests/fuzz`.
SECONDS = float(os.environ.get("DIOPTRA_FUZZ_SECONDS", "2"))
SEED = os.environ.get("DIOPTRA_FUZZ_SEED")

Fuzz = Callable[[Callable[[random.Random], bytes], Callable[[bytes], None]], None]


@pytest.fixture
def fuzz(request: pytest.FixtureRequest) -> Fuzz:
    """Checks generated inputs until the time is up; a failure shows the input and its seed."""

    def run(generate: Callable[[random.Random], bytes], check: Callable[[bytes], None]) -> None:
        end = time.monotonic() + SECONDS
        number = 0
        while number < 50 or time.monotonic() < end:  # however slow the machine is
            seed = SEED or f"{request.node.name}:{number}"
            data = generate(random.Random(seed))
            number += 1
            try:
                check(data)
            except BaseException as error:
                error.add_note(f"DIOPTRA_FUZZ_SEED={seed!r} input={data[:2000]!r}")
                raise
            if SEED:
                return

    return run

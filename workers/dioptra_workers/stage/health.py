"""Whether this process may serve another stage."""


class _Health:
    reason = ""


def spoil(reason: str) -> None:
    """Let this process end after the present stage: what a job did to it cannot be undone."""
    _Health.reason = _Health.reason or reason


def spoiled() -> str:
    """Why it must end; empty if it need not."""
    return _Health.reason

"""Refuses to have secrets in the repository: private keys, tokens by their form, passwords in URLs.

A line that must look like one, such as an example, says `not a secret` and why; whoever reviews it
sees that.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MARK = "not a secret"
PATTERNS = {
    "a private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----",
    "a token of dioptra-ray": r"\bdrt_[A-Za-z0-9_-]{40,}",
    "a key of AWS": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a token of GitHub": r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{50,})",
    "a token of GitLab": r"\bglpat-[A-Za-z0-9_-]{20,}",
    "a token of Slack": r"\bxox[abposr]-[A-Za-z0-9-]{10,}",
    "a key of Google": r"\bAIza[A-Za-z0-9_-]{35}\b",
    "a token of PyPI": r"\bpypi-AgEI[A-Za-z0-9_-]{50,}",
    "a JSON web token": r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    # Words in capitals, in brackets, with dots or variables are placeholders.
    "a password in a URL": r"\b[a-z][a-z0-9+.-]*://[^\s:/@'\"{}<>$]+:"
    r"(?!PASSWORD|SECRET|password|secret|\.\.\.|pw@|[*x]+@)[^\s:/@'\"{}<>$]{3,}@[\w.-]+",
}
_COMPILED = {name: re.compile(pattern) for name, pattern in PATTERNS.items()}


def find_secrets(text: str) -> Iterator[tuple[int, str]]:
    """The line, from 1, and the kind of each thing that looks like a secret."""
    for number, line in enumerate(text.splitlines(), start=1):
        if MARK in line:
            continue
        for name, pattern in _COMPILED.items():
            if pattern.search(line):
                yield number, name


def main() -> int:
    """Entry point."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    found = 0
    for name in filter(None, listed.stdout.decode().split("\0")):
        path = ROOT / name
        if not path.is_file() or path.is_symlink():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        for line, kind in find_secrets(text):
            found += 1
            sys.stderr.write(f"{name}:{line}: this looks like {kind}\n")
    if found:
        sys.stderr.write(
            f"Remove and revoke it; if it is none, say `{MARK}` and why on its line.\n"
        )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

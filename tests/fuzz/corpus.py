"""Inputs to start from, and ways to spoil them."""

import random
from pathlib import Path

ROOT = Path(__file__).parents[2]

DESCRIPTION = b"""\
types: {T: {list: integer}, U: {union: [T, string, "null"]}, V: {is_a: T2}, T2: }
parameters: {x: 1, y: {type: U, default: [1, 2]}, z: {default: {a: 2001-01-01}}}
tasks:
  t: &t {plugin: p.m.f, inputs: [{a: any}, {name: b, type: U, required: false}], outputs: {o: T}}
  u: {<<: *t, outputs: [{o: T}, {p: string}]}
artifact_inputs: {art: [{one: any}]}
graph:
  s: {t: [$x, $y]}
  w:
    ?swap:
      ?outputs: [o, p]
      a: {u: {a: $s}}
      b: {task: u, args: [$$x], kwargs: {b: 'text'}, dependencies: [s]}
    dependencies: s
artifact_outputs: {out: {contents: $w.o, task: {name: A, args: {n: 1}}}}
execution: {parallel: true, steps: {s: {num_cpus: 2, timeout: 2h, memory: 4GiB}}}
"""

CONFIG = b"""\
[[plugins]]
path = "plugins/p"
description = "d"
[[plugins.tasks.functions]]
filename = "tasks.py"
name = "f"
input_params = [ { name = "a", type = "T", required = true } ]
output_params = [ { name = "o", type = "integer" } ]
[[plugins.tasks.artifacts]]
filename = "tasks.py"
name = "A"
output_params = []
[[plugin_param_types]]
name = "T"
structure = { list = "integer" }
[[entrypoints]]
path = "e.yaml"
name = "e"
params = [ { name = "x", type = "list", default_value = "[1]" }, { name = "d", type = "float" } ]
artifact_params = [ { name = "q", output_params = [ { name = "o", type = "any" } ] } ]
plugins = [ "p" ]
"""

SOURCE = b"""\
from dioptra import pyplugs as p
from dioptra.sdk.api.artifact import ArtifactTaskInterface

@p.register(num_cpus=1, labels={"a": "b"})
def f(a: "list[int]", *, b: dict[str, int] | None = None) -> tuple[int, str]:
    return 1, ""

class A(ArtifactTaskInterface):
    @staticmethod
    def validation():
        return {"n": {"type": "integer"}}
"""

GRAPH = b"graph:\n  s: {f: [$x]}\nartifacts:\n  k: {contents: $s, task: {name: A}}\n"

# What has broken parsers before, ours or others.
TOKENS = [
    *(b"& * << <<: ! !! !!python/object:os.system !!set !!binary !!timestamp !!omap".split()),
    *(b"? : - [ ] { } , # | > %YAML --- ... ' \" ` @ = ~ null on off yes 0x1F 0o7 1_0".split()),
    *(b".inf .nan 1e999 12:30:45 2001-02-30 9999999999999999999 \\ud800".split()),
    *(b"$ $$ $x $s.o $. dependencies task args kwargs ?swap ?outputs ?".split()),
    *(b"[[ ]] \"\"\" ''' [a.b] a.b=1 x={y=1} inf 1979-05-27T07:32:00Z is_a list union".split()),
    b"\x00", b"\t", b"\r", b"\n", b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\x85",
    "\u2028".encode(), b"\xff\xfe", b" " * 40, b"[" * 80, b"{a: " * 80, b"a" * 2000, b"9" * 5000,
]  # fmt: skip


def bomb(rng: random.Random) -> bytes:
    """Aliases of aliases."""
    width, depth = rng.randint(2, 9), rng.randint(2, 40)
    lines = ["a0: &a0 [x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, depth)]
    return "\n".join(lines).encode()


def deep(rng: random.Random) -> bytes:
    """Brackets in brackets, closed or not."""
    opening, closing = rng.choice([(b"[", b"]"), (b"{a: ", b"}"), (b"- ", b""), (b"? ", b"")])
    count = rng.choice([10, 60, 70, 1000, 100_000])
    return b"graph: \n" + opening * count + b"1" + closing * rng.choice([count, count - 1, 0])


def noise(rng: random.Random) -> bytes:
    """Any bytes at all."""
    return rng.randbytes(rng.randint(0, 200))


def pieces(rng: random.Random) -> bytes:
    """Tokens in a row."""
    blank = rng.choice([b"", b" ", b"\n", b": "])
    return blank.join(rng.choice(TOKENS) for _ in range(rng.randint(1, 30)))


def mutate(text: bytes, rng: random.Random) -> bytes:
    """A text with a few things wrong."""
    for _ in range(rng.choice([1, 1, 2, 3, 8])):
        start = rng.randint(0, len(text))
        end = min(len(text), start + rng.choice([0, 1, 1, 3, 10, 40]))
        other = rng.randint(0, len(text))
        text = rng.choice(
            [
                text[:start] + text[end:],
                text[:start] + rng.choice(TOKENS) + text[start:],
                text[:start] + rng.choice(TOKENS) + text[end:],
                text[:other] + text[start:end] + text[other:],
                text[:start] + bytes([rng.randrange(256)]) + text[end:],
                text[:start] + text[start:end] * rng.choice([2, 3, 50]) + text[end:],
                _swap_lines(text, rng),
            ]
        )
    return text


def _swap_lines(text: bytes, rng: random.Random) -> bytes:
    lines = text.split(b"\n")
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return b"\n".join(lines)

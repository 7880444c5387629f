"""Any files are a project or are refused with reasons, in bounded time."""

from dioptra_ray.errors import InvalidDescriptionError
from dioptra_ray.project import Project, compose_description, read_project
from tests.fuzz import corpus
from tests.fuzz.conftest import Fuzz


def check(config: bytes, source: bytes = corpus.SOURCE, graph: bytes = corpus.GRAPH) -> None:
    files = {
        "dioptra.toml": config,
        "plugins/p/tasks.py": source,
        "plugins/p/__init__.py": b"",
        "e.yaml": graph,
    }
    try:
        project = read_project(files)
    except InvalidDescriptionError as error:
        issues, project = error.issues, Project()
    else:
        issues = ()
    assert not issues or any(issue.severity == "error" for issue in issues)
    for entrypoint in project.entrypoints:
        compose_description(entrypoint, plugins=project.plugins, types=project.types)


def test_the_corpus_is_good() -> None:
    check(corpus.CONFIG)
    files = {"dioptra.toml": corpus.CONFIG, "plugins/p/tasks.py": corpus.SOURCE}
    assert read_project({**files, "e.yaml": corpus.GRAPH}).plugins


def test_noise(fuzz: Fuzz) -> None:
    fuzz(lambda rng: rng.choice([corpus.noise, corpus.pieces, corpus.deep])(rng), check)


def test_spoiled_registrations(fuzz: Fuzz) -> None:
    fuzz(lambda rng: corpus.mutate(corpus.CONFIG, rng), check)


def test_spoiled_sources(fuzz: Fuzz) -> None:
    fuzz(
        lambda rng: corpus.mutate(corpus.SOURCE, rng),
        lambda data: check(corpus.CONFIG, source=data),
    )


def test_spoiled_graphs(fuzz: Fuzz) -> None:
    fuzz(
        lambda rng: corpus.mutate(corpus.GRAPH, rng),
        lambda data: check(corpus.CONFIG, graph=data),
    )

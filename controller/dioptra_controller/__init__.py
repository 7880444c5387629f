"""The controller: registry, compiler, scheduler and state behind one gRPC server."""

from importlib import metadata

__version__ = metadata.version("dioptra-ray")

"""Where the bytes of plugins and artifacts lie: a directory, or any S3 service."""

from dioptra_ray.store.keys import artifact_key, bundle_key
from dioptra_ray.store.manifest import Manifest, ManifestFile
from dioptra_ray.store.opening import open_store
from dioptra_ray.store.protocol import ArtifactStore
from dioptra_ray.store.scratch import refresh, scratch_folder, sweep
from dioptra_ray.store.settings import StoreSettings

__all__ = [
    "ArtifactStore",
    "Manifest",
    "ManifestFile",
    "StoreSettings",
    "artifact_key",
    "bundle_key",
    "open_store",
    "refresh",
    "scratch_folder",
    "sweep",
]

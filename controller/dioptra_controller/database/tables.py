"""Every table of the controller: importing this module fills `METADATA`."""

from dioptra_controller.database import job_tables, registry_tables
from dioptra_controller.database.metadata import METADATA

__all__ = ["METADATA", "job_tables", "registry_tables"]

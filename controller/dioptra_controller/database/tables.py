"""Every table of the controller: importing this module fills `METADATA`."""

from dioptra_controller.database import access_tables, job_tables, registry_tables
from dioptra_controller.database.metadata import METADATA

__all__ = ["METADATA", "access_tables", "job_tables", "registry_tables"]

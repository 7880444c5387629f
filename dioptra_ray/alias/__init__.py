"""The names under which unmodified Dioptra plugins import us.

Plugins say `from dioptra import pyplugs`. `install` makes such imports lead here, whether
or not Dioptra is installed beside us; whatever we do not serve is left to the installed one.
"""

from dioptra_ray.alias.finder import install, search_path

__all__ = ["install", "search_path"]

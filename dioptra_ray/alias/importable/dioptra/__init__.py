"""Dioptra's package for processes that plugins start, which lack our import hook.

Its folder is handed down to them by `sys.path` or PYTHONPATH. Importing it installs the
hook, which then serves the import that was asked for.
"""

import sys
from importlib import import_module

from dioptra_ray import alias

alias.install()
del sys.modules[__name__]
import_module(__name__)

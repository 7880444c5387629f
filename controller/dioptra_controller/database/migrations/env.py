"""Alembic's own entry, for `alembic` commands of developers; the controller uses migrate.py."""

"""Runs jobs on a Ray cluster: the runner drives it, stages run inside its workers."""

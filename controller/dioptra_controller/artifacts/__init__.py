"""Stored outputs of jobs: their rows, and the way of their bytes to and from the store."""

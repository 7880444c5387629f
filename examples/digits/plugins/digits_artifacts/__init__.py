"""Artifact tasks: objects to files and back."""

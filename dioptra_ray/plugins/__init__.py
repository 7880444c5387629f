"""Plugins as code: their signatures, their bundles, and their activation in a process."""

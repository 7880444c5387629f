"""Evasion attacks on image classifiers, in plain torch."""

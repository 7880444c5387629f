"""Scikit-learn's bundled handwritten digits, split and scaled."""

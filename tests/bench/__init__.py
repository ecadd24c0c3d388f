"""Measures the estate, each figure beside the limit that the same machine sets at the same time."""

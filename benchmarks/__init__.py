"""Measurements: ratios of contenders in one run."""

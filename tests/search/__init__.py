"""Tests of `search`, a file per module."""

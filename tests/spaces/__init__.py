"""Tests of `spaces`, one file per module."""

"""Tests of the package `trainables`."""

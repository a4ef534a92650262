"""Tests, laid out as the code is: tests/<package>/test_<module>.py."""

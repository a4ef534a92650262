"""The front door: the `cytosweep` command."""

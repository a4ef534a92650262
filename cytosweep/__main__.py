"""`python -m cytosweep`: the command where no script is on the path."""

from cytosweep.app import main

main()

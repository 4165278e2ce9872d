"""`python -m holdfast` is the command line too."""

from holdfast.cli import main

main()

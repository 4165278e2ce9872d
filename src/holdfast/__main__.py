"""`python -m holdfast` is the command line too."""

from holdfast.cli import run

run()

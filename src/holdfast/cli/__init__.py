"""The command line: parse, call one function in `workflows`, print."""


def main() -> None:
    """Run the command line."""

"""The training loop, plain and whole."""

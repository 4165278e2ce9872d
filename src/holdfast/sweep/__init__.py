"""Sweeps: come with a later issue; their place in the layers is kept."""

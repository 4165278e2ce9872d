"""Drift: comes with a later issue; its place in the layers is kept."""

"""Runs: folders of plain files that can be read while they grow."""

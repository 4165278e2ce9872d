"""Measurements: ratios, fault counts, and the five systems on real data."""

"""Holdfast takes a classifier from a folder of labelled files to a monitored API."""

__version__ = "0.1.0"

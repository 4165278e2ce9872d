"""Predictions: the engine, and the HTTP API over it."""

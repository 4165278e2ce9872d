"""Versions, aliases behind gates, and an audit log, in plain files."""

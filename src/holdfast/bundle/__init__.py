"""The border between training and serving: what a run exports."""

"""What everything else stands on: errors, files, locks, references, the workspace, progress."""

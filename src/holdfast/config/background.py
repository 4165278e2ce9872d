"""The dials of work that goes on beside the requests of people."""

from holdfast.config.prepare import Count, Positive, Settings


class BulkConfig(Settings):
    """Many items in one request, answered line by line as they are done."""

    items: Count = 10_000
    """Most items in one request to `/batch`."""
    at_once: Count = 4
    """Such requests at the same time; more are sent away with 503."""


class JobConfig(Settings):
    """Work that is asked for now and fetched later, such as long recordings."""

    max_mb: Positive = 200.0
    """Largest upload of a job."""
    max_s: Positive = 4 * 3600.0
    """Longest recording in seconds; it is decoded in pieces, so that its length needs no memory."""
    room_mb: Positive = 400.0
    """Uploads and results of all jobs together, which are in memory only."""
    most: Count = 32
    """Jobs that wait or run at the same time; more are sent away with 503."""
    at_once: Count = 2
    """Jobs that run at the same time."""
    most_kept: Count = 1000
    """Results that are kept at the same time; those that were fetched make room for others."""
    keep_s: Positive = 3600.0
    """Seconds after which a result is forgotten."""

"""Addresses as they may be shown and stored: without what opens them."""

import re

_BEFORE_AT = re.compile(r"://[^\s'\"]*@")
_IN_QUERY = re.compile(r"([?&;][^=&;\s]*(?:pass|token|key|secret|sig)[^=&;\s]*=)[^&;\s'\"]+", re.IGNORECASE)


def masked(text: str) -> str:
    """A text in which names, passwords and tokens within addresses are replaced by ***.

    Rather too much is hidden than too little: a password may hold a slash or an @.

    >>> masked("cannot reach postgresql://ann:s3/cr@t@db.example/mlflow")
    'cannot reach postgresql://***@db.example/mlflow'
    >>> masked("https://example.org/?user=ann&api_key=s3cret")
    'https://example.org/?user=ann&api_key=***'
    """
    return _IN_QUERY.sub(r"\1***", _BEFORE_AT.sub("://***@", text))

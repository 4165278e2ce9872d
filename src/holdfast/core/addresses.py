"""Addresses as they may be shown and stored: without what opens them."""

import re
from urllib.parse import urlsplit

_BEFORE_AT = re.compile(r"://[^\s'\"]*@")
_IN_QUERY = re.compile(r"([?&;][^=&;\s]*(?:pass|token|key|secret|sig)[^=&;\s]*=)[^&;\s'\"]+", re.IGNORECASE)
_STORES = re.compile(r"(file|sqlite|mysql|mssql|postgresql)(\+\w+)?:|databricks(:|$)")


def is_place(text: str) -> bool:
    """Whether a text is the address of a server or a database, or the path of a folder, as MLflow takes them.

    >>> [is_place(text) for text in ("http://127.0.0.1:5000", "./mlruns", "notaurl", "http:/oops")]
    [True, True, False, False]
    """
    try:
        address = urlsplit(text)
    except ValueError:  # half an IPv6 address
        return False
    if address.scheme in ("http", "https"):
        return address.hostname is not None
    if _STORES.match(text):
        return True
    return "://" not in text and ("/" in text or "\\" in text)


def masked(text: str) -> str:
    """A text in which names, passwords and tokens within addresses are replaced by ***.

    Rather too much is hidden than too little: a password may hold a slash or an @.

    >>> masked("cannot reach postgresql://ann:s3/cr@t@db.example/mlflow")
    'cannot reach postgresql://***@db.example/mlflow'
    >>> masked("https://example.org/?user=ann&api_key=s3cret")
    'https://example.org/?user=ann&api_key=***'
    """
    return _IN_QUERY.sub(r"\1***", _BEFORE_AT.sub("://***@", text))

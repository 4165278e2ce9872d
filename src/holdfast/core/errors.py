"""What can be wrong with what people hand us: files, settings, names, requests.

HoldfastError
├── ConfigError      a setting, a recipe or a file of settings
├── DataError        a source of data or a dataset version
│   └── InputError   one sample that cannot be decoded: quarantined on ingest, a 4xx in serving
├── RefError         a name, version or alias that does not exist or is not well formed
├── BundleError      a bundle that is damaged, incomplete or of an unknown protocol
├── GateError        a model that may not take an alias
├── ServerError      a server that cannot be reached, or refuses a request
└── TeamError        a training whose processes lost each other: it can be taken up again
"""

from collections.abc import Sequence


class HoldfastError(Exception):
    """Says what is wrong, with the value, and what to do next.

    >>> print(HoldfastError("no dataset 'brids'", hint="did you mean 'birds'?"))
    no dataset 'brids'
    hint: did you mean 'birds'?
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message


class ConfigError(HoldfastError):
    """A setting, a recipe or a file of settings is wrong."""


class DataError(HoldfastError):
    """A source of data or a dataset version is wrong."""


class InputError(DataError):
    """One sample cannot be decoded."""


class RefError(HoldfastError):
    """A name, version or alias does not exist or is not well formed."""


class BundleError(HoldfastError):
    """A bundle is damaged, incomplete or of a protocol that this release does not read."""


class GateError(HoldfastError):
    """A model did not show what its alias asks for."""


class TeamError(HoldfastError):
    """The processes that train together lost each other; the run can be taken up again."""


class ServerError(HoldfastError):
    """A server cannot be reached, or refuses a request.

    Attributes:
        status: of HTTP; None where there was no answer.
        retry_s: seconds after which the server asks to be tried again.
        may_pass: whether another try may help.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        status: int | None = None,
        retry_s: float | None = None,
        may_pass: bool = False,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status, self.retry_s, self.may_pass = status, retry_s, may_pass


def listed(title: str, problems: Sequence[str]) -> str:
    """One message for all problems, so that nobody mends a file one error at a time.

    >>> print(listed("bad.yaml", ["epochs: expected a whole number, got 'ten'"]))
    bad.yaml has 1 problem:
      epochs: expected a whole number, got 'ten'
    """
    count = f"{len(problems)} problem" + ("" if len(problems) == 1 else "s")
    return "\n".join([f"{title} has {count}:", *(f"  {problem}" for problem in problems)])

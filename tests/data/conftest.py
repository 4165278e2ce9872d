"""Object stores on this machine, one of each for the tests of a file."""

from collections.abc import Iterator

import pytest

from holdfast.testing.proxy import Proxy
from tests.servers import gcs_server, s3_server


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as it:
        yield it


@pytest.fixture(scope="module")
def s3(patch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    with s3_server(patch) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def gcs(patch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    with gcs_server(patch) as proxy:
        yield proxy

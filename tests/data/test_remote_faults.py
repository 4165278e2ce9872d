"""A remote that is busy, broken or closed: what may pass is tried again, the rest told so that it helps."""

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from pathlib import Path

import pytest

from holdfast.core.errors import DataError
from holdfast.core.refs import parse_ref
from holdfast.data import open_version, versions_of
from holdfast.data.pull import pull
from holdfast.data.push import push
from holdfast.data.remote import open_remote
from holdfast.data.remote_faults import retrying
from holdfast.testing.proxy import Fault, Proxy
from tests.servers import BUCKET, SECRET, store

SEA = parse_ref("sea")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait as often, but not as long."""
    import asyncio

    sleep = asyncio.sleep
    monkeypatch.setattr("holdfast.data.remote_faults._LONGEST_WAIT_S", 0.01)
    monkeypatch.setattr(asyncio, "sleep", lambda seconds, *rest: sleep(min(seconds, 0.01), *rest))


@pytest.fixture
def s3(s3: Proxy) -> Iterator[Proxy]:
    s3.seen.clear()
    yield s3
    s3.faults.clear()


@pytest.fixture
def gcs(gcs: Proxy) -> Iterator[Proxy]:
    gcs.seen.clear()
    yield gcs
    gcs.faults.clear()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return store(tmp_path / "here")


@pytest.fixture
def where(tmp_path: Path) -> str:
    return f"s3://{BUCKET}/{tmp_path.name}"


def passing() -> list[Fault]:
    return [
        Fault("PUT", r"shards/", status=503, times=2).of_s3("SlowDown", "Please reduce your request rate."),
        Fault("PUT", r"samples\.parquet", status=500, times=2).of_s3("InternalError"),
        Fault("GET", r"list-type", status=429, times=1).of_s3("TooManyRequests"),
        Fault("GET", r"shards/", cut=1000, times=2),
        Fault("GET", r"samples\.parquet", cut=10, times=2),
        Fault("PUT", r"version\.json", lost=True, times=1),
        Fault("PUT", r"shards/", lost=True, times=1),
    ]


def test_faults_of_s3_that_pass_are_tried_again(s3: Proxy, root: Path, where: str, tmp_path: Path) -> None:
    s3.faults += passing()

    push(root, SEA, where)
    pull(tmp_path / "home", SEA, where)

    assert [fault.times for fault in s3.faults] == [0] * 7
    with open_version(tmp_path / "home", SEA) as there, open_version(root, SEA) as here:
        assert [there.read(i) for i in range(len(there))] == [here.read(i) for i in range(len(here))]


def test_faults_of_google_cloud_that_pass_are_tried_again(gcs: Proxy, root: Path, tmp_path: Path) -> None:
    gcs.faults += [
        Fault("POST", "/upload/", status=503, body=b"{}", times=2),
        Fault("POST", "/upload/", status=429, body=b"{}", times=1),
        Fault("GET", r"shards", cut=100, times=1),
        Fault("POST", "/upload/.*ifGeneration", lost=True, times=1),
    ]
    where = f"gs://{BUCKET}/{tmp_path.name}"

    push(root, SEA, where)
    pull(tmp_path / "home", SEA, where)

    assert [fault.times for fault in gcs.faults] == [0] * 4
    assert versions_of(tmp_path / "home", "sea") == [1]


def test_a_lazy_version_survives_faults_that_pass(s3: Proxy, root: Path, where: str, tmp_path: Path) -> None:
    push(root, SEA, where)
    pull(tmp_path / "home", SEA, where, lazy=True)
    s3.faults += [
        Fault("GET", "shards/", status=503, times=1).of_s3("SlowDown"),
        Fault("GET", "shards/", cut=100, times=2),
    ]

    with open_version(tmp_path / "home", SEA) as version:
        assert len(version.read(0)) > 0

    assert [fault.times for fault in s3.faults] == [0, 0]


def test_a_fault_that_stays_ends_after_some_tries(s3: Proxy, root: Path, where: str) -> None:
    s3.faults.append(Fault("PUT", "shards/", status=503).of_s3("SlowDown"))

    with pytest.raises(
        DataError, match=r"writing s3://.*: no good answer in 6 tries \(the last: SlowDown\)"
    ) as told:
        push(root, SEA, where)

    assert s3.count("PUT", "shards/") == 6
    assert "run it again later" in str(told.value.hint)


def test_nothing_is_visible_before_all_shards_are_there(
    s3: Proxy, root: Path, where: str, tmp_path: Path
) -> None:
    s3.faults.append(Fault("PUT", "shards/", status=403).of_s3("AccessDenied"))

    with pytest.raises(DataError):
        push(root, SEA, where)

    assert s3.count("PUT", "versions/") == 0


FINAL = {
    "expired": (Fault(status=400).of_s3("ExpiredToken"), "the credentials have expired", "aws sso login"),
    "wrong key": (
        Fault(status=403).of_s3("InvalidAccessKeyId"),
        "are not accepted",
        "aws sts get-caller-identity",
    ),
    "no list": (
        Fault("GET", "list-type", status=403).of_s3("AccessDenied"),
        "listing s3://.*: permission is missing: s3:ListBucket",
        "a policy or role that allows s3:ListBucket",
    ),
    "no read": (
        Fault("GET", "version.json", status=403).of_s3("AccessDenied"),
        "reading s3://.*: permission is missing: s3:GetObject",
        "a policy or role that allows s3:GetObject",
    ),
    "no write": (
        Fault("PUT", status=403).of_s3("AccessDenied"),
        "writing s3://.*: permission is missing: s3:PutObject",
        "a policy or role that allows s3:PutObject",
    ),
    "region": (
        Fault(status=301, headers={"x-amz-bucket-region": "eu-west-1"}).of_s3("PermanentRedirect"),
        "the bucket is in region eu-west-1",
        "set AWS_REGION=eu-west-1",
    ),
    "malformed": (
        Fault(status=400, headers={"x-amz-bucket-region": "eu-west-1"}).of_s3("AuthorizationHeaderMalformed"),
        "the bucket is in region eu-west-1",
        "set AWS_REGION=eu-west-1",
    ),
    "clock": (
        Fault(status=403, headers={"Date": formatdate(time.time() - 3600)}).of_s3("RequestTimeTooSkewed"),
        "the clock of this machine is wrong: it is 6. minutes ahead of the store's",
        "timedatectl",
    ),
    "bucket": (Fault(status=404).of_s3("NoSuchBucket"), f"there is no bucket '{BUCKET}'", "aws s3 mb"),
}


@pytest.mark.parametrize("name", FINAL)
def test_a_fault_of_s3_that_stays_says_what_to_do(
    name: str, s3: Proxy, root: Path, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    fault, message, hint = FINAL[name]
    s3.faults.append(fault)

    with pytest.raises(DataError, match=message) as told:
        push(root, SEA, where)

    assert hint in str(told.value.hint)
    assert SECRET not in str(told.value) + caplog.text


def test_a_missing_bucket_of_s3_is_told(s3: Proxy, root: Path) -> None:
    with pytest.raises(DataError, match="there is no bucket 'no-such-bucket'") as told:
        push(root, SEA, "s3://no-such-bucket/x")

    assert "aws s3 mb s3://no-such-bucket" in str(told.value.hint)


def test_missing_credentials_of_s3_are_told(
    s3: Proxy, root: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)

    with pytest.raises(DataError, match="there are no credentials that work") as told:
        push(root, SEA, where)

    assert "aws sso login" in str(told.value.hint)


def _raised(name: str) -> Exception:
    import botocore.exceptions
    import google.auth.exceptions

    return {
        "sso": botocore.exceptions.UnauthorizedSSOTokenError(),
        "sso file": botocore.exceptions.SSOTokenLoadError(error_msg="gone"),
        "profile": botocore.exceptions.ProfileNotFound(profile="team"),
        "default": google.auth.exceptions.DefaultCredentialsError("none"),
        "refresh": google.auth.exceptions.RefreshError("stale"),
    }[name]


@pytest.mark.parametrize(
    ("name", "uri", "message", "hint"),
    [
        ("sso", "s3://b/x", "the credentials have expired", "aws sso login"),
        ("sso file", "s3://b/x", "the credentials have expired", "aws sso login"),
        ("profile", "s3://b/x", "there are no credentials that work", "set AWS_PROFILE"),
        (
            "default",
            "gs://b/x",
            "there are no credentials that work",
            "gcloud auth application-default login",
        ),
        (
            "refresh",
            "gs://b/x",
            "there are no credentials that work",
            "gcloud auth application-default login",
        ),
    ],
)
def test_a_login_that_fails_on_this_machine_is_told(name: str, uri: str, message: str, hint: str) -> None:
    def fail() -> None:
        raise _raised(name)

    with pytest.raises(DataError, match=message) as told:
        retrying(fail, uri=uri, doing="reading")

    assert hint in str(told.value.hint)


def test_of_several_who_push_at_the_same_moment_one_wins(s3: Proxy, where: str, tmp_path: Path) -> None:
    roots = [store(tmp_path / str(seed), seed=seed) for seed in range(3)]
    together = threading.Barrier(3)

    def go(root: Path) -> str:
        together.wait()
        try:
            return "won" if push(root, SEA, where).new else "same"
        except DataError as error:
            return "taken" if "another sea@1" in error.message else error.message

    with ThreadPoolExecutor(3) as pool:
        ends = list(pool.map(go, roots))
    pull(tmp_path / "home", SEA, where)

    assert sorted(ends) == ["taken", "taken", "won"]
    with open_version(tmp_path / "home", SEA) as there, open_version(roots[ends.index("won")], SEA) as here:
        assert there.info.fingerprint == here.info.fingerprint
        assert all(there.read(index) for index in range(len(there)))


def test_an_unknown_fault_is_told_without_secrets(s3: Proxy, root: Path, where: str) -> None:
    s3.faults.append(Fault(status=400).of_s3("Strange", f"you sent {SECRET}"))

    with pytest.raises(DataError, match=r"Strange you sent \*\*\*"):
        push(root, SEA, where)


def test_a_server_that_is_not_there_is_told(
    root: Path, where: str, monkeypatch: pytest.MonkeyPatch, s3: Proxy
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    with pytest.raises(DataError, match="no good answer in 6 tries"):
        push(root, SEA, where)


@pytest.mark.parametrize(
    ("fault", "message", "hint"),
    [
        (
            Fault(status=401, body=b'{"error": {"message": "Login Required"}}'),
            "have expired",
            "application-default",
        ),
        (
            Fault(status=401, body=b'{"error": {"message": "Anonymous caller does not have access"}}'),
            "there are no credentials",
            "application-default",
        ),
        (Fault("GET", status=403, body=b"{}"), "permission is missing: storage.objects", "storage.objects."),
        (
            Fault("POST", status=403, body=b"{}"),
            "permission is missing: storage.objects.create",
            "objects.create",
        ),
    ],
)
def test_a_fault_of_google_cloud_that_stays_says_what_to_do(
    fault: Fault, message: str, hint: str, gcs: Proxy, root: Path, tmp_path: Path
) -> None:
    gcs.faults.append(fault)

    with pytest.raises(DataError, match=message) as told:
        push(root, SEA, f"gs://{BUCKET}/{tmp_path.name}")

    assert hint in str(told.value.hint)


def test_a_missing_bucket_of_google_cloud_is_told(gcs: Proxy, root: Path) -> None:
    with pytest.raises(DataError, match="there is no bucket 'no-such-bucket'"):
        push(root, SEA, "gs://no-such-bucket/x")


def test_of_two_who_push_the_same_number_at_once_one_is_refused(
    s3: Proxy, root: Path, where: str, tmp_path: Path
) -> None:
    """The other's manifest arrives after we looked, and before ours."""
    other = store(tmp_path / "other", seed=1)
    remote = open_remote(where)
    folder = other / "sea/versions/1"
    remote.put_version("sea/versions/1", {"samples.parquet": folder / "samples.parquet"})

    with pytest.raises(DataError, match="another sea@1 is being pushed there") as told:
        push(root, SEA, where)
    push(other, SEA, where)

    assert "run that push again where it began" in str(told.value.hint)
    with pytest.raises(DataError, match="has another sea@1 than this workspace"):
        push(root, SEA, where)

"""Sources elsewhere are ingested as if they were here."""

import functools
import http.server
import json
import shutil
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.core.errors import DataError
from holdfast.core.refs import parse_ref
from holdfast.data import SourceOptions, VersionInfo, ingest, open_version, read_quarantine
from holdfast.data.fetch import open_any
from holdfast.modality import probe
from holdfast.testing.proxy import Fault, Proxy, faulty
from holdfast.testing.toys import write_attributes, write_images, write_texts
from tests.servers import BUCKET, SECRET, hub_server, put_files


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as it:
        it.setattr("holdfast.data.remote_faults._LONGEST_WAIT_S", 0.01)
        yield it


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Proxy]]:
    """A folder, and a server that lists it."""
    folder = tmp_path_factory.mktemp("web")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    with faulty(f"http://127.0.0.1:{server.server_port}") as proxy:
        yield folder, proxy
    server.shutdown()
    server.server_close()


def add(source: str | Path, root: Path, name: str = "it", **options: object) -> VersionInfo:
    return ingest(source, root, name, options=SourceOptions(**options), probe=probe)  # type: ignore[arg-type]


def put(where: str, folder: Path, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """Bring a folder to a kind of place; its address there."""
    if where == "http":
        root, proxy = request.getfixturevalue("web")
        shutil.copytree(folder, root / tmp_path.name)
        return f"{proxy.url}/{tmp_path.name}/"
    proxy = request.getfixturevalue({"s3": "s3", "gs": "gcs"}[where])
    address = f"{where}://{BUCKET}/{tmp_path.name}"
    put_files(address, folder)
    proxy.seen.clear()
    return address


@pytest.fixture(params=["s3", "gs", "http"])
def where(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_folder_of_classes_elsewhere_is_as_one_here(
    where: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    shapes = write_images(tmp_path / "shapes", per_class=6)
    address = put(where, shapes, tmp_path, request)

    there, here = add(address, tmp_path / "a"), add(shapes, tmp_path / "b")

    assert (there.fingerprint, there.samples, there.labels) == (here.fingerprint, 12, ("disc", "square"))


def test_a_table_beside_files_elsewhere_names_them(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    colours = write_attributes(tmp_path / "colours", samples=12)
    table = next(path.name for path in colours.iterdir() if path.suffix == ".csv")
    address = put("s3", colours, tmp_path, request)

    there, here = add(f"{address}/{table}", tmp_path / "a"), add(colours / table, tmp_path / "b")

    assert (there.task, there.fingerprint) == ("multi", here.fingerprint)


@pytest.mark.parametrize("kind", ["s3", "http"])
def test_one_table_of_texts_elsewhere_is_read(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    table = write_texts(tmp_path / "words/words.csv", per_class=10)
    address = put(kind, table.parent, tmp_path, request).rstrip("/")

    assert add(f"{address}/words.csv", tmp_path / "a").fingerprint == add(table, tmp_path / "b").fingerprint


@pytest.mark.parametrize("kind", ["s3", "http"])
def test_an_archive_elsewhere_is_read(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    shapes = write_images(tmp_path / "shapes", per_class=5)
    (tmp_path / "packed").mkdir()
    shutil.make_archive(str(tmp_path / "packed/shapes"), "zip", shapes)
    address = put(kind, tmp_path / "packed", tmp_path, request).rstrip("/")

    there = add(f"{address}/shapes.zip", tmp_path / "a")

    assert there.fingerprint == add(shapes, tmp_path / "b").fingerprint


def test_a_zip_bomb_elsewhere_is_refused(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    (tmp_path / "packed").mkdir()
    with zipfile.ZipFile(tmp_path / "packed/bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/1.png", bytes(64))
        archive.infolist()[0].file_size = 2**40  # what it says it would unpack to
    address = put("s3", tmp_path / "packed", tmp_path, request)

    with pytest.raises(DataError, match=r"'bomb\.zip' holds .* but would unpack to"):
        add(f"{address}/bomb.zip", tmp_path / "a")


def test_each_file_is_fetched_once_and_never_again(
    tmp_path: Path, request: pytest.FixtureRequest, s3: Proxy
) -> None:
    shapes = write_images(tmp_path / "shapes", per_class=10)
    address = put("s3", shapes, tmp_path, request)

    add(address, tmp_path / "a")
    first = s3.count("GET", "png")
    add(address, tmp_path / "a")

    assert first == 20


def test_many_files_are_on_their_way_at_once(
    tmp_path: Path, request: pytest.FixtureRequest, s3: Proxy
) -> None:
    shapes = write_images(tmp_path / "shapes", per_class=25)
    address = put("s3", shapes, tmp_path, request)
    s3.faults.append(Fault("GET", "png", wait_s=0.05))
    s3.peak = 0

    with open_any(address) as source:
        for name in source.names:  # one thread reads
            source.read(name)
    s3.faults.clear()

    assert s3.peak >= 6
    assert s3.count("GET", "png") == 50


def test_faults_that_pass_are_survived(tmp_path: Path, request: pytest.FixtureRequest, s3: Proxy) -> None:
    shapes = write_images(tmp_path / "shapes", per_class=4)
    address = put("s3", shapes, tmp_path, request)
    s3.faults += [
        Fault("GET", "disc", status=503, times=2).of_s3("SlowDown"),
        Fault("GET", "square", cut=20, times=2),
    ]

    info = add(address, tmp_path / "a")
    left = [fault.times for fault in s3.faults]
    s3.faults.clear()

    assert (info.samples, info.quarantined, left) == (8, 0, [0, 0])


def test_a_permission_that_is_missing_ends_it_and_is_named(
    tmp_path: Path, request: pytest.FixtureRequest, s3: Proxy
) -> None:
    shapes = write_images(tmp_path / "shapes", per_class=4)
    address = put("s3", shapes, tmp_path, request)
    s3.faults.append(Fault("GET", "png", status=403).of_s3("AccessDenied"))

    with pytest.raises(DataError, match="permission is missing: s3:GetObject"):
        add(address, tmp_path / "a")
    s3.faults.clear()


def test_a_file_that_vanishes_is_quarantined(
    tmp_path: Path, request: pytest.FixtureRequest, s3: Proxy
) -> None:
    shapes = write_images(tmp_path / "shapes", per_class=4)
    address = put("s3", shapes, tmp_path, request)
    s3.faults.append(Fault("GET", r"disc%20%282%29", status=404).of_s3("NoSuchKey"))

    add(address, tmp_path / "a")
    s3.faults.clear()

    assert [item.reason for item in read_quarantine(tmp_path / "a", parse_ref("it"))] == [
        "cannot be read: it is not there any more"
    ]


def test_a_file_over_the_limit_is_not_fetched(
    tmp_path: Path, request: pytest.FixtureRequest, s3: Proxy
) -> None:
    shapes = write_images(tmp_path / "shapes", per_class=2)
    address = put("s3", shapes, tmp_path, request)

    with open_any(address) as source, pytest.raises(DataError, match="larger than"):
        source.read(source.names[0], limit=10)

    assert s3.count("GET", "png") == 0


def test_an_address_without_files_is_told(where: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    (tmp_path / "empty").mkdir()
    address = put(where, tmp_path / "empty", tmp_path, request)

    with pytest.raises(DataError, match=r"lists no files|there are no files"):
        add(address, tmp_path / "a")


def test_a_web_address_that_is_not_there_is_told(web: tuple[Path, Proxy], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is nothing at http"):
        add(f"{web[1].url}/nowhere/", tmp_path)
    with pytest.raises(DataError, match=r"there is no http.*gone\.zip"):
        add(f"{web[1].url}/gone.zip", tmp_path)


def test_what_opens_an_address_is_not_stored(web: tuple[Path, Proxy], tmp_path: Path) -> None:
    write_texts(web[0] / "secret.csv", per_class=10)

    info = add(f"{web[1].url}/secret.csv?token={SECRET}", tmp_path)

    assert SECRET not in json.dumps(info.to_json())
    assert web[1].count("GET", f"token={SECRET}") >= 1


def test_an_unknown_address_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'ftp://host/x' is no address that samples can be read from"):
        add("ftp://host/x", tmp_path)


GOLDEN = Path(__file__).parents[1] / "golden/hugging"
"""Written by `datasets` 5.2: pictures in two splits, texts one of which has no label, pictures with tags."""


def test_a_hugging_face_dataset_keeps_its_classes_and_splits(tmp_path: Path) -> None:
    info = add(GOLDEN / "pictures", tmp_path)

    assert (info.modality, info.labels, info.splits["test"]) == ("image", ("cat", "dog"), 4)
    with open_version(tmp_path, parse_ref("it")) as version:
        assert set(version.metadata["camera"]) == {"c0", "c1", "c2"}
        assert all(version.read(index).startswith(b"\x89PNG") for index in range(12))


def test_a_dataset_of_the_hub_is_fetched_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(GOLDEN / "many", tmp_path / "hub/ann/tagged")
    write_images(tmp_path / "hub/ann/shapes", per_class=6)

    with hub_server(monkeypatch, tmp_path / "hub"):
        tagged = add("hf://datasets/ann/tagged", tmp_path / "a", "tagged")
        shapes = add("hf://datasets/ann/shapes", tmp_path / "a", "shapes")
        with pytest.raises(DataError, match="there is no hf://datasets/ann/nothing on the hub") as told:
            add("hf://datasets/ann/nothing", tmp_path / "a", "nothing")

    assert (tagged.task, tagged.samples) == ("multi", 6)
    assert shapes.fingerprint == add(tmp_path / "hub/ann/shapes", tmp_path / "b").fingerprint
    assert "hf auth login" in str(told.value.hint)


def test_a_row_without_a_class_is_quarantined(tmp_path: Path) -> None:
    info = add(GOLDEN / "texts", tmp_path)

    assert (info.modality, info.labels, info.samples) == ("text", ("neg", "pos"), 11)
    assert [item.reason for item in read_quarantine(tmp_path, parse_ref("it"))] == ["no label"]


def test_a_list_of_classes_is_many_labels(tmp_path: Path) -> None:
    info = add(GOLDEN / "many", tmp_path)

    assert (info.task, info.labels, info.samples) == ("multi", ("red", "round"), 6)


def test_a_row_cannot_name_files_elsewhere_on_this_machine(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    secret = tmp_path / "secret.png"
    shutil.copy(next((write_images(tmp_path / "shapes") / "disc").iterdir()), secret)
    files = [{"bytes": None, "path": str(secret)}, {"bytes": secret.read_bytes(), "path": "a.png"}] * 2
    told = {
        "info": {
            "features": {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["a", "b"]}}
        }
    }
    table = pyarrow.table({"image": files, "label": [0, 0, 1, 1]})
    (tmp_path / "set").mkdir()
    parquet.write_table(
        table.replace_schema_metadata({"huggingface": json.dumps(told)}), tmp_path / "set/train.parquet"
    )

    info = add(tmp_path / "set", tmp_path / "root")

    assert (info.samples, info.quarantined) == (2, 2)


def test_a_damaged_part_is_told(tmp_path: Path) -> None:
    shutil.copytree(GOLDEN / "texts", tmp_path / "texts")
    part = tmp_path / "texts/data-00000-of-00001.arrow"
    part.write_bytes(part.read_bytes()[:200])

    with pytest.raises(DataError, match=r"arrow is damaged"):
        add(tmp_path / "texts", tmp_path / "root")

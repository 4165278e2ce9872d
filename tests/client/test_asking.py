"""The client against a real server."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

import holdfast
from holdfast import Client
from holdfast.client import Failure, Job, Prediction
from holdfast.client.results import read_prediction
from holdfast.core.errors import ServerError
from holdfast.core.media import Modality
from holdfast.serve.engine import Engine
from holdfast.serve.keys import new_key, write_keys
from holdfast.testing.bundles import toy_item
from tests.client.conftest import Serve

Engines = Callable[[Modality], Engine]


def files(folder: Path, count: int) -> list[Path]:
    made = [folder / f"{number}.png" for number in range(count)]
    for number, path in enumerate(made):
        path.write_bytes(toy_item("image", number))
    return made


def test_a_file_its_bytes_and_its_path_have_one_answer(
    serve: Serve, engines: Engines, tmp_path: Path
) -> None:
    (path,) = files(tmp_path, 1)
    expected = engines("image").predict([path.read_bytes()]).probabilities[0]

    with serve() as client:
        found = [client.predict(it) for it in (path, str(path), path.read_bytes())]

    assert [it.name for it in found] == ["0.png", "0.png", None]
    for it in found:
        assert list(it.probabilities.values()) == pytest.approx(expected, abs=1e-6)
        assert it.label == engines("image").labels_of(expected[None])[0][0]
        assert it.probability == pytest.approx(expected.max(), abs=1e-6)
        assert it.model == "toys@3"
    assert len({it.id for it in found}) == 3


def test_to_a_model_of_texts_a_string_is_a_text_and_a_path_a_file(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("the sea")

    with serve("text") as client:
        text, file = client.predict("the sea"), client.predict(tmp_path / "a.txt")

    assert text.probabilities == file.probabilities
    assert (text.name, file.name) == (None, "a.txt")


def test_a_list_of_any_length_has_answers_in_its_order(
    serve: Serve, engines: Engines, tmp_path: Path
) -> None:
    paths = files(tmp_path, 100)
    expected = engines("image").predict([path.read_bytes() for path in paths]).probabilities

    with serve() as client:
        found = client.predict(paths, top=2)

    assert [it.name for it in found] == [path.name for path in paths]
    assert {len(it.probabilities) for it in found} == {2}
    assert [it.label for it in found] == [it[0] for it in engines("image").labels_of(expected)]


def test_of_many_items_the_bad_ones_are_told_and_the_others_answered(serve: Serve, tmp_path: Path) -> None:
    good = files(tmp_path, 40)
    (half := tmp_path / "half.png").write_bytes(good[0].read_bytes()[:60])
    (large := tmp_path / "large.png").write_bytes(bytes(200_000))
    items = [*good[:20], half, tmp_path / "missing.png", large, *good[20:]]

    with serve(max_mb=0.1) as client:
        found = list(client.predict_each(items))
        with pytest.raises(ServerError, match=r"3 of 43 items have no prediction: half.png: .*missing.png"):
            client.predict(items)

    assert [isinstance(it, Failure) for it in found] == [False] * 20 + [True] * 3 + [False] * 20
    failures = [it for it in found if isinstance(it, Failure)]
    assert [it.name for it in failures] == ["half.png", "missing.png", "large.png"]
    assert "larger than the 0.1 MB" in failures[2].error


def test_what_the_server_refuses_is_said_in_its_words(serve: Serve, tmp_path: Path) -> None:
    with serve() as client:
        with pytest.raises(ServerError, match="not an image") as caught:
            client.predict(b"no picture")
        with pytest.raises(FileNotFoundError):
            client.predict(tmp_path / "missing.png")

    assert caught.value.status == 422
    assert caught.value.hint


def test_info_and_readiness(serve: Serve) -> None:
    with serve() as client:
        info = client.info()
        assert client.ready()
    assert not client.ready(wait_s=0.1)

    assert info.model == "toys@3"
    assert info.labels == ("heron", "gull", "owl")
    assert (info.modality, info.task, info.max_files) == ("image", "single", 64)
    assert info.max_bytes == 25_000_000
    assert info.whole["digest"]


def test_one_of_several_models_has_a_name(serve: Serve) -> None:
    with serve() as client:
        url = client._server.url
        with Client(url, model="toys@3") as named, Client(url, model="ducks") as other:
            item = toy_item("image")
            assert named.predict(item).label == client.predict(item).label
            assert len(named.predict([item, item])) == 2
            with pytest.raises(ServerError, match="no model 'ducks'"):
                other.predict(item)


def recording(seconds: float) -> bytes:
    file = io.BytesIO()
    sound = np.sin(np.arange(round(seconds * 1000)) / 3).astype(np.float32)
    soundfile.write(file, sound, 1000, format="FLAC")
    return file.getvalue()


def test_a_job_waits_for_its_answer_and_leaves_nothing_behind(serve: Serve, tmp_path: Path) -> None:
    (path := tmp_path / "long.flac").write_bytes(recording(1900))
    seen: list[Job] = []

    with serve("audio") as client:
        found = client.job(path, top=1, on_progress=seen.append)
        with pytest.raises(ServerError, match="no job"):
            client.find_job(seen[-1].id)
        with pytest.raises(ServerError, match="not a recording"):
            client.job(b"nothing")

    assert found.name == "long.flac"
    assert len(found.windows) == 7599
    assert found.windows[-1].end_s == 1900.0
    assert seen[-1].state == "done"
    assert seen[-1].progress == 1.0


def test_the_true_label_can_be_told(serve: Serve, tmp_path: Path) -> None:
    with serve(journal={"where": str(tmp_path / "journal")}) as client:
        found = client.predict(toy_item("image"))
        assert found.id
        client.feedback(found.id, "gull")
        client.feedback(found.id, None)
        with pytest.raises(ServerError, match="did you mean 'gull'"):
            client.feedback(found.id, "gul")
    with serve() as client, pytest.raises(ServerError, match="/feedback"):
        client.feedback(found.id, "gull")


def test_the_key_comes_from_the_argument_or_the_environment(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, kept = new_key("ann")
    write_keys(tmp_path / "keys.json", [kept])

    with serve(keys=str(tmp_path / "keys.json"), key=secret) as client:
        url = client._server.url
        assert client.predict(toy_item("image")).label
        assert secret not in repr(client) + repr(client.info())
        with pytest.raises(ServerError) as caught:
            Client(url).info()
        assert caught.value.status == 401
        monkeypatch.setenv("HOLDFAST_API_KEY", secret)
        assert Client(url).info().model == "toys@3"


def test_rates_are_kept_to(serve: Serve, tmp_path: Path) -> None:
    secret, kept = new_key("ann", rate=5)
    write_keys(tmp_path / "keys.json", [kept])

    with serve(keys=str(tmp_path / "keys.json"), key=secret) as client:
        found = [client.predict(toy_item("image")) for _ in range(8)]

    assert len(found) == 8


def test_results_are_small_and_plain() -> None:
    found = Prediction(("a", "b"), {"a": 0.6, "b": 0.7, "c": 0.1})

    assert found.label == "b"
    assert Prediction((), {"a": 0.1}).label is None
    said = {"labels": ["a"], "probabilities": {"a": 0.6}, "sure": False, "possible": ["a", "b"]}
    assert (read_prediction(said).sure, read_prediction(said).possible) == (False, ("a", "b"))
    assert Prediction((), {"a": 0.1}).probability is None
    assert holdfast.Client is Client
    with pytest.raises(AttributeError, match="no attribute 'Clint'"):
        _ = holdfast.Clint

"""From the signature to the server that asks for it."""

import json
from pathlib import Path

import pytest

from holdfast.config.schema import ServeConfig
from holdfast.core.errors import BundleError
from holdfast.core.workspace import Workspace
from holdfast.registry import Registry
from holdfast.serve import engine as engines
from holdfast.serve.live import Live
from holdfast.testing.bundles import toy_bundle
from holdfast.workflows.serving import finder, serve_model
from tests.bundle.test_signature import write_pair
from tests.journey import holdfast


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    from cryptography.hazmat.primitives.asymmetric import ec

    return write_pair(tmp_path / "keys", "key", ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path / "w")
    Registry(workspace.models).register("birds", toy_bundle(tmp_path / "bundle"), run="r")
    return workspace


def test_a_model_is_signed_and_verified(workspace: Workspace, keys: tuple[Path, Path]) -> None:
    private, public = map(str, keys)
    before = holdfast("models", "verify", "birds@1", "--key", public, home=workspace.home, expect=1)
    signed = json.loads(
        holdfast("models", "sign", "birds", "--key", private, "--json", home=workspace.home).stdout
    )
    after = holdfast("models", "verify", "birds@1", "--key", public, home=workspace.home)
    without = holdfast("models", "verify", "birds@1", home=workspace.home)

    assert "is not signed" in before.stdout
    assert signed["model"] == "birds@1"
    assert f"signed by the key {signed['signed_by'][:12]}" in after.stdout
    assert without.stdout == "birds@1 is whole\n"


def test_a_folder_is_signed_and_verified(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    folder = str(toy_bundle(tmp_path / "bundle"))
    holdfast("models", "sign", folder, "--key", str(keys[0]), home=tmp_path)
    holdfast("models", "verify", folder, "--key", str(keys[1]), home=tmp_path)
    (tmp_path / "bundle" / "CARD.md").write_text("changed")

    done = holdfast("models", "verify", folder, home=tmp_path, expect=1)

    assert "CARD.md: not part of the bundle" in done.stdout


def test_a_key_that_is_locked_takes_its_password_from_the_environment(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec

    private, _ = write_pair(tmp_path / "k", "locked", ec.generate_private_key(ec.SECP256R1()), b"secret")

    refused = holdfast("models", "sign", "birds", "--key", str(private), home=workspace.home, expect=1)
    monkeypatch.setenv("HOLDFAST_KEY_PASSWORD", "secret")
    holdfast("models", "sign", "birds", "--key", str(private), home=workspace.home)

    assert "HOLDFAST_KEY_PASSWORD" in refused.stderr


def test_a_server_that_trusts_a_key_loads_nothing_that_it_has_not_signed(
    workspace: Workspace, keys: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "Engine", pytest.fail)

    with pytest.raises(BundleError, match="only signed models are trusted"):
        serve_model("birds@1", workspace, overrides=[f"serve.trust={keys[1]}"])


def test_what_a_running_server_takes_up_is_asked_for_its_signature_too(
    workspace: Workspace, keys: tuple[Path, Path]
) -> None:
    find = finder(workspace, [str(keys[1])])
    name, open_it = find("birds@1")

    with pytest.raises(BundleError, match="only signed models are trusted"):
        open_it()
    holdfast("models", "sign", "birds", "--key", str(keys[0]), home=workspace.home)

    assert (name, open_it().manifest.task) == ("birds@1", "single")


def test_no_model_goes_live_that_is_not_signed(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    from holdfast.bundle import open_bundle, sign_bundle

    bundle = open_bundle(toy_bundle(tmp_path / "bundle"))
    engine = engines.Engine(bundle, threads=1)
    config = ServeConfig(trust=(str(keys[1]),))

    with pytest.raises(BundleError, match="is not signed"):
        Live(engine, config, "birds@1")
    sign_bundle(bundle, keys[0])
    Live(engine, config, "birds@1")

    engine.close()


def test_a_damaged_bundle_is_refused_before_anything_is_loaded(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "Engine", pytest.fail)
    (graph,) = workspace.models.glob("birds/versions/*/**/model.onnx")
    graph.write_bytes(graph.read_bytes()[:-1] + b"!")

    with pytest.raises(BundleError, match=r"model\.onnx: damaged"):
        serve_model("birds@1", workspace)

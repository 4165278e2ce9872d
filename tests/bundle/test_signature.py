"""Who vouches for a bundle; the same files as the package `model-signing` writes and reads."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.bundle import Bundle, check_signature, open_bundle, sign_bundle
from holdfast.bundle import signature as module
from holdfast.core.errors import BundleError, ConfigError
from holdfast.testing.bundles import toy_bundle

CURVES = {"p256": ec.SECP256R1(), "p384": ec.SECP384R1(), "p521": ec.SECP521R1()}


def write_pair(folder: Path, name: str, key: Any, password: bytes | None = None) -> tuple[Path, Path]:
    lock = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.pem").write_bytes(private)
    (folder / f"{name}.pub").write_bytes(public)
    return folder / f"{name}.pem", folder / f"{name}.pub"


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    folder = tmp_path_factory.mktemp("keys")
    return {name: write_pair(folder, name, ec.generate_private_key(curve)) for name, curve in CURVES.items()}


Pairs = dict[str, tuple[Path, Path]]


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return open_bundle(toy_bundle(tmp_path / "birds", modality="text"))


@pytest.mark.parametrize("curve", CURVES)
def test_what_a_key_signs_the_key_verifies(bundle: Bundle, pairs: Pairs, curve: str) -> None:
    private, public = pairs[curve]

    signer = sign_bundle(bundle, private)

    assert check_signature(open_bundle(bundle.folder), [public]) == signer
    assert len(signer) == 64


def test_another_key_does_not_but_one_of_several_does(bundle: Bundle, pairs: Pairs) -> None:
    sign_bundle(bundle, pairs["p256"][0])

    with pytest.raises(BundleError, match="is not by a key that is trusted"):
        check_signature(bundle, [pairs["p384"][1]])
    check_signature(bundle, [pairs["p384"][1], pairs["p256"][1]])


def test_a_bundle_without_a_signature_says_how_to_sign(bundle: Bundle, pairs: Pairs) -> None:
    with pytest.raises(BundleError, match="is not signed") as error:
        check_signature(bundle, [pairs["p256"][1]])

    assert "holdfast models sign" in str(error.value.hint)


def test_a_signature_holds_wherever_the_folder_goes_but_for_its_files_only(
    bundle: Bundle, pairs: Pairs, tmp_path: Path
) -> None:
    sign_bundle(bundle, pairs["p256"][0])
    moved = open_bundle(Path(shutil.copytree(bundle.folder, tmp_path / "elsewhere")))
    other = open_bundle(toy_bundle(tmp_path / "other", modality="text", seed=1))
    shutil.copy(bundle.folder / "model.sig", other.folder)

    check_signature(moved, [pairs["p256"][1]])
    with pytest.raises(BundleError, match=r"is of another model: manifest\.json, model\.onnx"):
        check_signature(other, [pairs["p256"][1]])


def test_a_changed_file_is_found_before_its_signature_is_asked_for(bundle: Bundle, pairs: Pairs) -> None:
    sign_bundle(bundle, pairs["p256"][0])
    with (bundle.folder / "model.onnx").open("ab") as file:
        file.write(b"!")

    with pytest.raises(BundleError, match=r"model\.onnx: damaged"):
        open_bundle(bundle.folder)


def test_a_bundle_that_was_changed_and_sealed_again_is_not_signed_any_more(
    bundle: Bundle, pairs: Pairs
) -> None:
    from holdfast.bundle import seal

    sign_bundle(bundle, pairs["p256"][0])
    (bundle.folder / "CARD.md").write_text("better")
    seal(bundle.folder, bundle.manifest)

    with pytest.raises(BundleError, match="is of another model"):
        check_signature(open_bundle(bundle.folder), [pairs["p256"][1]])


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_no_change_of_a_byte_of_a_signature_is_taken_for_another_model(
    signed: tuple[Bundle, Path, bytes], data: st.DataObject
) -> None:
    bundle, public, whole = signed
    at = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(0, 255))
    (bundle.folder / "model.sig").write_bytes(whole[:at] + bytes([byte]) + whole[at + 1 :])

    try:
        check_signature(bundle, [public])
    except BundleError:
        return
    left = json.loads((bundle.folder / "model.sig").read_bytes())
    mine = json.loads(whole)
    assert left["dsseEnvelope"]["payload"] == mine["dsseEnvelope"]["payload"]


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory, pairs: Pairs) -> tuple[Bundle, Path, bytes]:
    bundle = open_bundle(toy_bundle(tmp_path_factory.mktemp("signed") / "birds"))
    sign_bundle(bundle, pairs["p256"][0])
    return bundle, pairs["p256"][1], (bundle.folder / "model.sig").read_bytes()


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b"null", b'{"dsseEnvelope": 3, "mediaType": 1}', b"\xff\xfe", b"[" * 100_000],
)
def test_a_file_that_is_no_signature_is_refused(bundle: Bundle, pairs: Pairs, content: bytes) -> None:
    (bundle.folder / "model.sig").write_bytes(content)

    with pytest.raises(BundleError, match=r"the signature of .* cannot be read"):
        check_signature(bundle, [pairs["p256"][1]])


def test_a_signature_that_is_too_large_is_not_read(
    bundle: Bundle, pairs: Pairs, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_bundle(bundle, pairs["p256"][0])
    monkeypatch.setattr(module, "_LARGEST", 100)

    with pytest.raises(BundleError, match="too large"):
        check_signature(bundle, [pairs["p256"][1]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda it: it.update(predicateType="https://example.com"), "is of another kind"),
        (lambda it: it["predicate"]["serialization"].update(method="shards"), "sign files, by SHA-256"),
        (lambda it: it["predicate"]["resources"].pop(), "contradicts itself"),
        (lambda it: it["predicate"]["resources"][0].update(algorithm="md5"), "contradicts itself"),
        (lambda it: it["predicate"].pop("resources"), "is not of a model"),
        (lambda it: it.update(subject=[]), "is not of a model"),
        (lambda it: it["predicate"]["resources"][0].update(name="CARD"), "is of another model: CARD"),
    ],
)
def test_what_the_right_key_signed_must_still_be_this_model(
    bundle: Bundle, pairs: Pairs, change: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    statement = module._statement(bundle)
    change(statement)
    monkeypatch.setattr(module, "_statement", lambda _: statement)
    sign_bundle(bundle, pairs["p256"][0])

    with pytest.raises(BundleError, match=message):
        check_signature(bundle, [pairs["p256"][1]])


def test_a_key_with_a_password_needs_it(bundle: Bundle, tmp_path: Path) -> None:
    private, public = write_pair(tmp_path / "k", "locked", ec.generate_private_key(ec.SECP256R1()), b"secret")

    with pytest.raises(ConfigError, match=r"locked\.pem"):
        sign_bundle(bundle, private)
    with pytest.raises(ConfigError, match="its password another one"):
        sign_bundle(bundle, private, b"wrong")
    sign_bundle(bundle, private, b"secret")

    check_signature(bundle, [public])


def test_keys_of_other_kinds_are_refused(bundle: Bundle, tmp_path: Path) -> None:
    private, public = write_pair(tmp_path / "k", "rsa", rsa.generate_private_key(65537, 2048))
    curve, _ = write_pair(tmp_path / "k", "curve", ec.generate_private_key(ec.SECP256K1()))

    for key in (private, curve):
        with pytest.raises(ConfigError, match="is no key on one of secp256r1"):
            sign_bundle(bundle, key)
    with pytest.raises(ConfigError, match="is no key on one of"):
        check_signature(bundle, [public])
    with pytest.raises(ConfigError, match="is no public key"):
        check_signature(bundle, [curve])
    with pytest.raises(ConfigError, match="cannot be read"):
        check_signature(bundle, [tmp_path / "nowhere"])


def test_a_missing_package_is_named_with_its_extra(
    bundle: Bundle, pairs: Pairs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)

    with pytest.raises(ConfigError) as error:
        check_signature(bundle, [pairs["p256"][1]])

    assert "holdfast[sign]" in str(error.value.hint)


@pytest.mark.parametrize("curve", CURVES)
def test_the_package_model_signing_verifies_what_we_sign(bundle: Bundle, pairs: Pairs, curve: str) -> None:
    from model_signing import verifying

    private, public = pairs[curve]
    sign_bundle(bundle, private)
    config = verifying.Config().use_elliptic_key_verifier(public_key=public)

    config.verify(bundle.folder, bundle.folder / "model.sig")

    (bundle.folder / "CARD.md").write_text("changed")
    with pytest.raises(ValueError, match="Signature mismatch"):
        config.verify(bundle.folder, bundle.folder / "model.sig")


@pytest.mark.parametrize("curve", CURVES)
def test_we_verify_what_the_package_model_signing_signs(bundle: Bundle, pairs: Pairs, curve: str) -> None:
    from model_signing import hashing, signing

    private, public = pairs[curve]
    path = bundle.folder / "model.sig"
    how = hashing.Config().set_ignored_paths(paths=[path.name])
    signing.Config().use_elliptic_key_signer(private_key=private).set_hashing_config(how).sign(
        bundle.folder, path
    )

    assert (
        check_signature(bundle, [public])
        == json.loads(path.read_bytes())["verificationMaterial"]["publicKey"]["hint"]
    )


def test_signing_leaves_nothing_else_behind(bundle: Bundle, pairs: Pairs) -> None:
    before = {path.name for path in bundle.folder.iterdir()}

    sign_bundle(bundle, pairs["p256"][0])

    assert {path.name for path in bundle.folder.iterdir()} - before == {"model.sig"}

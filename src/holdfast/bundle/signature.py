"""A bundle's signature: who vouches for it, in the format of OpenSSF model signing.

The file `model.sig` beside the bundle's files is a Sigstore bundle: a DSSE envelope around an in-toto
statement that lists each file with its SHA-256, signed with ECDSA. The package `model-signing` writes and
checks the same (https://github.com/sigstore/model-transparency), but brings Sigstore's clients along; what a
key of one's own needs stands here, over `cryptography` alone.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.bundle.bundle import Bundle
from holdfast.bundle.manifest import MANIFEST, SIGNATURE
from holdfast.core.errors import BundleError, ConfigError
from holdfast.core.files import write_bytes

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

_MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_PAYLOAD_TYPE = "application/vnd.in-toto+json"
_STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
_PREDICATE_TYPE = "https://model_signing/signature/v1.0"
_LARGEST = 10_000_000
_CURVES = ("secp256r1", "secp384r1", "secp521r1")
_MAKE = (
    "make a pair with `openssl ecparam -name prime256v1 -genkey -noout -out key.pem` and "
    "`openssl ec -in key.pem -pubout -out key.pub`"
)


def sign_bundle(bundle: Bundle, key: Path, password: bytes | None = None) -> str:
    """Write `model.sig` into the bundle's folder, atomically; an earlier one is replaced.

    Args:
        bundle: an opened bundle, so that what is signed is what its digests say.
        key: a private key on P-256, P-384 or P-521 in a PEM file.
        password: of the key, if it has one.

    Returns:
        The digest of the public key.

    Raises:
        ConfigError: if it is no such key, or the package `cryptography` is missing.
    """
    private = _private_key(key, password)
    payload = json.dumps(_statement(bundle), indent=1).encode()
    mark = private.sign(_encoded(payload), _ecdsa(private.public_key()))
    signed = {
        "mediaType": _MEDIA_TYPE,
        "verificationMaterial": {"publicKey": {"hint": digest_of(private.public_key())}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": _PAYLOAD_TYPE,
            "signatures": [{"sig": base64.b64encode(mark).decode(), "keyid": ""}],
        },
    }
    write_bytes(bundle.folder / SIGNATURE, json.dumps(signed).encode())
    return digest_of(private.public_key())


def check_signature(bundle: Bundle, keys: Sequence[Path]) -> str:
    """Whose of some keys has signed just this bundle.

    Args:
        bundle: an opened bundle: its files are what its manifest says.
        keys: public keys in PEM files; one of them will do.

    Returns:
        The digest of that key.

    Raises:
        BundleError: if there is no signature, or it is not by one of these keys, or of other files.
        ConfigError: if a key cannot be read, or the package `cryptography` is missing.
    """
    trusted = [_public_key(path) for path in keys]
    try:
        signature = _read(bundle.folder / SIGNATURE)
    except FileNotFoundError:
        raise BundleError(
            f"{bundle.folder} is not signed, and only signed models are trusted",
            hint="sign it with `holdfast models sign MODEL --key FILE`, if it is what you think it is",
        ) from None
    except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise _wrong(bundle, f"cannot be read ({error})") from None
    payload, mark = signature
    key = next((key for key in trusted if _is_by(key, payload, mark)), None)
    if key is None:
        raise _wrong(bundle, "is not by a key that is trusted")
    try:
        problem = _difference(json.loads(payload), bundle)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        problem = f"is not of a model ({error!r})"
    if problem:
        raise _wrong(bundle, problem)
    return digest_of(key)


def check_trusted(bundle: Bundle, trusted: Sequence[str]) -> None:
    """Refuse a bundle that none of some keys has signed; without any keys, each bundle is trusted.

    Call it before anything of the bundle is loaded.

    Raises:
        BundleError: as `check_signature` does.
        ConfigError: likewise.
    """
    if trusted:
        check_signature(bundle, [Path(path) for path in trusted])


def digest_of(key: "EllipticCurvePublicKey") -> str:
    """SHA-256 of a public key's PEM, by which signatures name it."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(pem).hexdigest()


def _files(bundle: Bundle) -> dict[str, str]:
    """Each file with its digest, in the order in which the format has them."""
    return dict(sorted({**bundle.manifest.files, MANIFEST: bundle.digest}.items()))


def _statement(bundle: Bundle) -> dict[str, Any]:
    files = _files(bundle)
    return {
        "_type": _STATEMENT_TYPE,
        "subject": [
            {"name": bundle.folder.resolve().name, "digest": {"sha256": _root(list(files.values()))}}
        ],
        "predicateType": _PREDICATE_TYPE,
        "predicate": {
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": False,
                "ignore_paths": [SIGNATURE],
            },
            "resources": [
                {"name": name, "algorithm": "sha256", "digest": digest} for name, digest in files.items()
            ],
        },
    }


def _difference(statement: Any, bundle: Bundle) -> str | None:
    """Why a statement is not about this bundle; its name is not compared, as folders are moved."""
    if statement["_type"] != _STATEMENT_TYPE or statement["predicateType"] != _PREDICATE_TYPE:
        return f"is of another kind ({statement['predicateType']!r:.80})"
    how = statement["predicate"]["serialization"]
    if (how["method"], how["hash_type"]) != ("files", "sha256"):
        return f"is by {how['method']!r:.40} and {how['hash_type']!r:.40}; sign files, by SHA-256"
    resources = statement["predicate"]["resources"]
    signed = [(it["name"], it["digest"]) for it in resources if it["algorithm"] == "sha256"]
    (subject,) = statement["subject"]
    if len(signed) != len(resources) or subject["digest"]["sha256"] != _root(
        [it["digest"] for it in resources]
    ):
        return "contradicts itself"
    files = _files(bundle)
    if sorted(signed) != list(files.items()):
        names = sorted({name for name, _ in set(signed) ^ set(files.items())})
        return f"is of another model: {', '.join(names)[:200] or 'a file twice'} differ"
    return None


def _root(digests: Sequence[str]) -> str:
    return hashlib.sha256(b"".join(map(bytes.fromhex, digests))).hexdigest()


def _read(path: Path) -> tuple[bytes, bytes]:
    """The payload and its signature."""
    with path.open("rb") as file:
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise ValueError("it is too large")
    signed = json.loads(data)
    envelope = signed["dsseEnvelope"]
    if signed["mediaType"] != _MEDIA_TYPE or envelope["payloadType"] != _PAYLOAD_TYPE:
        raise ValueError("it is of another kind")
    mark = base64.b64decode(envelope["signatures"][0]["sig"], validate=True)
    return base64.b64decode(envelope["payload"], validate=True), mark


def _encoded(payload: bytes) -> bytes:
    """What is signed: https://github.com/secure-systems-lab/dsse/blob/v1.0.0/protocol.md."""
    return b"DSSEv1 %d %s %d %s" % (len(_PAYLOAD_TYPE), _PAYLOAD_TYPE.encode(), len(payload), payload)


def _is_by(key: "EllipticCurvePublicKey", payload: bytes, mark: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(mark, _encoded(payload), _ecdsa(key))
    except InvalidSignature:
        return False
    return True


def _ecdsa(key: "EllipticCurvePublicKey") -> Any:
    """The hash is as long as the key."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    kinds: dict[int, type[HashAlgorithm]] = {256: hashes.SHA256, 384: hashes.SHA384, 521: hashes.SHA512}
    return ec.ECDSA(kinds[key.curve.key_size]())


def _private_key(path: Path, password: bytes | None) -> "EllipticCurvePrivateKey":
    data = _pem(path)
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(data, password)
    except TypeError as error:  # a password is missing, or there is one too many
        raise ConfigError(
            f"{path}: {error}", hint="HOLDFAST_KEY_PASSWORD is taken as the password of the key"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigError(f"{path} is no private key, or its password another one", hint=_MAKE) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name not in _CURVES:
        raise ConfigError(f"{path} is no key on one of {', '.join(_CURVES)}", hint=_MAKE)
    return key


def _public_key(path: Path) -> "EllipticCurvePublicKey":
    data = _pem(path)
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigError(f"{path} is no public key in PEM form", hint=_MAKE) from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in _CURVES:
        raise ConfigError(f"{path} is no key on one of {', '.join(_CURVES)}", hint=_MAKE)
    return key


def _pem(path: Path) -> bytes:
    try:
        import cryptography
    except ModuleNotFoundError:
        raise ConfigError(
            "signatures need the package 'cryptography'", hint="pip install 'holdfast[sign]'"
        ) from None
    assert cryptography
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: the key cannot be read ({error.strerror or error})", hint=_MAKE) from None


def _wrong(bundle: Bundle, said: str) -> BundleError:
    return BundleError(
        f"the signature of {bundle.folder} {said}",
        hint="take another copy, or sign it again with `holdfast models sign MODEL --key FILE`",
    )

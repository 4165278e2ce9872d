"""A provider of tokens on loopback, for tests of those who check them."""

import http.server
import json
import threading
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

RSA = rsa.generate_private_key(65537, 2048)
RSA_OTHER = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())


def published(key: Any, kid: str | None = None, **more: Any) -> dict[str, Any]:
    is_rsa = isinstance(key, rsa.RSAPrivateKey)
    kind = jwt.algorithms.RSAAlgorithm if is_rsa else jwt.algorithms.ECAlgorithm
    entry = json.loads(kind.to_jwk(key.public_key()))
    return {**entry, **({} if kid is None else {"kid": kid}), **more}


class Issuer:
    """An OpenID Connect provider: what it publishes, and how often it was asked."""

    def __init__(self) -> None:
        self.keys = [published(RSA, "r1"), published(EC, "e1")]
        self.asked = 0
        self.down = False
        self.wait_s = 0.0
        self.about: dict[str, Any] = {}
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                time.sleep(issuer.wait_s)
                if issuer.down:
                    return self.send_error(500)
                if self.path == "/.well-known/openid-configuration":
                    return self._json(
                        {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys", **issuer.about}
                    )
                if self.path == "/moved":
                    self.send_response(302)
                    self.send_header("Location", f"{issuer.url}/keys")
                    return self.end_headers()
                issuer.asked += 1
                return self._json({"keys": issuer.keys})

            def _json(self, value: Any) -> None:
                body = json.dumps(value).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def token(self, key: Any = RSA, algorithm: str = "RS256", kid: str | None = "r1", **claims: Any) -> str:
        now = time.time()
        said = {"iss": self.url, "aud": "birds", "sub": "ann", "iat": now, "exp": now + 60, **claims}
        headers = {} if kid is None else {"kid": kid}
        return jwt.encode({k: v for k, v in said.items() if v is not None}, key, algorithm, headers)

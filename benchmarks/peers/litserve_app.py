"""LitServe: a worker for each core, the body as it is."""

from typing import Annotated, Any

import litserve
from answer import BATCH, CORES, PORT, decoder, run, session
from fastapi import Depends, Request


async def _body(request: Request) -> bytes:
    return await request.body()


class Api(litserve.LitAPI):
    """Decodes in the worker, not in the event loop."""

    def setup(self, device: Any) -> None:  # noqa: ARG002 - LitServe's signature
        self.decode, self.graph = decoder(), session()

    def decode_request(self, request: Annotated[bytes, Depends(_body)]) -> Any:
        return self.decode(request)

    def predict(self, x: Any) -> Any:
        return run(self.graph, list(x) if BATCH > 1 else [x])

    def batch(self, inputs: list[Any]) -> Any:
        return inputs

    def unbatch(self, output: Any) -> Any:
        return output

    def encode_response(self, output: Any) -> Any:
        return output if BATCH > 1 else output[0]


if __name__ == "__main__":
    api = Api(max_batch_size=BATCH, batch_timeout=0.002 if BATCH > 1 else 0.0)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=CORES, track_requests=False)
    server.run(host="127.0.0.1", port=PORT, generate_client_file=False, log_level="error", access_log=False)

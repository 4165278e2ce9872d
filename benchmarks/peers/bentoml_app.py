"""BentoML: a worker for each core, the body as it is. `bentoml serve bentoml_app:Api`."""

from typing import Any

import bentoml
import PIL.Image
from answer import CORES, decoder, run, session


@bentoml.service(workers=CORES, traffic={"timeout": 60}, logging={"access": {"enabled": False}})
class Api:
    """Decodes in the threads of its workers; what it is given as a picture was not read yet."""

    def __init__(self) -> None:
        self.decode, self.graph = decoder(), session()

    @bentoml.api
    def predict(self, picture: PIL.Image.Image, /) -> dict[str, Any]:
        """The answer to one picture."""
        file: Any = picture.fp  # type: ignore[attr-defined]
        file.seek(0)
        return run(self.graph, [self.decode(file.read())])[0]

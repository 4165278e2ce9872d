"""The command line: parse, call one function in `workflows`, print."""

import io
import os
import sys

_EXTRAS = {
    "s3": ("s3fs",),
    "gcs": ("gcsfs",),
    "https": ("aiohttp", "fsspec"),
    "hf": ("huggingface_hub",),
    "sweep": ("optuna",),
    "ray": ("ray",),
    "train": ("torch", "pyarrow", "onnx", "onnxscript", "safetensors", "sklearn", "scipy"),
    "serve": ("fastapi", "uvicorn", "onnxruntime", "PIL", "soundfile", "soxr", "tokenizers", "multipart"),
}
_INTERRUPTED = 130


def main() -> None:
    """Run the command line: exit code 0 done, 1 the user can mend it, 2 wrong usage, 130 interrupted."""
    # Threads of torch that wait for each other should sleep: spinning made a training on two busy cores
    # take four times as long (docs/log.md). Torch reads this once, when it is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8")  # a pipe on Windows has another one

    from holdfast.cli.app import app
    from holdfast.cli.show import complain
    from holdfast.core.errors import HoldfastError

    try:
        app()
    except SystemExit as end:
        if end.code == _INTERRUPTED:  # so Typer ends on Ctrl-C, without a word
            complain("interrupted", code=_INTERRUPTED)
        raise
    except KeyboardInterrupt:
        complain("interrupted", code=_INTERRUPTED)
    except HoldfastError as error:
        complain(error.message, error.hint)
    except OSError as error:
        if error.filename is None:
            raise
        complain(f"{error.filename}: {error.strerror}", "check the path, who may use it, and the space left")
    except ModuleNotFoundError as error:
        extra = next(
            (name for name, roots in _EXTRAS.items() if (error.name or "").split(".")[0] in roots), None
        )
        if extra is None:
            raise
        complain(f"this needs the package {error.name!r}", f"pip install 'holdfast[{extra}]'")

"""The command line: parse, call one function in `workflows`, print."""

import errno
import io
import os
import sys
from typing import Any, NoReturn

_EXTRAS = {
    "s3": ("s3fs",),
    "gcs": ("gcsfs",),
    "https": ("aiohttp", "fsspec"),
    "hf": ("huggingface_hub",),
    "sweep": ("optuna",),
    "loadtest": ("locust",),
    "otel": ("opentelemetry",),
    "ray": ("ray",),
    "oidc": ("jwt",),
    "sign": ("cryptography",),
    "report": ("nh3", "markdown_it", "mdit_py_plugins", "pygments"),
    "train": ("torch", "pyarrow", "onnx", "onnxscript", "safetensors", "sklearn", "scipy"),
    "serve": (
        "fastapi",
        "uvicorn",
        "onnxruntime",
        "PIL",
        "soundfile",
        "soxr",
        "tokenizers",
        "multipart",
        "prometheus_client",
    ),
}


def run() -> None:
    """`main` as a process of its own; commands about data, which are short, end at once when done."""
    try:
        main()
    except SystemExit as end:
        if sys.argv[1:2] == ["data"] and isinstance(end.code, int):
            from holdfast.cli.ending import end_now

            end_now(end.code)
        raise


def main() -> None:
    """Run the command line: exit code 0 done, 1 the user can mend it, 2 wrong usage, 130 interrupted."""
    try:
        _run()
    except KeyboardInterrupt:  # at any moment from here on, also while the commands are loaded
        from holdfast.cli.show import INTERRUPTED, complain

        complain("interrupted", code=INTERRUPTED)


def _run() -> None:
    # Threads of torch that wait for each other should sleep: spinning made a training on two busy cores
    # take four times as long (docs/log.md). Torch reads this once, when it is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # a pipe on Windows has another encoding; half characters in file names are none in any
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    raw = getattr(sys.stdout, "buffer", None)
    if isinstance(raw, io.RawIOBase):
        # PYTHONUNBUFFERED: a line that could not be written would be gone, and nobody could tell where it
        # was to go; a buffer of one line keeps it
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(raw), encoding="utf-8", errors="backslashreplace", line_buffering=True
        )

    from holdfast.cli.app import app
    from holdfast.cli.show import INTERRUPTED, complain
    from holdfast.core.errors import HoldfastError

    try:
        code = app(standalone_mode=False)
        if sys.stdout:
            sys.stdout.flush()  # what cannot be written is to be told by us
    except HoldfastError as error:
        complain(error.message, error.hint)
    except OSError as error:
        _tell_of_file(error)
    except UnicodeEncodeError as error:
        part = ascii(error.object[max(error.start - 40, 0) : error.start + 40])
        complain(f"{part} is not Unicode, and cannot be written so", "rename it, or give another place")
    except ModuleNotFoundError as error:
        extra = next(
            (name for name, roots in _EXTRAS.items() if (error.name or "").split(".")[0] in roots), None
        )
        if extra is None:
            raise
        complain(f"this needs the package {error.name!r}", f"pip install 'holdfast[{extra}]'")
    except Exception as error:
        _tell_of_usage(error)
    else:
        if code == INTERRUPTED:  # so Typer ends on Ctrl-C, without a word
            complain("interrupted", code=INTERRUPTED)
        sys.exit(code if isinstance(code, int) else 0)


def _tell_of_usage(error: Exception) -> NoReturn:
    """Say what is wrong with the command's words, as JSON if that was asked for; else raise it again."""
    import typer

    from holdfast.cli.show import complain

    if not isinstance(error, typer.BadParameter.__mro__[1]):  # UsageError of click, which Typer brings along
        raise error
    wrong: Any = error
    if "--json" not in sys.argv:
        wrong.show()
        sys.exit(wrong.exit_code)
    path = wrong.ctx.command_path if wrong.ctx else "holdfast"
    complain(wrong.format_message(), f"see `{path} --help`", code=wrong.exit_code)


def _tell_of_file(error: OSError) -> NoReturn:
    """Say which file is in the way and what to do; raise it again where there is no file to it."""
    from holdfast.cli.show import complain, give_up_stdout
    from holdfast.core.files import no_room_hint, place_of

    hint = no_room_hint(error)
    if why := give_up_stdout():
        if error.errno == errno.EPIPE:  # whoever read it has read enough
            sys.exit(1)
        complain(f"the standard output cannot be written: {why}", "send it to a place that has room")
    if error.filename is None:
        if hint is None:
            raise error
        complain(f"{os.strerror(error.errno or 0)}: nothing more could be written", hint)
    if isinstance(error, IsADirectoryError | FileExistsError | NotADirectoryError):
        hint = "another kind of file is there: give another name, or move it away"
    reason = os.strerror(error.errno) if error.errno else error.strerror
    complain(f"{place_of(error)}: {reason}", hint or "check the path, and who may use it")

"""The main job on real data: handwritten digits, from files to a prediction of a running API.

`make demo` runs this. It works in a folder of its own, with the commands that a user would type.
"""

import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import IO, Any

from holdfast.testing.toys import write_digits

_SETTINGS = (
    "prepare.size=16",
    "model.width=16",
    "model.depth=2",
    "model.dropout=0",
    "augment.flip=0",  # a mirrored 2 is no 2
    "augment.color=0",
    "augment.shift=0.08",
    "augment.mixup=0.2",
    "optim.lr=5e-3",
    "train.epochs=15",
    "train.batch=32",
    "device.threads=1",  # so small a network gains nothing from a second one
)
_MODEL = "digits@1"


def main() -> None:
    """Run the demo; serve the page until Ctrl-C on a terminal, end by itself elsewhere."""
    with tempfile.TemporaryDirectory(prefix="holdfast-demo-") as folder:
        try:
            _demo(Path(folder))
        except KeyboardInterrupt:
            print("\nstopped")


def _demo(folder: Path) -> None:
    began = time.monotonic()
    source = write_digits(folder / "digits")
    print(f"wrote {len(list(source.rglob('*.png')))} handwritten digits as PNG files in ten class folders\n")
    home = ("--home", str(folder / "workspace"))
    _holdfast("up", str(source), *_SETTINGS, "--no-serve", *home)
    sample = next((source / "7").glob("*.png"))
    _holdfast("predict", _MODEL, str(sample), *home)
    command = _command("serve", _MODEL, "serve.port=0", "--json", *home)
    _say(command)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603
        try:
            url = _address(server.stdout)
            answer = _post(f"{url}/predict", sample.read_bytes())
            label = answer["label"]
            print(f"POST {url}/predict → {label} ({answer['probabilities'][label]:.1%})")
            print(f"\nfrom files to a served prediction in {time.monotonic() - began:.0f} s")
            if sys.stdout.isatty():
                print(f"the page is at {url} until Ctrl-C; try a file of {source}")
                server.wait()
        finally:
            server.terminate()


def _command(*args: str) -> list[str]:
    return [sys.executable, "-m", "holdfast", *args]


def _say(command: list[str]) -> None:
    print("$", "holdfast", *command[3:], flush=True)


def _holdfast(*args: str) -> None:
    command = _command(*args)
    _say(command)
    if subprocess.run(command, check=False).returncode:  # noqa: S603
        sys.exit(1)
    print(flush=True)


def _address(lines: IO[str] | None) -> str:
    """The address that `serve --json` prints once it answers."""
    text = ""
    for line in lines or ():
        text += line
        if line.startswith("}"):
            return str(json.loads(text)["url"])
    sys.exit("the server ended before it answered")


def _post(url: str, picture: bytes) -> dict[str, Any]:
    request = urllib.request.Request(url, picture, {"Content-Type": "image/png"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
        answer: dict[str, Any] = json.load(response)["predictions"][0]
        return answer


if __name__ == "__main__":
    main()

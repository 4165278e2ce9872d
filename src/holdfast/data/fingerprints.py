"""What a version is, in one number: a digest over the digests, labels, groups and splits of its samples."""

import hashlib
import json
from pathlib import Path

import pyarrow
import pyarrow.compute as pc

from holdfast.core.errors import DataError
from holdfast.data.info import SAMPLES, VersionInfo, without_command
from holdfast.data.parquets import whole

_SLICE = 100_000
_PLAIN = r"^[ !#-\[\]-~]*$"
"""Text that JSON writes as it is."""


def fingerprint(samples: pyarrow.Table) -> str:
    """SHA-256 over what the samples are: the same for the same content, in any order, on any machine.

    Each sample is a line of JSON, `[digest, [label, …], group, split]` in ASCII; the lines are sorted, and
    joined by newlines.

    Args:
        samples: has the columns `digest` (in hexadecimal), `labels` (lists), `group` and `split`.

    >>> columns = {"digest": ["a", "b"], "labels": [["x"], ["y"]], "group": ["1", "2"]}
    >>> fingerprint(pyarrow.table(columns | {"split": ["train", "test"]}))[:12]
    '21f8ac91c432'
    """
    samples = samples.select(["digest", "labels", "group", "split"])
    digests = samples.column("digest")
    order = pc.sort_indices(digests)
    found = hashlib.sha256()
    start, before = 0, b""
    while start < len(samples):
        stop = start + _SLICE
        while stop < len(samples) and digests[order[stop].as_py()] == digests[order[stop - 1].as_py()]:
            stop += 1  # lines of one digest are sorted together
        lines = _lines(samples.take(order[start:stop]))
        found.update(before + _joined(lines.take(pc.sort_indices(lines))))
        start, before = stop, b"\n"
    return found.hexdigest()


def refuse_altered(samples: pyarrow.Table, info: VersionInfo, folder: Path) -> None:
    """Let nobody go on with rows that are not those of their version. Some 1.5 s for a million of them.

    Args:
        samples: rows, as `fingerprint` takes them.
        info: of their version.
        folder: of their version, for the message.

    Raises:
        DataError: if the rows do not give the version's fingerprint.
    """
    if fingerprint(samples) != info.fingerprint:
        raise DataError(
            f"{folder / SAMPLES} was altered: its rows do not give the fingerprint of "
            f"{info.name}@{info.version}",
            hint=without_command(info.name, info.version),
        )


def _lines(samples: pyarrow.Table) -> pyarrow.Array:
    labels = whole(samples.column("labels"))
    keys = {"row": pc.list_parent_indices(labels), "word": labels.flatten()}
    order = pc.sort_indices(pyarrow.table(keys), sort_keys=[("row", "ascending"), ("word", "ascending")])
    offsets = pc.subtract(labels.offsets, labels.offsets[0])
    words = pyarrow.ListArray.from_arrays(offsets, _quoted(keys["word"].take(order)))
    lists = pc.binary_join(words, ", ")
    digest, group, split = (_quoted(whole(samples.column(name))) for name in ("digest", "group", "split"))
    middle = pc.binary_join_element_wise(digest, ", [", lists, "], ", group, ", ", split, "")
    return pc.binary_join_element_wise("[", middle, "]", "")


def _quoted(texts: pyarrow.Array) -> pyarrow.Array:
    """As JSON writes them."""
    texts = texts.cast(pyarrow.string())
    if pc.all(pc.match_substring_regex(texts, _PLAIN)).as_py() in (True, None):
        return pc.binary_join_element_wise('"', texts, '"', "")
    different = texts.dictionary_encode()
    written = [json.dumps(text) for text in different.dictionary.to_pylist()]
    return pyarrow.array(written, pyarrow.string()).take(different.indices)


def _joined(lines: pyarrow.Array) -> bytes:
    whole = pyarrow.ListArray.from_arrays(pyarrow.array([0, len(lines)], pyarrow.int32()), lines)
    return bytes(pc.binary_join(whole, "\n")[0].as_buffer())

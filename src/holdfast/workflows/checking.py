"""What is wrong or doubtful with a version of a dataset."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow

from holdfast.core.files import write_text
from holdfast.core.refs import parse_ref
from holdfast.core.workspace import Workspace
from holdfast.data import SPLITS, Finding, Version, check, open_version
from holdfast.data.check_labels import label_counts
from holdfast.data.codes import Codes
from holdfast.workflows.check_page import check_page
from holdfast.workflows.signing import signatures


def data_check(
    ref: str,
    workspace: Workspace,
    *,
    quick: bool = False,
    against: str | None = None,
    html: Path | None = None,
) -> dict[str, Any]:
    """Look a version through: damage, labels, copies, near duplicates, leaks, outliers, drift.

    Args:
        ref: the version.
        workspace: where it is.
        quick: decode nothing, and so look for no near duplicates, blank or silent samples.
        against: another version; what has changed since is told.
        html: a file for a page that shows the samples.
    """
    with open_version(workspace.datasets, parse_ref(ref)) as version:
        version.refuse_altered()
        signed = None if quick else signatures(version)
        with _other(against, workspace, quick) as other:
            found = check(version, signatures=signed, against=other)
        result = {
            "dataset": version.info.name,
            "version": version.info.version,
            "fingerprint": version.info.fingerprint,
            "samples": version.info.samples,
            "labels": _labels(version),
            "findings": [_told(finding, version) for finding in found],
        }
        if html:
            write_text(html, check_page(result, version))
            result["html"] = str(html)
        return result


@contextmanager
def _other(
    ref: str | None, workspace: Workspace, quick: bool
) -> Iterator[tuple[Version, pyarrow.Table | None] | None]:
    """The version to compare with, with its signatures."""
    if ref is None:
        yield None
        return
    with open_version(workspace.datasets, parse_ref(ref)) as version:
        yield version, None if quick else signatures(version)


def _labels(version: Version) -> list[dict[str, Any]]:
    """Samples of each label by split."""
    counts = label_counts(Codes(version)).T.tolist()
    return [
        {"label": label, **dict(zip(SPLITS, row, strict=True))}
        for label, row in zip(version.info.labels, counts, strict=True)
    ]


def _told(finding: Finding, version: Version) -> dict[str, Any]:
    """A finding with the samples that it shows, by name."""
    rows = np.array([row for example in finding.examples for row in example], dtype=np.int64)
    names = iter(version.table.column("name").take(rows).to_pylist())
    splits = iter(version.table.column("split").take(rows).to_pylist())
    examples = [
        [
            {
                "row": row,
                "name": next(names),
                "labels": list(version.labels_of(row)),
                "split": next(splits),
            }
            for row in example
        ]
        for example in finding.examples
    ]
    return {**finding.told(), "examples": examples}

"""What is compared: a run or a registered model, with the bundle, settings and data that belong to it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from holdfast.bundle import Bundle, open_bundle, read_reference
from holdfast.core.errors import HoldfastError, RefError
from holdfast.core.refs import Ref, parse_ref
from holdfast.core.workspace import Workspace
from holdfast.data import Version, open_version
from holdfast.registry import Registry
from holdfast.serve.engine import Engine
from holdfast.tracking import RunRecord, read_run
from holdfast.workflows.scoring import score


@dataclass(frozen=True)
class Subject:
    """One of the things compared.

    Attributes:
        name: as it was given.
        run: None for a model whose run is not in this workspace.
        bundle: None for a run that has not exported one.
        version: the data, open for reading; None where it is gone or is not what it was.
    """

    name: str
    run: RunRecord | None
    bundle: Bundle | None
    version: Version | None

    @property
    def origin(self) -> dict[str, Any]:
        """The data that it was trained on: `dataset`, such as birds@3, and `fingerprint`."""
        if self.run:
            return {"dataset": self.run.info.dataset, "fingerprint": self.run.info.fingerprint}
        assert self.bundle is not None
        told = self.bundle.manifest.provenance
        return {
            "dataset": f"{told.get('dataset')}@{told.get('version')}",
            "fingerprint": told.get("fingerprint"),
        }

    @property
    def config(self) -> dict[str, Any]:
        """Every setting; of a model without its run only how samples are prepared."""
        if self.run:
            return self.run.config()
        assert self.bundle is not None
        return {"prepare": self.bundle.manifest.prepare.model_dump()}

    def probabilities(self, rows: np.ndarray) -> np.ndarray:
        """What it gives each label of samples of its own version; shape (len(rows), labels).

        They are taken from the bundle where that kept them, else the engine is asked.
        """
        assert self.bundle is not None
        assert self.version is not None
        tested = self.version.indices("test")
        if self.bundle.reference is not None and np.isin(rows, tested).all():
            kept = read_reference(self.bundle.reference).probabilities
            if len(kept) == len(tested):  # of many samples it keeps some only
                return np.asarray(kept[np.searchsorted(tested, rows)], np.float64)
        engine = Engine(self.bundle)
        try:
            return score(engine, self.version, rows, f"ask {self.name}").probabilities
        finally:
            engine.close()


def open_subject(name: str, workspace: Workspace) -> Subject:
    """Find a run by its id, or a model by its reference. Close its version afterwards.

    Raises:
        RefError: if it is neither.
        BundleError: if its bundle is damaged.
    """
    run = _run(name, workspace)
    if run is not None:
        bundle = open_bundle(run.bundle) if run.bundle.exists() else None
    else:
        bundle = open_bundle(_model(name, workspace))
        run = _run(str(bundle.manifest.provenance.get("run")), workspace)
    subject = Subject(name, run, bundle, None)
    return Subject(name, run, bundle, _version(subject, workspace))


def _run(name: str, workspace: Workspace) -> RunRecord | None:
    try:
        return read_run(workspace.runs, name)
    except RefError:
        return None


def _model(name: str, workspace: Workspace) -> Any:
    try:
        return Registry(workspace.models).path(parse_ref(name))
    except RefError as error:
        raise RefError(
            f"{name!r} is neither a run nor a model: {error.message}",
            hint="`holdfast runs list` and `holdfast models list` show what there is",
        ) from None


def _version(subject: Subject, workspace: Workspace) -> Version | None:
    """The version that it was trained on, if it is there and has the same fingerprint."""
    origin = subject.origin
    try:
        ref = parse_ref(str(origin["dataset"]))
        version = open_version(workspace.datasets, Ref(ref.name, version=ref.version))
    except HoldfastError:
        return None
    if version.info.fingerprint == origin["fingerprint"]:
        return version
    version.close()
    return None

"""The registry: models by name and version, and aliases that move only through the gate."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.bundle import Bundle, open_bundle
from holdfast.core.errors import BundleError, GateError, HoldfastError, RefError
from holdfast.core.locks import locked
from holdfast.core.refs import Ref, check_name, did_you_mean
from holdfast.registry.audit import AuditLog, holders
from holdfast.registry.gate import Shown, failures
from holdfast.registry.store import Store
from holdfast.registry.summary import row_of

if TYPE_CHECKING:  # all dials together take 0.1 s to load
    from holdfast.config.schema import GateConfig

CHAMPION = "champion"
"""The alias that is served."""
RESERVED = ("latest",)
"""No alias, since a name alone already means its latest version."""

# `Registry.list` hides the type of that name in the class.
Rows = list[dict[str, Any]]
Numbers = list[int]
Texts = list[str]


@dataclass(frozen=True)
class Promotion:
    """Where an alias points now.

    Attributes:
        ref: the version that has it, such as `birds@3`.
        previous: the version that had it before; None if none had.
        forced: whether it moved although the gate said no.
        reasons: what the gate had against it.
        unchanged: whether it pointed there already, so that nothing was done or recorded.
    """

    ref: str
    alias: str
    previous: str | None
    forced: bool = False
    reasons: tuple[str, ...] = ()
    unchanged: bool = False


class Registry:
    """All models under one folder. Any number of processes may read and write at once.

    Writers of one model take turns. Readers never wait: they see versions that are whole, and aliases
    as the last whole line of the audit log has them.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def register(self, name: str, bundle_folder: Path, *, run: str) -> int:
        """Copy a bundle in as a new version, and give its number.

        A bundle that is registered already keeps the version it has. A number is given only once.

        Args:
            name: of the model; it is begun if it is new.
            bundle_folder: stays as it is.
            run: the id of the run that made the bundle.

        Raises:
            BundleError: if the bundle is damaged.
            RefError: if the name is none.
        """
        check_name(name)
        bundle = open_bundle(bundle_folder)  # before anything is made for a new name
        with self._writing(name):
            store = self._store(name)
            for version, entry in store.entries().items():
                if entry["digest"] == bundle.digest:
                    return version
            used = {int(line["version"]) for line in self.audit(name)}
            version = store.add(bundle, run=run, used=used)
            self._record_versions(name)
            return version

    def promote(
        self, ref: Ref, alias: str = CHAMPION, *, gate: "GateConfig", force: bool = False
    ) -> Promotion:
        """Move an alias to a version, if it passes the gate. Every try is in the audit log.

        Raises:
            GateError: with every requirement that is not met, unless forced.
            BundleError: if the version's bundle is damaged; no force helps there.
            RefError: if there is no such version, or the alias is none.
        """
        _check_alias(alias)
        self._check_known(ref.name)
        with self._writing(ref.name):
            resolved, log = self.resolve(ref), self._log(ref.name)
            version = resolved.version or 0
            stack = holders(log.lines()).get(alias, [])
            holder = stack[-1] if stack else None
            if holder == version:
                return Promotion(str(resolved), alias, _ref(ref.name, stack[-2:-1]), unchanged=True)
            bundle = self._open(resolved)
            reasons = self._against(bundle, resolved, holder, gate)
            log.append(
                "refused" if reasons and not force else "promote",
                version=version,
                digest=bundle.digest,
                alias=alias,
                previous=holder,
                forced=force and bool(reasons),
                reasons=reasons,
            )
            if reasons and not force:
                raise _refusal(resolved, alias, reasons)
            return Promotion(str(resolved), alias, _ref(ref.name, stack[-1:]), bool(reasons), tuple(reasons))

    def rollback(self, name: str, alias: str = CHAMPION) -> Promotion:
        """Give an alias back to the version that had it before, and again to the one before that.

        No gate is asked: that version had the alias, and a rollback is wanted in a hurry.

        Raises:
            RefError: if no version had the alias before.
            BundleError: if the bundle of that version is damaged.
        """
        self._check_known(name)
        with self._writing(name):
            log = self._log(name)
            stack = holders(log.lines()).get(alias, [])
            if len(stack) < 2:
                raise self._nothing_before(name, alias, stack)
            present, before = Ref(name, version=stack[-1]), Ref(name, version=stack[-2])
            bundle = self._open(before)
            log.append("rollback", version=stack[-2], digest=bundle.digest, alias=alias, previous=stack[-1])
            return Promotion(str(before), alias, str(present))

    def names(self) -> Texts:
        """The names of all models."""
        folders = self.root.iterdir() if self.root.is_dir() else ()
        return sorted(path.name for path in folders if self.versions(path.name))

    def versions(self, name: str) -> Numbers:
        """The numbers of a model's versions, ascending; none if there is no such model."""
        return self._store(name).versions()

    def aliases(self, name: str) -> dict[str, int]:
        """Where a model's aliases point."""
        return {alias: stack[-1] for alias, stack in sorted(holders(self.audit(name)).items())}

    def audit(self, name: str) -> Rows:
        """Every registration, promotion, refusal and rollback of a model, oldest first."""
        return self._log(name).lines()

    def resolve(self, ref: Ref) -> Ref:
        """The reference with its version number; a name alone means the latest version.

        Raises:
            RefError: if there is no such model, version or alias; it says what there is.
        """
        self._check_known(ref.name)
        versions = self.versions(ref.name)
        if ref.alias is not None:
            version = self._holder(ref)
        else:
            version = versions[-1] if ref.version is None else ref.version
        if version not in versions:
            by = f" (where {ref.alias!r} points)" if ref.alias else ""
            raise RefError(f"{ref.name} has no version {version}{by}", hint=f"it has {_ranges(versions)}")
        return Ref(ref.name, version=version)

    def path(self, ref: Ref) -> Path:
        """The folder of a version's bundle, for `open_bundle`."""
        resolved = self.resolve(ref)
        return self._store(ref.name).bundle(resolved.version or 0)

    def list(self) -> Rows:
        """A row for every version of every model, without reading its large files; newest versions first.

        `ref`, `name`, `version`, `aliases`, `headline` (a metric's name), `value`, `low`, `high`,
        `dataset`, `run`, `created`, `digest`; and `problem`, None unless something cannot be read. A version
        that is gone has a row too as long as an alias points there.
        """
        return [
            self._row(Ref(name, version=version), aliases)
            for name in self.names()
            for aliases in [self.aliases(name)]
            for version in sorted({*self.versions(name), *aliases.values()}, reverse=True)
        ]

    def show(self, ref: Ref) -> dict[str, Any]:
        """One version, verified: `ref`, `aliases`, `path`, where it comes from, `manifest`, `evaluation`.

        Raises:
            RefError: if there is no such version.
            BundleError: if its bundle is damaged.
        """
        resolved = self.resolve(ref)
        bundle = open_bundle(self.path(resolved))
        return {
            **self._row(resolved, self.aliases(ref.name)),
            "path": str(bundle.folder),
            "manifest": bundle.manifest.model_dump(mode="json"),
            "evaluation": bundle.evaluation,
        }

    def verify(self, ref: Ref) -> Texts:
        """Everything that is not as it was written: the version's files, its evaluation, the audit log.

        Raises:
            RefError: if there is no such version.
        """
        problems = self._log(ref.name).problems()
        try:
            resolved = self.resolve(ref)
        except HoldfastError as error:
            if not problems:
                raise
            return [*problems, error.message]
        try:
            bundle = open_bundle(self.path(resolved))
        except BundleError as error:
            return [*problems, error.message]
        return [*problems, *self._inconsistent(resolved, bundle)]

    def _store(self, name: str) -> Store:
        return Store(self.root / name / "versions")

    def _log(self, name: str) -> AuditLog:
        return AuditLog(self.root / name / "audit.jsonl")

    @contextmanager
    def _writing(self, name: str) -> Iterator[None]:
        with locked(self.root / name / ".lock", what=f"model {name}"):
            self._record_versions(name)
            yield

    def _record_versions(self, name: str) -> None:
        """Log every version that is not in the log yet: the new one, and any whose writer was killed."""
        store, log = self._store(name), self._log(name)
        recorded = {line["version"] for line in log.lines() if line["event"] == "register"}
        for version, entry in store.entries().items():
            if version not in recorded:
                log.append("register", version=version, digest=entry["digest"], time=entry["created"])

    def _open(self, ref: Ref) -> Bundle:
        """A version's bundle, if it is still the one that was registered."""
        bundle = open_bundle(self.path(ref))
        if bundle.digest != self._registered(ref):
            raise BundleError(
                f"{ref} is not the bundle that was registered", hint=f"see `holdfast models verify {ref}`"
            )
        return bundle

    def _registered(self, ref: Ref) -> str | None:
        """The digest under which a version was registered; None if the log does not know it."""
        lines = [line for line in self.audit(ref.name) if line["event"] == "register"]
        return next((str(line["digest"]) for line in lines if line["version"] == ref.version), None)

    def _against(self, bundle: Bundle, resolved: Ref, holder: int | None, gate: "GateConfig") -> Texts:
        candidate = Shown.by(bundle, str(resolved))
        if holder is None:
            return failures(candidate, None, gate)
        present = Ref(resolved.name, version=holder)
        try:
            champion = self._open(present)
        except (BundleError, RefError) as error:
            unknown = f"it cannot be compared with {present}: {error.message.splitlines()[0]}"
            return [*failures(candidate, None, gate), unknown]
        return failures(candidate, Shown.by(champion, str(present)), gate)

    def _check_known(self, name: str) -> None:
        if self.versions(check_name(name)):
            return
        known = self.names()
        near = did_you_mean(name, known)
        none = f"there are none yet in {self.root}: `holdfast train DATASET`, or --home for another workspace"
        there = f"there are: {', '.join(known)}" if known else none
        raise RefError(
            f"there is no model {name!r}", hint=f"did you mean {near!r}? {there}" if near else there
        )

    def _holder(self, ref: Ref) -> int:
        aliases = self.aliases(ref.name)
        alias = str(ref.alias)
        if alias in aliases:
            return aliases[alias]
        if alias in RESERVED:
            raise RefError(f"{str(ref)!r} is no alias", hint=f"write {ref.name} for its latest version")
        raise _no_alias(ref.name, alias, aliases)

    def _nothing_before(self, name: str, alias: str, stack: Numbers) -> RefError:
        if not stack:
            return _no_alias(name, alias, self.aliases(name))
        return RefError(
            f"{name}@{alias} is version {stack[-1]}, with nothing further back",
            hint=f"move it with `holdfast models promote {name}@VERSION {alias}`",
        )

    def _row(self, ref: Ref, aliases: dict[str, int]) -> dict[str, Any]:
        return row_of(ref, self._store(ref.name), ref.version or 0, aliases)

    def _inconsistent(self, ref: Ref, bundle: Bundle) -> Iterator[str]:
        registered = self._registered(ref)
        if registered is None:
            yield f"{ref} is not in the audit log: its registration was cut short; register it again"
        elif registered != bundle.digest:
            yield f"{ref}: its manifest is not the one that was registered"
        try:
            if self._store(ref.name).entry(ref.version or 0)["digest"] != bundle.digest:
                yield f"{ref}: its manifest is not the one that entry.json speaks of"
        except BundleError as error:
            yield error.message
        if (bundle.evaluation or {}).get("metrics", {}) != bundle.manifest.metrics:
            yield f"{ref}: its manifest and its evaluation give different metrics"


def _check_alias(alias: str) -> None:
    check_name(alias)
    if alias in RESERVED or alias.isdigit():
        raise RefError(
            f"{alias!r} cannot be an alias",
            hint=f"numbers are versions, and NAME alone is the latest; take {CHAMPION!r}",
        )


def _ref(name: str, versions: Sequence[int]) -> str | None:
    return str(Ref(name, version=versions[-1])) if versions else None


def _refusal(ref: Ref, alias: str, reasons: Sequence[str]) -> GateError:
    return GateError(
        "\n".join([f"{ref} may not become {alias}:", *(f"  {reason}" for reason in reasons)]),
        hint="mend these, or move the alias all the same with --force; the audit log records it",
    )


def _no_alias(name: str, alias: str, aliases: dict[str, int]) -> RefError:
    near = did_you_mean(alias, aliases)
    points = ", ".join(f"{known} → {version}" for known, version in aliases.items())
    there = f"it has {points}" if points else f"it has none yet: `holdfast models promote {name} {alias}`"
    return RefError(
        f"{name} has no alias {alias!r}", hint=f"did you mean {near!r}? {there}" if near else there
    )


def _ranges(versions: Sequence[int]) -> str:
    """Versions in words.

    >>> _ranges([1, 2, 3, 5])
    '1–3, 5'
    """
    runs: list[list[int]] = []
    for version in versions:
        if runs and version == runs[-1][-1] + 1:
            runs[-1] = [runs[-1][0], version]
        else:
            runs.append([version])
    return ", ".join("–".join(map(str, run)) for run in runs)

"""The trials of a sweep, in Optuna's journal: one file that any number of processes may share.

Each process that works on a trial holds the trial's lock. One whose lock is free without an end was cut
short, and whoever asks next takes it up. What is drawn for a trial is a function of the seed, its number and
the trials before it, so that a sweep of one process ends the same whether it was killed or not.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from filelock import BaseFileLock, FileLock

from holdfast.core.locks import locked, try_lock
from holdfast.sweep.plan import Plan, Pruning

JOURNAL, LOCK, STOP = "journal.log", ".lock", "stop"
ATTEMPTS = 3
"""A trial that was cut short so often without a new epoch has failed: it may be what kills its process."""
_NAME = "sweep"
_STATES = {
    "COMPLETE": "finished",
    "PRUNED": "pruned",
    "FAIL": "failed",
    "RUNNING": "running",
    "WAITING": "waiting",
}
_ENOUGH = 4
"""Finished trials that it takes to say which dial matters."""


class Pruned(Exception):  # noqa: N818 - no error: the trial did its part
    """Raised by `Claim.report` in a trial that is not worth going on with."""


@dataclass(frozen=True)
class Trial:
    """What came of a trial.

    Attributes:
        number: from 0.
        state: finished, pruned, failed, running or waiting.
        value: of the metric: of the best epoch, or of the best one before the trial was cut.
        settings: dial → value.
        epochs: how many were measured.
        curve: epoch from 1 → value of the metric.
        seconds: from its beginning to its end; 0 while it runs.
        run: the id of its run; None before that began.
        reason: why it failed.
        threads: of the CPU that it learnt with.
    """

    number: int
    state: str
    value: float | None
    settings: dict[str, Any]
    epochs: int = 0
    curve: dict[int, float] = field(default_factory=dict)
    seconds: float = 0.0
    run: str | None = None
    reason: str | None = None
    threads: int | None = None

    def to_json(self) -> dict[str, Any]:
        """A value that JSON can hold."""
        return asdict(self)


class Claim:
    """A trial that this process works on; no other does until `release`, or until this process is killed."""

    def __init__(self, study: Any, trial: Any, plan: Plan, lock: BaseFileLock) -> None:
        self._study, self._trial, self._plan, self._lock = study, trial, plan, lock
        self._reported = dict(_frozen(study, trial.number).intermediate_values)

    @property
    def number(self) -> int:
        """From 0."""
        return int(self._trial.number)

    @property
    def settings(self) -> dict[str, Any]:
        """Dial → value."""
        return _settings(self._plan, self._trial.params)

    def note(self, **facts: Any) -> None:
        """Remember facts about the trial, such as its run."""
        for name, value in facts.items():
            self._trial.set_user_attr(name, value)

    def report(self, epoch: int, value: float) -> None:
        """Say what was measured after an epoch, counted from 1.

        Raises:
            Pruned: if the trial is not worth going on with.
        """
        if epoch not in self._reported:  # a trial that was taken up measures some epochs again
            self._trial.report(value, epoch)
            self._reported[epoch] = value
        if self._trial.should_prune():
            raise Pruned

    def finish(self, value: float) -> None:
        """Say what the trial reached."""
        self._study.tell(self.number, value)

    def prune(self) -> None:
        """Say that the trial was cut."""
        from optuna.trial import TrialState

        best = max(self._reported.values()) if self._plan.maximize else min(self._reported.values())
        self.note(best=best)
        self._study.tell(self.number, state=TrialState.PRUNED)

    def fail(self, reason: str) -> None:
        """Say why the trial came to nothing."""
        from optuna.trial import TrialState

        self.note(reason=reason)
        self._study.tell(self.number, state=TrialState.FAIL)

    def release(self) -> None:
        """Let go of the trial. One that did not end can be taken up."""
        self._lock.release()

    def give_back(self) -> None:
        """Say that the trial was left on purpose, so that this does not count against it."""
        self.note(attempts=0)


class Trials:
    """All trials of a sweep. Safe to use from several processes at once."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        """Open the journal in a folder, or begin it."""
        self._folder, self._plan = folder, plan
        with self._locked():
            self._study = _open(folder / JOURNAL, plan)

    def claim(self, most: int) -> Claim | None:
        """The next trial to work on: one that was cut short, else a new one; None if there are enough.

        Args:
            most: how many trials the sweep may have in all.
        """
        with self._locked():
            if (self._folder / STOP).exists() or self._is_there():
                return None
            trials = self._study.get_trials(deepcopy=False)
            for trial in trials:
                claim = self._take_up(trial) if not trial.state.is_finished() else None
                if claim is not None:
                    return claim
            return self._begin(len(trials)) if len(trials) < most else None

    def stop(self, reason: str) -> None:
        """Let no process begin another trial."""
        (self._folder / STOP).write_text(reason, encoding="utf-8")

    def go_on(self) -> None:
        """Take back `stop`."""
        (self._folder / STOP).unlink(missing_ok=True)

    def why_stopped(self) -> str | None:
        """What `stop` was called with, if it was."""
        path = self._folder / STOP
        return path.read_text(encoding="utf-8") if path.exists() else None

    def all(self) -> list[Trial]:
        """Every trial, in the order in which they began."""
        with self._locked():
            return [_trial(self._plan, trial) for trial in self._study.get_trials(deepcopy=False)]

    def best(self) -> Trial | None:
        """The finished trial with the best value; the first of several. None if none has finished."""
        done = [trial for trial in self.all() if trial.state == "finished" and trial.value is not None]
        sign = -1 if self._plan.maximize else 1
        return min(done, key=lambda trial: (sign * (trial.value or 0.0), trial.number), default=None)

    def importance(self) -> dict[str, float] | None:
        """How much of the metric's variance each dial accounts for (fANOVA, Hutter et al. 2014).

        Shares that add up to 1. None with fewer than four finished trials, or if all did the same.
        """
        from optuna.importance import FanovaImportanceEvaluator, get_param_importances

        done = [trial.value for trial in self.all() if trial.state == "finished"]
        if len(done) < _ENOUGH or len(set(done)) == 1:
            return None
        with _quiet():
            found = get_param_importances(self._study, evaluator=FanovaImportanceEvaluator(seed=0))
        return {dial.key: float(found.get(dial.key, 0.0)) for dial in self._plan.dials}

    def _take_up(self, trial: Any) -> Claim | None:
        from optuna.trial import Trial as Live
        from optuna.trial import TrialState

        lock = try_lock(self._lock_of(trial.number))
        if lock is None:
            return None
        trial = self._study.get_trials(deepcopy=False)[trial.number]
        if trial.state.is_finished():  # by a process that held the lock when the trials were listed
            lock.release()
            return None
        epochs, notes = len(trial.intermediate_values), trial.user_attrs
        attempts = notes.get("attempts", 1) + 1 if epochs == notes.get("epochs", 0) else 2
        self._study.sampler = _sampler(self._plan, trial.number)
        with _quiet():
            live = Live(self._study, trial._trial_id)
            if attempts > ATTEMPTS:
                live.set_user_attr("reason", f"its process ended {ATTEMPTS} times without a word")
                self._study.tell(trial.number, state=TrialState.FAIL)
                lock.release()
                return None
            live.set_user_attr("attempts", attempts)
            live.set_user_attr("epochs", epochs)
            self._draw(live)
        return Claim(self._study, live, self._plan, lock)

    def _begin(self, number: int) -> Claim:
        self._study.sampler = _sampler(self._plan, number)
        with _quiet():
            live = self._study.ask()
            lock = try_lock(self._lock_of(live.number))
            assert lock is not None  # whoever looks for a trial to take up waits for the lock of the sweep
            self._draw(live)
        return Claim(self._study, live, self._plan, lock)

    def _draw(self, live: Any) -> None:
        for dial in self._plan.dials:
            live._suggest(dial.key, dial.distribution())  # what was drawn before a kill is kept

    def _is_there(self) -> bool:
        """Whether a trial has reached the target."""
        target = self._plan.target
        if target is None:
            return False
        values = [
            trial.value for trial in self._study.get_trials(deepcopy=False) if trial.state.name == "COMPLETE"
        ]
        return any(value >= target if self._plan.maximize else value <= target for value in values)

    def _lock_of(self, number: int) -> Path:
        return self._folder / "locks" / f"{number}.lock"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with locked(self._folder / LOCK, what="the sweep"):
            yield


def _open(journal: Path, plan: Plan) -> Any:
    """The study in a journal. Call it under the lock of the sweep."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # Optuna's own lock is a file that a killed process leaves behind, and others then wait 30 s for.
    # This one is the system's: free as soon as its process is gone.
    lock: Any = FileLock(f"{journal}.lock")
    with lock:
        _drop_torn(journal)
    with _quiet():
        return optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(journal), lock_obj=lock)),
            study_name=_NAME,
            direction="maximize" if plan.maximize else "minimize",
            pruner=_pruner(plan.pruning),
            load_if_exists=True,
        )


def _drop_torn(journal: Path) -> None:
    """A power cut or a full disk can leave half a line; the next one must not be glued to it."""
    if journal.exists():
        data = journal.read_bytes()
        if data and not data.endswith(b"\n"):
            with journal.open("rb+") as file:
                file.truncate(data.rfind(b"\n") + 1)


def _sampler(plan: Plan, number: int) -> Any:
    """What draws the values of one trial. One for all would draw the first again in a sweep that goes on."""
    from optuna.samplers import PartialFixedSampler, RandomSampler, TPESampler

    seed = int(np.random.SeedSequence([plan.seed, number]).generate_state(1)[0])
    with _quiet():
        if plan.method == "tpe":
            return TPESampler(seed=seed)
        if plan.method == "random":
            return RandomSampler(seed=seed)
        point = plan.combination(number)
        fixed = {dial.key: dial.drawn(point[dial.key]) for dial in plan.dials}
        return PartialFixedSampler(fixed, RandomSampler(seed=seed))


def _pruner(pruning: Pruning) -> Any:
    from optuna.pruners import MedianPruner, NopPruner, SuccessiveHalvingPruner

    if pruning.kind == "median":
        return MedianPruner(n_startup_trials=5, n_warmup_steps=pruning.first)
    if pruning.kind == "halving":
        return SuccessiveHalvingPruner(min_resource=pruning.first, reduction_factor=pruning.factor)
    return NopPruner()


def _trial(plan: Plan, trial: Any) -> Trial:
    began, ended = trial.datetime_start, trial.datetime_complete
    notes = trial.user_attrs
    state = _STATES[trial.state.name]
    return Trial(
        number=trial.number,
        state=state,
        value={"finished": trial.value, "pruned": notes.get("best")}.get(state),
        settings=_settings(plan, trial.params),
        epochs=len(trial.intermediate_values),
        curve=dict(sorted(trial.intermediate_values.items())),
        seconds=(ended - began).total_seconds() if began and ended else 0.0,
        run=notes.get("run"),
        reason=notes.get("reason"),
        threads=notes.get("threads"),
    )


def _settings(plan: Plan, params: dict[str, Any]) -> dict[str, Any]:
    return {dial.key: dial.value(params[dial.key]) for dial in plan.dials if dial.key in params}


def _frozen(study: Any, number: int) -> Any:
    return study.get_trials(deepcopy=False)[number]


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna warns that parts of it may change; the pinned version does not."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="optuna")
        warnings.filterwarnings("ignore", category=_experimental())
        yield


def _experimental() -> type[Warning]:
    from optuna.exceptions import ExperimentalWarning

    return ExperimentalWarning

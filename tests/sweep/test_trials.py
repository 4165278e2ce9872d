import dataclasses
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.sweep.dial import Dial
from holdfast.sweep.plan import Plan, Pruning
from holdfast.sweep.trials import ATTEMPTS, JOURNAL, Claim, Pruned, Trials

X = Dial("optim.lr", "float", 0.0, 1.0)
WIDTH = Dial("model.width", "choice", choices=(16, 32))


def plan(*dials: Dial, method: str = "random", pruning: Pruning | None = None, **more: object) -> Plan:
    cut = pruning or Pruning("none")
    return Plan(dials or (X,), method, "accuracy", maximize=True, pruning=cut, **more)  # type: ignore[arg-type]


def do(trials: Trials, most: int, score: Callable[[Claim], float]) -> list[dict[str, object]]:
    """Work until there are enough trials."""
    while (claim := trials.claim(most)) is not None:
        claim.finish(score(claim))
        claim.release()
    return [trial.settings for trial in trials.all()]


def near(claim: Claim) -> float:
    return -abs(float(claim.settings["optim.lr"]) - 0.3)


def test_a_grid_is_tried_whole_and_once(tmp_path: Path) -> None:
    grid = plan(WIDTH, Dial("train.epochs", "int", 1, 3), method="grid")

    settings = do(Trials(tmp_path, grid), 6, lambda claim: 0.5)

    assert settings == [grid.combination(number) for number in range(6)]


@pytest.mark.parametrize("method", ["random", "tpe"])
def test_a_sweep_that_was_cut_draws_what_it_would_have_drawn(tmp_path: Path, method: str) -> None:
    chosen = plan(X, WIDTH, method=method)
    whole = do(Trials(tmp_path / "a", chosen), 14, near)
    for most in (3, 7):
        do(Trials(tmp_path / "b", chosen), most, near)
    cut = Trials(tmp_path / "b", chosen).claim(14)
    assert cut is not None
    cut.release()  # as a kill does

    again = do(Trials(tmp_path / "b", chosen), 14, near)

    assert again == whole
    assert len({json.dumps(settings) for settings in whole}) == 14


def test_another_seed_draws_other_values(tmp_path: Path) -> None:
    first, second = (do(Trials(tmp_path / str(s), plan(seed=s)), 3, near) for s in (1, 2))

    assert first != second


def test_tpe_learns_where_the_good_values_are(tmp_path: Path) -> None:
    settings = do(Trials(tmp_path, plan(method="tpe")), 30, near)

    late = [abs(float(str(one["optim.lr"])) - 0.3) for one in settings[20:]]
    assert sum(late) / len(late) < 0.2  # 0.29 if drawn evenly


def test_a_trial_that_was_cut_is_taken_up_with_what_it_had_drawn_and_reported(tmp_path: Path) -> None:
    trials = Trials(tmp_path, plan())
    claim = trials.claim(5)
    assert claim is not None
    claim.report(1, 0.4)
    assert Trials(tmp_path, plan()).claim(1) is None  # it is held
    claim.release()

    again = Trials(tmp_path, plan()).claim(5)

    assert again is not None
    assert (again.number, again.settings) == (claim.number, claim.settings)
    again.report(1, 0.4)
    again.report(2, 0.6)
    again.finish(0.6)
    (trial,) = trials.all()
    assert (trial.state, trial.value, trial.curve) == ("finished", 0.6, {1: 0.4, 2: 0.6})


def test_a_trial_that_kills_its_process_again_and_again_has_failed(tmp_path: Path) -> None:
    for _ in range(ATTEMPTS):
        claim = Trials(tmp_path, plan()).claim(1)
        assert claim is not None
        claim.release()

    assert Trials(tmp_path, plan()).claim(1) is None
    (trial,) = Trials(tmp_path, plan()).all()
    assert trial.state == "failed"
    assert trial.reason is not None
    assert "3 times" in trial.reason


def test_a_trial_that_gets_on_may_be_cut_often(tmp_path: Path) -> None:
    for epoch in range(1, 2 * ATTEMPTS):
        claim = Trials(tmp_path, plan()).claim(1)
        assert claim is not None
        claim.report(epoch, 0.5)
        claim.release()
    for _ in range(2 * ATTEMPTS):
        claim = Trials(tmp_path, plan()).claim(1)
        assert claim is not None
        claim.give_back()
        claim.release()

    (trial,) = Trials(tmp_path, plan()).all()
    assert trial.state == "running"


def test_a_failed_trial_counts_but_is_never_the_best(tmp_path: Path) -> None:
    trials = Trials(tmp_path, plan())
    claim = trials.claim(2)
    assert claim is not None
    claim.fail("HoldfastError: the loss is nan")
    claim.release()

    do(trials, 2, lambda claim: 0.1)

    assert [trial.state for trial in trials.all()] == ["failed", "finished"]
    best = trials.best()
    assert best is not None
    assert best.number == 1


@pytest.mark.parametrize(("maximize", "number"), [(True, 1), (False, 2)])
def test_the_best_is_the_first_with_the_highest_or_the_lowest_value(
    tmp_path: Path, maximize: bool, number: int
) -> None:
    trials = Trials(tmp_path, dataclasses.replace(plan(), maximize=maximize))
    do(trials, 5, lambda claim: [0.5, 0.9, 0.1, 0.9, 0.1][claim.number])

    best = trials.best()

    assert best is not None
    assert best.number == number


def test_the_worse_half_is_cut_at_the_median(tmp_path: Path) -> None:
    trials = Trials(tmp_path, plan(pruning=Pruning("median", 1)))
    do(trials, 5, lambda claim: [claim.report(1, 0.5), claim.report(2, 0.6)] and 0.6)  # type: ignore[func-returns-value]
    claim = trials.claim(6)
    assert claim is not None

    with pytest.raises(Pruned):
        claim.report(1, 0.4)
    claim.prune()

    trial = trials.all()[-1]
    assert (trial.state, trial.value) == ("pruned", 0.4)
    best = trials.best()
    assert best is not None
    assert best.value == 0.6


def test_halving_keeps_the_best_third_at_a_rung(tmp_path: Path) -> None:
    trials = Trials(tmp_path, plan(pruning=Pruning("halving", 2, 3)))
    kept = []
    for value in (0.5, 0.4, 0.3, 0.6):
        claim = trials.claim(4)
        assert claim is not None
        claim.report(1, 0.0)  # before the rung nobody is cut
        try:
            claim.report(2, value)
        except Pruned:
            claim.prune()
            continue
        kept.append(value)
        claim.finish(value)

    assert kept == [0.5, 0.6]


def test_no_trial_begins_once_the_target_is_reached(tmp_path: Path) -> None:
    trials = Trials(tmp_path, plan(target=0.9))

    do(trials, 10, lambda claim: 0.5 if claim.number < 2 else 0.95)

    assert len(trials.all()) == 3


def test_a_stopped_sweep_gives_no_trial_until_it_goes_on(tmp_path: Path) -> None:
    trials = Trials(tmp_path, plan())
    trials.stop("no network 'x'")

    assert trials.claim(1) is None
    assert trials.why_stopped() == "no network 'x'"
    trials.go_on()
    assert trials.claim(1) is not None


def test_says_which_dial_matters(tmp_path: Path) -> None:
    trials = Trials(tmp_path, plan(X, WIDTH))
    do(trials, 3, near)
    assert trials.importance() is None  # too few to tell

    do(trials, 25, near)

    shares = trials.importance()
    assert shares is not None
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["optim.lr"] > 0.9


def test_half_a_line_at_the_end_of_the_journal_is_dropped(tmp_path: Path) -> None:
    do(Trials(tmp_path, plan()), 2, near)
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write(b'{"op_code":4,"worker_')

    do(Trials(tmp_path, plan()), 4, near)

    assert len(Trials(tmp_path, plan()).all()) == 4


_WORK = """
import sys
from pathlib import Path
from holdfast.sweep.dial import Dial
from holdfast.sweep.plan import Plan, Pruning
from holdfast.sweep.trials import Trials
plan = Plan((Dial("optim.lr", "float", 0.0, 1.0),), "random", "accuracy", maximize=True)
trials = Trials(Path(sys.argv[1]), plan)
print("open", flush=True)
while (claim := trials.claim(int(sys.argv[2]))) is not None:
    claim.report(1, 0.5)
    claim.finish(0.5)
    claim.release()
"""


def work(folder: Path, most: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", _WORK, str(folder), str(most)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_processes_that_start_at_once_share_the_trials(tmp_path: Path) -> None:
    both = [work(tmp_path, 30) for _ in range(3)]

    assert [process.wait() for process in both] == [0, 0, 0]
    trials = Trials(tmp_path, plan()).all()
    assert [trial.state for trial in trials] == ["finished"] * 30
    assert len({trial.settings["optim.lr"] for trial in trials}) == 30


def test_a_kill_at_any_moment_loses_nothing(tmp_path: Path) -> None:
    whole = do(Trials(tmp_path / "whole", plan()), 40, near)
    folder = tmp_path / "killed"
    for _ in range(4):
        with work(folder, 40) as process:
            assert process.stdout is not None
            process.stdout.readline()
            try:
                process.wait(random.random() * 0.2)
            except subprocess.TimeoutExpired:
                process.kill()

    again = do(Trials(folder, plan()), 40, near)

    assert again == whole
    shutil.rmtree(folder)

from pathlib import Path

import pytest

from holdfast.config import Config
from holdfast.core.errors import ConfigError
from holdfast.sweep.dial import Dial
from holdfast.sweep.plan import Pruning
from holdfast.sweep.wandb import Sweep, is_wandb, read_wandb

CONFIG = Config()


def read(folder: Path, text: str) -> Sweep:
    file = folder / "sweep.yaml"
    file.write_text(text, encoding="utf-8")
    return read_wandb(file, CONFIG)


def one(folder: Path, parameter: str) -> Dial:
    (dial,) = read(folder, f"method: random\nparameters:\n  {parameter}\n").dials
    return dial


def test_reads_a_file_as_people_write_it(tmp_path: Path) -> None:
    # after the example in W&B's guide "Define a sweep configuration"
    sweep = read(
        tmp_path,
        """
program: train.py
name: sweepdemo
project: first
method: bayes
metric: {goal: minimize, name: validation_loss}
parameters:
  learning_rate: {min: 0.0001, max: 0.1}
  batch_size: {values: [16, 32, 64]}
  epochs: {values: [5, 10, 15]}
  optimizer: {values: ["adamw", "sgd"]}
  dropout: {value: 0.2}
early_terminate: {type: hyperband, min_iter: 3}
run_cap: 12
command: ["${env}", python, "${program}", "${args}"]
""",
    )

    assert sweep.dials == (
        Dial("optim.lr", "float", 0.0001, 0.1),  # W&B draws evenly unless it is told otherwise
        Dial("train.batch", "choice", choices=(16, 32, 64)),
        Dial("train.epochs", "choice", choices=(5, 10, 15)),
        Dial("optim.name", "choice", choices=("adamw", "sgd")),
    )
    assert sweep.fixed == {"model.dropout": 0.2}
    assert (sweep.method, sweep.metric, sweep.trials) == ("tpe", "loss", 12)
    assert sweep.pruning == Pruning("halving", 3, 3)
    told = "\n".join(sweep.notes)
    assert "learning_rate is read as optim.lr" in told
    assert "metric validation_loss is read as loss of the validation split" in told
    assert "not used from sweep.yaml: program, command, project, name" in told
    assert "rungs at 3, 9" in told


@pytest.mark.parametrize(
    ("parameter", "dial"),
    [
        ("lr: {min: 1e-5, max: 0.1}", Dial("optim.lr", "float", 1e-5, 0.1)),
        ("epochs: {min: 1, max: 9}", Dial("train.epochs", "int", 1, 9)),
        ("lr: {distribution: uniform, min: 0, max: 1}", Dial("optim.lr", "float", 0, 1)),
        (
            "lr: {distribution: log_uniform_values, min: 1e-5, max: 1e-2}",
            Dial("optim.lr", "float", 1e-5, 1e-2, log=True),
        ),
        (
            "batch_size: {distribution: q_log_uniform_values, q: 8, min: 32, max: 256}",
            Dial("train.batch", "int", 32, 256, log=True, round_to=8),
        ),
        (
            "batch_size: {distribution: q_uniform, q: 8, min: 30, max: 66}",
            Dial("train.batch", "int", 32, 64, step=8),
        ),
        ("dropout: {distribution: normal, mu: 0.3, sigma: 0.05}", Dial("model.dropout", "normal", 0.3, 0.05)),
        (
            "lr: {distribution: log_normal, mu: -7, sigma: 1}",
            Dial("optim.lr", "normal", -7, 1, log=True),
        ),
        ("optim: {parameters: {lr: {values: [1, 2]}}}", Dial("optim.lr", "choice", choices=(1, 2))),
        ("model: {parameters: {net: {parameters: {dropout: {values: [0, 0.1]}}}}}", None),
    ],
)
def test_reads_each_distribution(tmp_path: Path, parameter: str, dial: Dial | None) -> None:
    assert one(tmp_path, parameter) == (dial or Dial("model.dropout", "choice", choices=(0, 0.1)))


def test_log_uniform_gives_exponents_of_e(tmp_path: Path) -> None:
    dial = one(tmp_path, "lr: {distribution: log_uniform, min: -9.21034, max: -4.60517}")

    assert dial.ends() == pytest.approx([1e-4, 1e-2], rel=1e-4)
    assert dial.log


def test_hyperband_by_max_iter_counts_its_brackets_down(tmp_path: Path) -> None:
    # W&B's own example: brackets at 27/3 = 9 and 9/3 = 3
    text = "method: grid\nparameters: {lr: {values: [1, 2]}}\n"

    sweep = read(tmp_path, text + "early_terminate: {type: hyperband, max_iter: 27, s: 2}\n")

    assert sweep.pruning == Pruning("halving", 3, 3)


def test_tells_every_problem_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has 12 problems") as told:
        read(
            tmp_path,
            """
methd: grid
method: baes
metric: {name: test_accuracy, goal: maximize}
early_terminate: {type: hyperbnd}
run_cap: many
parameters:
  learning_rte: {min: 0, max: 1}
  lora_r: {values: [8, 16]}
  batch_size: {distribution: beta, min: 1, max: 2}
  lr: {mn: 1, max: 2}
  epochs: 5
  optimizer: {values: [adamw], probabilities: [1]}
  dropout: {max: 3}
""",
        )

    message = told.value.message
    assert "methd: unknown key; did you mean 'method'?" in message
    assert "method: expected grid, random or bayes, got 'baes'; did you mean 'bayes'?" in message
    assert "metric.name: 'test_accuracy' is not measured on the validation split" in message
    assert "parameters.learning_rte: no setting is called so; did you mean 'optim.lr'?" in message
    assert "parameters.lora_r: no setting is called so" in message
    assert "distribution 'beta' is not read" in message
    assert "parameters.lr: unknown key 'mn'; did you mean 'min'?" in message
    assert "parameters.epochs: expected value, values, or min and max, got 5" in message


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("{name: val_acc, goal: minimize}", "metric.goal: accuracy is there to maximize, got 'minimize'"),
        ("{name: train_loss, goal: minimize}", "'train_loss' is not measured on the validation split"),
        ("val_loss", "metric: expected name and goal, got 'val_loss'"),
        ("{name: val_loss, gaol: minimize}", "metric.gaol: unknown key; did you mean 'goal'?"),
        ("{name: val_loss, target: low}", "metric.target: expected a number, got 'low'"),
    ],
)
def test_says_what_is_wrong_with_the_metric(tmp_path: Path, metric: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(tmp_path, f"method: grid\nparameters: {{lr: {{values: [1, 2]}}}}\nmetric: {metric}\n")


def test_two_names_of_one_setting_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"parameters.learning_rate: means optim.lr, as lr does"):
        read(tmp_path, "method: grid\nparameters: {lr: {values: [1, 2]}, learning_rate: {values: [1, 2]}}\n")


def test_a_file_of_settings_is_no_sweep(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("optim: {lr: 0.1}\n")
    (tmp_path / "sweep.yaml").write_text("parameters: {lr: {value: 1}}\n")

    assert not is_wandb(tmp_path / "settings.yaml")
    assert is_wandb(tmp_path / "sweep.yaml")

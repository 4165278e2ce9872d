from typing import Any

import pytest

from holdfast.tracking import environment
from holdfast.workflows.circumstances import differences, reasons

THEN: dict[str, Any] = {
    "python": "3.11.7",
    "platform": {"system": "Linux", "machine": "x86_64"},
    "packages": {"torch": "2.9.0", "numpy": "2.3.0", "onnx": "1.19"},
    "processors": 2,
    "processor": "Xeon",
    "git": {"commit": "a" * 40, "dirty": False, "diff_digest": None},
}
FACTS = {"device": "cpu", "precision": "fp32", "threads": 1}


def found(facts: dict[str, Any] = FACTS, **now: Any) -> list[tuple[str, Any, Any]]:
    rows = differences(THEN, {**THEN, **now}, [FACTS, facts])
    return [(row["what"], row["then"], row["now"]) for row in rows]


def test_what_a_training_began_from_is_the_likeliest_reason() -> None:
    before, after = (
        {**FACTS, "pretrained": digest, "tokenizer": "t", "threads": n} for digest, n in [("a", 1), ("b", 2)]
    )

    rows = differences(THEN, THEN, [before, after])

    assert [row["what"] for row in rows] == ["threads", "pretrained"]
    assert reasons(rows)[0] == "pretrained: the files of model.source are others than they were (a → b)"


def test_the_same_around_both_differs_in_nothing() -> None:
    here = environment()

    assert found() == []
    assert differences(here, here, [FACTS, FACTS]) == []


@pytest.mark.parametrize(
    ("now", "row"),
    [
        ({"python": "3.12.1"}, ("python", "3.11.7", "3.12.1")),
        ({"platform": {"system": "Darwin", "machine": "x86_64"}}, ("platform.system", "Linux", "Darwin")),
        ({"packages": {**THEN["packages"], "torch": "2.10.0"}}, ("packages.torch", "2.9.0", "2.10.0")),
        ({"packages": {"torch": "2.9.0", "numpy": "2.3.0"}}, ("packages.onnx", "1.19", None)),
        ({"processor": "Epyc"}, ("processor", "Xeon", "Epyc")),
        ({"git": {**THEN["git"], "commit": "b" * 40}}, ("git.commit", "a" * 40, "b" * 40)),
        ({"git": {**THEN["git"], "dirty": True, "diff_digest": "c"}}, ("git.changes", "none", "c")),
        ({"git": {**THEN["git"], "dirty": None}}, ("git.changes", "none", "unknown")),
    ],
)
def test_each_difference_is_listed(now: dict[str, Any], row: tuple[str, Any, Any]) -> None:
    assert found(**now) == [row]


def test_outside_of_a_checkout_the_code_is_unknown() -> None:
    assert found(git=None) == [("git.commit", "a" * 40, None), ("git.changes", "none", "unknown")]


def test_what_training_used_is_compared_too() -> None:
    assert found({**FACTS, "threads": 2, "precision": "bf16"}) == [
        ("precision", "fp32", "bf16"),
        ("threads", 1, 2),
    ]


def test_what_an_older_release_did_not_write_down_is_not_said_to_differ() -> None:
    assert differences({**THEN, "processor": None}, THEN, [{}, FACTS]) == []


def test_the_likeliest_reason_comes_first() -> None:
    now = {**THEN, "python": "3.12.1", "packages": {**THEN["packages"], "torch": "2.10.0", "onnx": "1.20"}}

    told = reasons(differences(THEN, now, [FACTS, {**FACTS, "threads": 2}]))

    assert [line.split(":")[0] for line in told] == ["threads", "packages.torch", "python"]


def test_more_processors_are_no_reason_where_the_threads_are_as_many() -> None:
    assert reasons(differences(THEN, {**THEN, "processors": 64}, [FACTS, FACTS])) == []

"""What is heard when: few lines, however long the recording."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from holdfast.cli.report import predictions
from holdfast.cli.timeline import timeline


def windows(rows: list[list[float]]) -> list[dict[str, Any]]:
    return [
        {
            "start_s": 2.5 * place,
            "end_s": 2.5 * place + 5,
            "probabilities": {f"bird{number}": value for number, value in enumerate(row)},
        }
        for place, row in enumerate(rows)
    ]


def test_a_recording_of_several_windows_is_told_over_time() -> None:
    item = {
        "name": "dawn.ogg",
        "labels": ["bird0"],
        "probabilities": {"bird0": 0.6, "bird1": 0.4},
        "windows": windows([[1.0, 0.0], [0.75, 0.25], [0.05, 0.95]]),
    }

    assert predictions({"predictions": [item]}).splitlines() == [
        "dawn.ogg: bird0 60.0%",
        "  bird0  |█▆ |",
        "  bird1  | ▂█|  0.0 to 10.0 s",
        "  0.0 to 7.5 s   bird0 87.5%",
        "  5.0 to 10.0 s  bird1 95.0%",
    ]


def test_a_recording_of_one_window_needs_one_line() -> None:
    item = {"name": "a", "labels": ["bird0"], "probabilities": {"bird0": 1.0}, "windows": windows([[1.0]])}

    assert predictions({"predictions": [item]}) == "a: bird0 100.0%"


@given(st.lists(st.lists(st.floats(0, 1), min_size=7, max_size=7), min_size=1, max_size=200))
def test_a_plot_is_never_wider_than_a_terminal_nor_higher_than_five_labels(rows: list[list[float]]) -> None:
    plots = [line for line in timeline(windows(rows)) if "|" in line]

    assert 1 <= len(plots) <= 5
    assert all(len(line.split("|")[1]) == len(plots[0].split("|")[1]) <= 60 for line in plots)

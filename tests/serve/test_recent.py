"""A server of several models knows for a while which of them gave a prediction."""

from holdfast.serve.recent import Recent


def test_what_was_given_first_is_forgotten_first() -> None:
    recent = Recent(most=3)

    recent.note(["a", "b"], (["owl"], "single"))
    recent.note(["c", "d"], (["red"], "multi"))

    assert recent.kind("a") is None
    assert recent.kind("b") == (["owl"], "single")
    assert recent.kind("d") == (["red"], "multi")
    assert recent.kind(["d"]) is None

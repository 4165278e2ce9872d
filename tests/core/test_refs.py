import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.errors import RefError
from holdfast.core.refs import Ref, check_name, did_you_mean, name_from, parse_ref

names = st.from_regex(r"[a-z][a-z0-9._-]{0,20}", fullmatch=True)
refs = st.one_of(
    st.builds(Ref, names),
    st.builds(Ref, names, version=st.integers(1, 10**6)),
    st.builds(Ref, names, alias=names),
)


@given(refs)
def test_reads_back_what_it_writes(ref: Ref) -> None:
    assert parse_ref(str(ref)) == ref


@pytest.mark.parametrize(
    "text", ["", "Birds", "birds@", "birds@0", "birds@3x", "a/b", "../x", "birds@@1", "a b"]
)
def test_says_what_a_reference_looks_like(text: str) -> None:
    with pytest.raises(RefError, match="is not a reference\nhint: write NAME, NAME@VERSION or NAME@ALIAS"):
        parse_ref(text)


@given(st.text())
def test_makes_a_name_of_any_text_or_asks_for_one(text: str) -> None:
    try:
        name = name_from(text)
    except RefError:
        name = "asked"

    assert check_name(name)


@pytest.mark.parametrize(
    ("text", "name"),
    [("Brain MRI (2)", "brain_mri_2"), ("2024", "2024"), ("Äpfel", "pfel"), ("猫 pictures", "pictures")],
)
def test_a_name_is_made_of_what_most_of_a_text_is(text: str, name: str) -> None:
    assert name_from(text) == name


@pytest.mark.parametrize("text", ["猫犬", "写真 2", "猫a", "", "..", "?", "\udcff\udcfe"])
def test_no_name_is_made_of_what_others_may_make_the_same_name_of(text: str) -> None:
    with pytest.raises(RefError, match=r"^no name can be made from"):
        name_from(text)


def test_guesses_what_was_meant() -> None:
    assert did_you_mean("brids", ["birds", "faces"]) == "birds"
    assert did_you_mean("xyz", ["birds", "faces"]) is None

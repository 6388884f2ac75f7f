"""A name such as `vv+vh+dem` stands for channels, always in one order."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landslide.chips.inputs import (
    COHERENCE,
    PAPER_INPUTS,
    STATIC_GROUPS,
    TERMS,
    TERRAIN,
    parse_inputs,
    union,
)

SAR = ("vv_before", "vv_after", "vh_before", "vh_after")


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("vv", SAR[:2]),
        ("vh", SAR[2:]),
        ("vv+vh", SAR),
        ("vv+vh+dem", SAR + TERRAIN),
        ("dem", TERRAIN),
        ("slope", ("dem_slope_radians",)),
        ("vh+aspect+coherence", (*SAR[2:], "dem_aspect", *COHERENCE)),
        ("elevation+curvature", ("dem", "dem_curvature")),
    ],
)
def test_a_name_gives_its_channels_in_order(name: str, channels: tuple[str, ...]) -> None:
    assert parse_inputs(name).channels == channels


def test_the_papers_inputs_have_2_2_4_and_8_channels() -> None:
    assert [len(parse_inputs(name).channels) for name in PAPER_INPUTS] == [2, 2, 4, 8]


def test_coherence_channels_are_made_of_one_variable() -> None:
    assert parse_inputs("vv+dem+coherence").variables == ("vv", *TERRAIN, "coherence")


@pytest.mark.parametrize("name", [" DEM + vh +VV", "dem+vv+vh", "vh+dem+vv", "VV+VH+DEM"])
def test_spelling_and_order_do_not_matter(name: str) -> None:
    assert parse_inputs(name) == parse_inputs("vv+vh+dem")
    assert parse_inputs(name).name == "vv+vh+dem"


@pytest.mark.parametrize("name", ["", "vv+", "hv", "vv,vh", "vv_before", "vv++vh"])
def test_an_unknown_term_is_named_with_those_that_exist(name: str) -> None:
    with pytest.raises(
        ValueError, match=r"unknown input .*join terms of vv, vh, opposite, dem"
    ) as error:
        parse_inputs(name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["vv+vv", "dem+slope", "elevation+dem", "vv+VV"])
def test_a_channel_named_twice_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match="name a channel twice"):
        parse_inputs(name)


def names() -> st.SearchStrategy[str]:
    """Draw any valid name."""
    terms = st.lists(st.sampled_from(TERMS), min_size=1, unique=True)
    valid = terms.filter(
        lambda t: "dem" not in t or not set(t) & (set(STATIC_GROUPS) - {"dem", "coherence"})
    ).filter(lambda t: "opposite" not in t or bool({"vv", "vh"} & set(t)))
    return valid.map("+".join)


@given(names())
def test_a_canonical_name_stands_for_itself(name: str) -> None:
    parsed = parse_inputs(name)
    assert parse_inputs(parsed.name) == parsed


@given(st.lists(names(), min_size=1, max_size=4))
def test_a_union_has_every_channel_once_in_the_order_of_its_members(inputs: list[str]) -> None:
    everything = union(inputs).channels
    assert len(set(everything)) == len(everything)
    members = [parse_inputs(name).channels for name in inputs]
    assert set(everything) == set(itertools.chain(*members))
    for channels in members:
        assert [c for c in everything if c in channels] == list(channels)


def test_a_union_does_not_depend_on_the_order_of_its_members() -> None:
    assert union(["dem", "vh"]).channels == union(["vh", "dem"]).channels

"""What every product of a map must say of itself."""

import dataclasses
import json
from typing import Any

import pytest

from landslide.cube.events import load_event
from landslide.mapping.facts import (
    UNVALIDATED,
    MapFacts,
    Member,
    Reliability,
    facts_from_json,
    facts_to_json,
)


def facts(**changes: Any) -> MapFacts:
    kept = MapFacts(
        event=load_event("hokkaido"),
        inputs="vv+vh",
        timesteps=2,
        images_before=("2018-08-12T20:42:15", "2018-08-24T20:42:15"),
        images_after=("2018-09-05T20:42:15", "2018-09-17T20:42:15"),
        orbit="46",
        cube="gs://bucket/hokkaido.zarr",
        members=(Member("model/0", "abc", "gs://bucket/other.zarr"), Member("model/1")),
        threshold=0.4,
        threshold_from="maximised F1 on validation",
        temperature=(1.5, 1.25),
        reliability=Reliability(0.1, 0.02, 1000, {"predicted": (0.1, 0.9), "observed": (0.2, 0.8)}),
        warnings=("Trained on chips with landslides only.",),
        provenance={"cube digest": "ff"},
        versions={"torch": "2.10"},
    )
    return dataclasses.replace(kept, **changes)


@pytest.mark.parametrize("changes", [{}, {"temperature": None, "reliability": None}])
def test_facts_come_back_from_json_as_they_were(changes: dict[str, Any]) -> None:
    assert facts_from_json(facts_to_json(facts(**changes))) == facts(**changes)


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"members": [{"who": 1}]})])
def test_what_are_no_facts_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"facts\.json are not what this version writes"):
        facts_from_json(text, "facts.json")


def test_a_map_says_what_it_is_from_which_images_and_what_to_beware_of() -> None:
    said = facts().statements()
    assert said[0] == UNVALIDATED
    assert "2018-08-12, 2018-08-24" in said[1]
    assert "2018-09-05, 2018-09-17" in said[1]
    assert said[2:] == facts().warnings
    assert facts(simulated=True).statements()[0].startswith("Simulated data")


def test_names_say_event_and_date() -> None:
    assert facts().stem == "hokkaido_20180905"
    odd = dataclasses.replace(load_event("hokkaido"), name="a/b c")
    assert facts(event=odd).stem == "a-b-c_20180905"


@pytest.mark.parametrize("changes", [{"threshold": 1.5}, {"members": ()}])
def test_a_map_has_a_model_and_a_probability_for_threshold(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"threshold|model"):
        facts(**changes)

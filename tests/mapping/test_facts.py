"""What every product of a map must say of itself."""

import dataclasses
import json
from types import SimpleNamespace
from typing import Any

import pytest

from landslide.cube.events import load_event
from landslide.mapping.facts import UNVALIDATED, facts_to_json
from landslide.mapping.members import load_members, reliability_facts, threshold_of

from .synthetic import make_facts


@pytest.mark.parametrize("changes", [{}, {"temperature": None, "reliability": None}])
def test_facts_stand_in_json_by_their_names(changes: dict[str, Any]) -> None:
    facts = make_facts(**changes)
    said = json.loads(facts_to_json(facts))
    assert set(said) == {each.name for each in dataclasses.fields(facts)}
    assert said["event"]["name"] == "hokkaido"
    assert said["threshold"] == facts.threshold
    assert said["temperature"] == (facts.temperature and list(facts.temperature))
    assert [member["address"] for member in said["members"]] == [m.address for m in facts.members]


def test_a_map_says_what_it_is_from_which_images_and_what_to_beware_of() -> None:
    said = make_facts().statements()
    assert said[0] == UNVALIDATED
    assert "2018-08-12, 2018-08-24" in said[1]
    assert "2018-09-05, 2018-09-17" in said[1]
    assert said[2:] == make_facts().warnings
    assert make_facts(simulated=True).statements()[0].startswith("Simulated data")


def test_images_of_the_opposite_orbit_and_pairs_are_named_too() -> None:
    both = make_facts(opposite_before=("2018-08-30T09:00:00",), opposite_after=("2018-09-11",))
    assert both.statements()[2] == (
        "From images of the opposite orbit before the event of 2018-08-30 and after it of "
        "2018-09-11."
    )
    nothing = {"images_before": (), "images_after": ()}
    pairs = ("2018-08-12T20:42:15/2018-08-24T20:42:15", "2018-08-24T20:42:15/2018-09-05T20:42:15")
    coherence = make_facts(**nothing, pairs=pairs)
    assert coherence.statements()[1] == (
        "From the coherence of pairs of images of 2018-08-12 and 2018-08-24; 2018-08-24 and "
        "2018-09-05."
    )
    assert make_facts(**nothing).statements()[1] == "From no image."


def test_a_map_without_a_model_is_refused() -> None:
    with pytest.raises(ValueError, match="one model or more"):
        load_members([])
    with pytest.raises(FileNotFoundError, match="nothing-here"):
        load_members("nothing-here")  # one address, and not its letters


def test_the_threshold_of_several_models_is_the_mean_of_theirs() -> None:
    bundles: list[Any] = [
        SimpleNamespace(calibration=SimpleNamespace(threshold=each)) for each in (0.2, 0.6)
    ]
    threshold, origin = threshold_of(bundles, "auto")
    assert threshold == pytest.approx(0.4)
    assert origin == "mean of what maximised each model's F1 on its validation part"


def test_the_calibration_error_of_several_models_is_the_mean_of_theirs() -> None:
    def calibrated(error: float, pixels: tuple[int, ...]) -> Any:
        table = SimpleNamespace(
            expected_calibration_error=error, pixels=pixels, predicted=(0.1,), observed=(0.2,)
        )
        tables = {"validation_before": table, "validation_after": table}
        return SimpleNamespace(calibration=SimpleNamespace(reliability=tables))

    found = reliability_facts([calibrated(0.1, (900, 100)), calibrated(0.3, (600, 40))])
    assert found is not None
    assert (found.before, found.after) == pytest.approx((0.2, 0.2))
    assert (found.pixels, found.bins) == (640, {})  # each was measured on as many at least


def test_names_say_event_and_date() -> None:
    assert make_facts().stem == "hokkaido_20180905"
    odd = dataclasses.replace(load_event("hokkaido"), name="a/b c")
    assert make_facts(event=odd).stem == "a-b-c_20180905"

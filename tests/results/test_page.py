"""The page of results: all it says follows from the rows and the setting."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from landslide.chips.split import Chipping
from landslide.results.page import BY_HAND, results_page
from landslide.results.setting import PAPER_SHAPE, Detector, Setting

PARTS = {"train": 216, "test": 61, "unused": 32}
RAN = {
    "parameters": 48_982_754,
    "train_chips": 216,
    "seconds": 30.0,
    "versions": json.dumps({"torch": "2.10.0"}),
}


@pytest.fixture
def setting() -> Setting:
    return Setting(
        command="sweeps/experiment.py hokkaido --seeds 0 1 2",
        shape=PAPER_SHAPE,
        images=26,
        chips={"paper": PARTS, "blocked": {"train": 994, "validation": 210, "test": 220}},
        chipping={"paper": Chipping(), "blocked": Chipping("blocked", block_size=640)},
        figures={"Figure 4: scores": "docs/results-figure4.png"},
        detector={},
    )


def detector_rows(scores: dict[tuple[str, int], float]) -> pd.DataFrame:
    """Return scores as rows of one seed that kept no histograms."""
    return pd.DataFrame(
        [(*name, auprc, 0.09, 0, None, None) for name, auprc in scores.items()],
        columns=[
            *("inputs", "timesteps", "auprc", "prevalence"),
            *("seed", "histogram_positive", "test_blocks"),
        ],
    )


@pytest.fixture
def both(table_of, paper_rows):
    """Rows of both protocols, with changes to all."""

    def make(**changes):
        many = {"protocol": "blocked", "split_digest": "b10c", "epochs": 25, "train_chips": 994}
        rows = paper_rows(**RAN | {"device": "NVIDIA H200"} | changes)
        return table_of(rows + paper_rows(**RAN | {"device": "NVIDIA H200"} | many | changes))

    return make


def test_rows_of_two_states_of_the_code_name_the_libraries_once(table_of, paper_rows, setting):
    made = [
        replace(row, versions=json.dumps({"python": "3.12", "landslide": f"0.1.0+{row.seed}"}))
        for row in paper_rows(**RAN)
    ]
    page = results_page(table_of(made), setting)
    assert (
        "| versions | landslide 0.1.0+0; landslide 0.1.0+1; landslide 0.1.0+2; python 3.12 |"
        in page
    )


def test_the_whole_experiment_on_a_gpu_falls_short_of_nothing(both, setting):
    page = results_page(both(), setting)
    assert "What this is not" not in page
    assert "simulated" not in page.lower()
    assert "| 4398 x 5382 pixels, 26 images, hokkaido | 4398 x 5382 pixels, Hokkaido |" in page
    assert "| chips, paper protocol | 216 train, 61 test, 32 unused | 216 train, 61 test |" in page
    assert "epochs 100, batches of 64, optimiser steps 400" in page
    assert "epochs 25, batches of 64, optimiser steps 400" in page
    assert "NVIDIA H200, float16" in page
    assert "torch 2.10.0" in page
    assert "```sh\nsweeps/experiment.py hokkaido --seeds 0 1 2\n```" in page
    assert "![Figure 4: scores](docs/results-figure4.png)" in page


def test_a_device_whose_steps_ran_compiled_is_said_to_have(table_of, paper_rows, setting):
    rows = paper_rows(**RAN | {"device": "NVIDIA H200"})
    some = [replace(row, compiled=n < 3) for n, row in enumerate(rows[:6])]
    page = results_page(table_of([*some, *rows[6:]]), setting)
    assert "| device | NVIDIA H200, float16; NVIDIA H200, float16, compiled |" in page


def test_claims_stand_beside_what_each_protocol_says_of_them(both, setting):
    page = results_page(both(), setting)
    header = "| claim | paper protocol | blocked protocol |"
    assert header in page
    assert "| VV beats VH | held | held |" in page
    assert page.index("hokkaido, paper protocol") > page.index(header)


def test_the_prevalence_stands_beside_the_bounds_that_belong_to_the_papers(both, setting):
    detector = {"paper": Detector(*[detector_rows({("dem", 0): 0.12})] * 2)}
    rows = both(simulated=True)
    rows.loc[rows["protocol"] == "blocked", "prevalence"] = 0.02
    page = results_page(rows, replace(setting, detector=detector))
    assert "| prevalence, a random score (the paper's: 0.09) | 0.090 | 0.020 | 0.090 |" in page
    assert "that DEM alone keeps below it is hardly a test there" in page


def test_trials_of_a_cpu_and_of_gpus_stay_apart(table_of, paper_rows, setting):
    rows = paper_rows(2, **RAN)
    other = [replace(row, precision="float32", key=f"a{row.key}") for row in paper_rows(3, **RAN)]
    page = results_page(table_of(rows + other), setting)
    assert "| claim | paper protocol, precision float32 | paper protocol, precision mixed |" in page


def test_rows_that_differ_in_their_setup_alone_have_a_column_each(table_of, paper_rows, setting):
    rows = [
        replace(row, setup=f"5e7{seed}", key=f"{seed}{row.key}")
        for seed in (0, 1)
        for row in paper_rows(1, **RAN)
    ]
    page = results_page(table_of(rows), setting)
    assert "| claim | paper protocol, setup 5e70 | paper protocol, setup 5e71 |" in page


def test_what_falls_short_is_said_and_that_data_are_simulated(table_of, paper_rows, setting):
    small = replace(setting, shape=(1280, 1536), chips={"paper": PARTS})
    rows = paper_rows(
        2, **RAN | {"device": "cpu", "preset": "quick", "epochs": 25, "simulated": True}
    )
    page = results_page(table_of(row for row in rows if row.inputs != "dem"), small)
    assert "**The cube is simulated.**" in page
    assert "No GPU was at hand" in page
    assert "1280 x 1536 pixels, not the 4398 x 5382" in page
    assert "quick preset" in page
    assert "25 epochs, not 100" in page
    assert "Under the paper protocol 1 of the paper's 17 models have no score" in page
    assert "The blocked protocol was not run" in page
    assert "fewer than three seeds" in page


def test_failed_trials_are_counted_and_named(table_of, paper_rows, make_row, setting):
    rows = [*paper_rows(**RAN), make_row(seed=7, error="out of memory")]
    page = results_page(table_of(rows), setting)
    assert "- 1 trials failed" in page
    assert "FAILED vv, timesteps 1, seed 7: out of memory" in page
    with pytest.raises(ValueError, match="every trial failed"):
        results_page(table_of(rows).query("error.notna()"), setting)


def test_the_exact_detector_says_where_the_simulation_is_against_a_claim(both, setting):
    scores = {(name, n): 0.5 + 0.05 * n for name in ("vh", "vv+vh") for n in (1, 2, 3, 4)}
    scores |= {("vv", n): 0.4 - 0.01 * n for n in (1, 2, 3, 4)} | {("dem", 0): 0.12}
    detector = {"paper": Detector(*[detector_rows(scores)] * 2)}
    page = results_page(both(simulated=True), replace(setting, detector=detector))
    assert "exact detector, paper protocol |" in page
    assert "| VV beats VH | held | held | against it |" in page
    assert "| AUPRC grows with timesteps | held | held | against it |" in page
    assert "| The DEM helps at 1 and 2 timesteps | held | held | no data |" in page
    assert "| vh | 0.550 | 0.600 | 0.650 | 0.700 |" in page
    assert "| dem | 0.120 |  |  |  |" in page
    assert "## Where a claim is not held" not in page


def test_where_the_land_cover_changes_what_the_detector_says_both_are_said(both, setting):
    told = {(name, n): 0.5 for name in ("vv+vh", "vv+vh+dem") for n in (1, 2, 3, 4)}
    alone = told | {("vv+vh+dem", n): 0.6 for n in (1, 2, 3, 4)}
    found = Detector(detector_rows(alone), detector_rows(told))
    page = results_page(both(simulated=True), replace(setting, detector={"paper": found}))
    assert "| held | held | for it; told the land cover, neither way |" in page
    assert "| held | held | against it; told the land cover, for it |" in page
    table = page.split("Told the land cover of each pixel:")
    assert "| vv+vh+dem | 0.600 | 0.600 | 0.600 | 0.600 |" in table[0]
    assert "| vv+vh+dem | 0.500 | 0.500 | 0.500 | 0.500 |" in table[1]


def test_times_are_the_rows_own(table_of, paper_rows, setting):
    start = datetime(2026, 11, 24, tzinfo=UTC)
    changes = RAN | {"seconds": 90.0, "written_at": start}
    rows = paper_rows(1, **changes)
    late = replace(rows[-1], written_at=start + timedelta(hours=2))
    page = results_page(table_of([*rows[:-1], late]), setting)
    assert "17 models took 25.5 min in all" in page
    assert "2.02 h went by" in page
    assert "| vv+vh | 90.0 | 90.0 | 90.0 | 90.0 |" in page


def test_what_was_written_by_hand_stays(both, setting):
    rows = both()
    page = results_page(rows, setting)
    assert page.endswith(f"{BY_HAND}\n")
    by_hand = "\n\n## Why\n\nA reason.\n"
    again = results_page(rows, setting, page.rstrip("\n") + by_hand)
    assert again == page.rstrip("\n") + by_hand
    assert results_page(rows, setting, "# Something else\n") == page


def test_of_a_claim_that_is_not_held_the_cause_is_looked_for(table_of, paper_rows, setting):
    worse = [
        replace(row, auprc=row.auprc - 0.2 * (row.inputs == "vv"), key=f"a{row.key}")
        for row in paper_rows(3, **RAN)
    ]
    scores = {("vv", n): 0.6 for n in (1, 2, 3, 4)} | {("vh", n): 0.5 for n in (1, 2, 3, 4)}
    detector = {"paper": Detector(*[detector_rows(scores)] * 2)}
    page = results_page(table_of(worse), replace(setting, detector=detector))
    table = page[page.index("## Where a claim is not held") :].splitlines()
    assert table[2].startswith("| protocol | claim | the models | the exact detector |")
    (line,) = [line for line in table if "VV beats VH: against" in line]
    assert line.startswith("| paper |")
    assert "| vv - vh +0.100 |" in line
    assert line.endswith("| training, the split or what neighbours tell |")


def test_how_far_apart_blocks_lie_is_said_and_that_touching_ones_have_neighbours(both, setting):
    page = results_page(both(), setting)
    assert "220 test; blocks of 640 pixels, 128 between parts |" in page
    touching = {"blocked": Chipping("blocked", buffer=32)}
    page = results_page(both(), replace(setting, chipping=touching))
    assert "the parts are 32 pixels apart, less than a chip" in page


def test_what_a_verdict_means_is_said(both, setting):
    page = results_page(both(), setting)
    assert "the 14 verdicts are not corrected for their number" in page
    assert "says that the pipeline finds it again" not in page
    assert "says that the pipeline finds it again" in results_page(both(simulated=True), setting)

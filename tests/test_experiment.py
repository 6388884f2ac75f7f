"""A sweep's configurations, the keys of their rows, and the row that a trial earns."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from sklearn.metrics import average_precision_score

from landslide.chips.inputs import PAPER_INPUTS, PAPER_TIMESTEPS
from landslide.chips.loading import load_chips
from landslide.chips.split import TEST, TRAIN, UNUSED, VALIDATION, Chipping
from landslide.chips.stream import stream_chips
from landslide.cube.events import Event, event_to_attribute
from landslide.cube.labels import NO_DATA
from landslide.cube.store import open_cube
from landslide.experiment import (
    Experiment,
    configurations,
    earned_row,
    failed_row,
    origin_digest,
    plan_experiment,
    row_key,
    run_trial,
    setup_digest,
    versions,
    with_baseline,
)
from landslide.results.histograms import binned_average_precision
from landslide.results.table import results_table, row_keys, write_row
from landslide.training.config import TrainingConfig
from landslide.training.train import Trained

INSTANT = np.datetime64("2020-05-04T12:00", "ns")
EVENT = Event("quake", INSTANT, INSTANT)
CHIPPING = Chipping(chip_size=32)
SMALL = TrainingConfig(
    inputs="vv",
    timesteps=2,
    network="quick",
    epochs=4,
    batch_size=4,
    threads=1,
    preset="quick",
)
SHAPE = (96, 160)  # 3 x 5 chips
SPELT_OUT = "vv+elevation+slope+aspect+curvature"
DAYS = (-24, -12, 12, 24)


def write_cube(folder: Path) -> str:
    """Write a cube of two images on either side, in which landslides darken VV."""
    random = np.random.default_rng(0)
    labels = np.zeros(SHAPE, np.uint8)
    for y in range(0, SHAPE[0], 32):
        for x in range(0, SHAPE[1], 32):
            labels[y + 4 : y + 14, x + 6 : x + 22] = 1
    labels[5, 40:60] = NO_DATA
    times = [INSTANT + np.timedelta64(day, "D") for day in DAYS]
    darker = np.array([0, 0, -2, -2])[:, None, None] * (labels == 1)
    images = np.exp(-2 + random.normal(0, 0.4, (4, *SHAPE)) + darker).astype(np.float32)
    images[:, 40:44, 3:9] = np.nan  # layover
    terrain = {
        name: (("y", "x"), random.uniform(0, 1, SHAPE).astype(np.float32))
        for name in ("dem", "dem_slope_radians", "dem_aspect", "dem_curvature")
    }
    cube = xr.Dataset(
        {
            "vv": (("timestep", "y", "x"), images),
            "vh": (("timestep", "y", "x"), images * np.float32(0.2)),
            "landslides": (("y", "x"), labels),
            **terrain,
        },
        coords={
            "timestep": times,
            "y": 4_700_000.0 - 10 * np.arange(SHAPE[0]),
            "x": 500_000.0 + 10 * np.arange(SHAPE[1]),
            "sat:orbit_state": ("timestep", ["descending"] * 4),
        },
        attrs={"event": event_to_attribute(EVENT)},
    )
    encoding = {name: {"chunks": (2, 48, 80)} for name in ("vv", "vh")}
    cube.to_zarr(str(folder / "quake.zarr"), consolidated=False, encoding=encoding)
    return str(folder / "quake.zarr")


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    return open_cube(write_cube(tmp_path_factory.mktemp("cube")))


@pytest.fixture(scope="module")
def experiment(cube: xr.Dataset) -> Experiment:
    return plan_experiment(cube, EVENT, CHIPPING, ["vv", "vv+vh", "dem"], [1, 2])


@pytest.fixture(scope="module")
def chips(cube: xr.Dataset, experiment: Experiment) -> xr.Dataset:
    return load_chips(
        stream_chips(
            cube,
            EVENT,
            inputs=experiment.inputs,
            timesteps=experiment.timesteps,
            chipping=CHIPPING,
            split=experiment.split,
        )
    )


# Trained results by inputs; their table, Any for pandas' sake; its address.
Sweep = tuple[dict[str, Trained], Any, str]


class TestConfigurations:
    def test_the_papers_sweep_is_sixteen_and_the_baseline(self) -> None:
        found = configurations(SMALL, with_baseline(PAPER_INPUTS), PAPER_TIMESTEPS, [0])
        assert len(found) == len(set(found)) == 17
        pairs = {(config.inputs, config.timesteps) for config in found}
        assert pairs == {(i, t) for i in PAPER_INPUTS for t in PAPER_TIMESTEPS} | {("dem", 0)}

    def test_each_seed_comes_with_all_of_them(self) -> None:
        found = configurations(SMALL, with_baseline(PAPER_INPUTS), PAPER_TIMESTEPS, [3, 1, 4])
        assert len(found) == 3 * 17
        assert [config.seed for config in found] == [3] * 17 + [1] * 17 + [4] * 17

    def test_all_else_is_the_presets(self) -> None:
        for config in configurations(SMALL, ["vv", "dem"], [1, 2], [5]):
            same: dict[str, Any] = {
                "inputs": SMALL.inputs,
                "timesteps": SMALL.timesteps,
                "seed": SMALL.seed,
            }
            assert replace(config, **same) == SMALL

    def test_what_is_said_twice_is_trained_once(self) -> None:
        assert len(configurations(SMALL, ["vv+vh", "vh+vv"], [2, 2], [0, 0])) == 1

    @pytest.mark.parametrize(
        ("inputs", "expected"),
        [
            (PAPER_INPUTS, [*PAPER_INPUTS, "dem"]),
            (["VH + vv"], ["vv+vh"]),
            (["vv+slope"], ["vv+slope"]),
            (["dem"], ["dem"]),
            (["vv+dem", "dem"], ["vv+dem", "dem"]),
            ([SPELT_OUT], [SPELT_OUT, "dem"]),
        ],
    )
    def test_the_baseline_joins_where_all_of_the_terrain_is_used(
        self, inputs: list[str], expected: list[str]
    ) -> None:
        assert with_baseline(inputs) == expected


class TestRowKey:
    def changed(self, experiment: Experiment, **changes: Any) -> str:
        return row_key(replace(experiment, **changes), SMALL, "float32")

    def test_it_is_a_digest_that_stays(self, experiment: Experiment) -> None:
        key = row_key(experiment, SMALL, "float32")
        assert key == row_key(replace(experiment), replace(SMALL), "float32")
        assert int(key, 16)

    @pytest.mark.parametrize(
        "changes",
        [
            {"inputs": "vv+vh"},
            {"timesteps": 1},
            {"seed": 1},
            {"network": "paper"},
            {"encoder_weights": "imagenet"},
            {"epochs": 5},
            {"batch_size": 5},
            {"learning_rate": 0.02},
            {"weight_decay": 0.0},
            {"plateau_factor": 0.5},
            {"plateau_patience": 3},
            {"plateau_threshold": 0.01},
            {"threads": 2},
            {"labelled_chips": 2},
        ],
    )
    def test_it_changes_with_the_training(
        self, changes: dict[str, Any], experiment: Experiment
    ) -> None:
        other = row_key(experiment, replace(SMALL, **changes), "float32")
        assert other != row_key(experiment, SMALL, "float32")

    @pytest.mark.parametrize(
        "changes",
        [
            {"cube_digest": "0" * 64},
            {"event": replace(EVENT, name="other")},
            {"event": replace(EVENT, end=INSTANT + np.timedelta64(1, "D"))},
            {"event": replace(EVENT, orbit_state="descending")},
            {"orbit": "any"},
            {"split": "{}"},
            {"inputs": ("vv",)},
            {"timesteps": (1, 2, 3)},
            {"sources": ("other",)},
        ],
    )
    def test_it_changes_with_the_data_the_split_and_the_mask(
        self, changes: dict[str, Any], experiment: Experiment
    ) -> None:
        assert self.changed(experiment, **changes) != row_key(experiment, SMALL, "float32")

    def test_it_changes_with_the_weights_to_begin_with_and_not_with_where_they_lie(
        self, experiment: Experiment, tmp_path: Path
    ) -> None:
        keys = set()
        for name, content in (("a", b"one"), ("b", b"one"), ("c", b"two")):
            (tmp_path / name).write_bytes(content)
            start = replace(SMALL, start=str(tmp_path / name))
            keys.add(row_key(experiment, start, "float32"))
        assert len(keys | {row_key(experiment, SMALL, "float32")}) == 3

    def test_it_does_not_change_with_the_blocks_of_a_saved_split_but_the_setup_does(
        self, experiment: Experiment
    ) -> None:
        blocked = [
            replace(CHIPPING, protocol="blocked", block_size=size, block_offset=offset)
            for size, offset in ((64, 0), (128, 0), (64, 32))
        ]
        each = [replace(experiment, chipping=chipping) for chipping in blocked]
        assert len({row_key(one, SMALL, "float32") for one in each}) == 1
        assert len({setup_digest(one, SMALL) for one in each}) == 3

    @pytest.mark.parametrize(
        "changes", [{"inputs": "vh"}, {"timesteps": 2}, {"seed": 7}, {"start": "w"}, {"threads": 3}]
    )
    def test_rows_of_one_section_share_their_setup(
        self, changes: dict[str, Any], experiment: Experiment
    ) -> None:
        here = setup_digest(experiment, SMALL)
        assert setup_digest(experiment, replace(SMALL, **changes)) == here

    def test_weights_to_begin_with_make_a_setup_by_what_trained_them(
        self, experiment: Experiment
    ) -> None:
        def begun(on: Experiment, seed: int, **changes: Any) -> tuple[str, str]:
            trained = replace(SMALL, seed=seed, **changes)
            config = replace(SMALL, seed=seed, start=f"weights-{seed}", origin="from elsewhere")
            config = replace(config, begun_on=origin_digest(on, trained))
            return setup_digest(experiment, config), row_key(experiment, config, "float32")

        first = begun(experiment, 0)
        assert begun(experiment, 1)[0] == first[0]
        assert begun(experiment, 0, inputs="vh")[0] == first[0]
        assert begun(experiment, 0, threads=SMALL.threads + 1)[0] == first[0]
        for other in (
            begun(replace(experiment, cube_digest="another"), 0),
            begun(experiment, 0, epochs=99),
        ):
            assert other[0] != first[0]
            assert other[1] == first[1]  # the weights themselves are in the key
        assert setup_digest(experiment, SMALL) != first[0]

    @pytest.mark.parametrize(
        "other",
        [
            {"orbit": "any"},
            {"event": replace(EVENT, end=INSTANT + np.timedelta64(1, "D"))},
            {"sources": ("other",)},
            {"chipping": replace(CHIPPING, protocol="blocked", block_size=96)},
        ],
    )
    def test_what_has_no_column_of_its_own_makes_another_setup(
        self, other: dict[str, Any], experiment: Experiment
    ) -> None:
        here = setup_digest(experiment, SMALL)
        assert setup_digest(replace(experiment, **other), SMALL) != here
        assert setup_digest(experiment, replace(SMALL, weight_decay=0.5)) != here

    def test_it_changes_with_the_arithmetic_not_with_how_it_was_asked_for(
        self, experiment: Experiment
    ) -> None:
        auto, mixed = (replace(SMALL, precision=wanted) for wanted in ("auto", "mixed"))
        assert row_key(experiment, auto, "mixed") == row_key(experiment, mixed, "mixed")
        assert row_key(experiment, auto, "mixed") != row_key(experiment, auto, "float32")

    @pytest.mark.parametrize(
        "changes",
        [
            {"cube": "gs://elsewhere/quake.zarr"},
            {"event": replace(EVENT, cube="gs://elsewhere/quake.zarr")},
            {"simulated": True},
            # The same channels make the same mask.
            {"inputs": ("vv+vh+dem",)},
        ],
    )
    def test_it_does_not_change_with_what_changes_no_score(
        self, changes: dict[str, Any], experiment: Experiment
    ) -> None:
        assert self.changed(experiment, **changes) == row_key(experiment, SMALL, "float32")

    @pytest.mark.parametrize("changes", [{"checkpoint_every": 3}, {"preset": "paper"}])
    def test_it_does_not_change_with_the_rhythm_of_checkpoints(
        self, changes: dict[str, Any], experiment: Experiment
    ) -> None:
        other = row_key(experiment, replace(SMALL, **changes), "float32")
        assert other == row_key(experiment, SMALL, "float32")

    def test_a_split_given_back_keeps_the_key(
        self, cube: xr.Dataset, experiment: Experiment
    ) -> None:
        # Options that only chose the chips say nothing more once the split is given.
        chipping = replace(CHIPPING, minimum_landslide_pixels=2, split_seed=5)
        again = plan_experiment(
            cube, EVENT, chipping, experiment.inputs, [1, 2], split=experiment.split
        )
        assert again.split == experiment.split
        assert row_key(again, SMALL, "float32") == row_key(experiment, SMALL, "float32")


class TestPlan:
    def test_it_says_what_all_trials_share(self, cube: xr.Dataset, experiment: Experiment) -> None:
        assert experiment.cube.endswith("quake.zarr")
        assert experiment.inputs == ("dem", "vv", "vv+vh")
        assert experiment.timesteps == (1, 2)
        assert not experiment.simulated
        parts = [chip["part"] for chip in json.loads(experiment.split)["chips"]]
        assert (parts.count(TRAIN), parts.count(TEST), parts.count(UNUSED)) == (10, 3, 2)
        again = plan_experiment(cube, EVENT, CHIPPING, ["vh+vv", "vv", "dem"], [2, 1, 2])
        assert again == experiment

    def test_other_chips_have_another_split_digest(
        self, cube: xr.Dataset, experiment: Experiment
    ) -> None:
        other = plan_experiment(cube, EVENT, Chipping(chip_size=24), ["vv"], [1])
        assert other.split_digest != experiment.split_digest

    @pytest.mark.parametrize(("size", "warned"), [(64, True), (32, False)])
    def test_landslides_to_test_on_that_lie_in_less_than_two_blocks_are_warned_of(
        self, size: int, warned: bool, cube: xr.Dataset, caplog: pytest.LogCaptureFixture
    ) -> None:
        chipping = Chipping("blocked", chip_size=32, block_size=size, buffer=0)
        planned = plan_experiment(cube, EVENT, chipping, ["vv"], [1])
        if warned:  # of six blocks a fifth are to test on
            said = r"quake\.zarr: the landslides to test on lie in 1\.\d of \d spatial blocks"
            assert re.search(said, caplog.text)
            assert planned.cube in caplog.text
        else:
            assert not caplog.text


@pytest.fixture(scope="module")
def sweep(
    experiment: Experiment, chips: xr.Dataset, tmp_path_factory: pytest.TempPathFactory
) -> Sweep:
    """Run three trials, one of which fails: what they gave by inputs, and their table."""
    table = str(tmp_path_factory.mktemp("sweep") / "table")
    given: dict[str, Any] = {}
    for config in configurations(SMALL, ["vv", "dem"], [2], [0]):
        key = row_key(experiment, config, "float32")
        given[config.inputs] = run_trial(experiment, config, chips, key=key, table=table)
    failing = replace(SMALL, inputs="vv+vh", learning_rate=1e30)
    key = row_key(experiment, failing, "float32")
    try:
        run_trial(experiment, failing, chips, key=key, table=table)
    except ValueError as error:
        write_row(table, failed_row(experiment, failing, key, f"{error}\n  and more"))
    return given, results_table(table), table


class TestTrial:
    def test_its_row_says_what_the_training_gave(
        self, sweep: Sweep, experiment: Experiment
    ) -> None:
        given, rows, _ = sweep
        for inputs, trained in given.items():
            (row,) = rows[rows["inputs"] == inputs].to_dict("records")
            for name in ("auprc", "prevalence", "parameters", "best_epoch", "precision"):
                assert row[name] == getattr(trained, name), name
            assert row["device"] == "cpu"
            assert row["seconds"] == trained.seconds > 0
            assert row["chips_per_second"] == pytest.approx(4 * 10 / trained.seconds)
            for name in ("timesteps", "seed", "preset", "network", "epochs", "batch_size"):
                assert row[name] == getattr(trained.config, name), name
            assert (row["learning_rate"], row["threads"]) == (0.01, 1)
            assert row["encoder_weights"] == "none"
            assert (row["event"], row["protocol"]) == ("quake", "paper")
            assert row["cube"] == experiment.cube
            assert row["cube_digest"] == experiment.cube_digest
            assert row["key"] == row_key(experiment, trained.config, "float32")
            assert json.loads(row["versions"]) == versions()
            assert re.fullmatch(r"[0-9.]+\+[0-9a-f]{8}", versions()["landslide"])  # of the code

    def test_its_row_counts_chips_and_pixels(self, sweep: Sweep, chips: xr.Dataset) -> None:
        _, rows, _ = sweep
        parts, valid = chips["part"].to_numpy(), chips["label"].to_numpy() != NO_DATA
        assert not valid.all()
        for row in rows[rows["error"].isna()].to_dict("records"):
            counts = (row["train_chips"], row["validation_chips"], row["test_chips"])
            assert counts == tuple((parts == p).sum() for p in (TRAIN, VALIDATION, TEST))
            assert row["train_pixels"] == valid[parts == TRAIN].sum()
            assert row["test_pixels"] == valid[parts == TEST].sum()

    def test_whether_its_steps_ran_compiled_is_what_they_did(
        self, experiment: Experiment, chips: xr.Dataset, sweep: Sweep
    ) -> None:
        trained, rows, _ = sweep
        assert rows[rows["error"].isna()]["compiled"].tolist() == [False] * len(trained)
        asked = replace(trained["vv"].config, compile=True)
        for did in (False, True):  # what was asked for is another matter
            model = replace(trained["vv"], config=asked, compiled=did)
            assert earned_row(experiment, model, chips, "ab").compiled is did

    def test_its_histograms_give_the_score_again(self, sweep: Sweep, chips: xr.Dataset) -> None:
        _, rows, _ = sweep
        for row in rows[rows["error"].isna()].to_dict("records"):
            shape = (row["test_chips"], len(row["histogram_edges"]) - 1)
            negative = row["histogram_negative"].reshape(shape)
            positive = row["histogram_positive"].reshape(shape)
            again = float(binned_average_precision(negative.sum(axis=0), positive.sum(axis=0)))
            assert again == pytest.approx(row["auprc"], abs=0.005)
            test = chips["label"].to_numpy()[chips["part"].to_numpy() == TEST]
            np.testing.assert_array_equal(positive.sum(axis=1), (test == 1).sum(axis=(1, 2)))
            np.testing.assert_array_equal(negative.sum(axis=1), (test == 0).sum(axis=(1, 2)))

    def test_each_test_chip_has_its_block(
        self, experiment: Experiment, chips: xr.Dataset, sweep: Sweep
    ) -> None:
        trained, rows, _ = sweep
        alone = rows.set_index("inputs")["test_blocks"]["vv"]  # paper: each chip its own
        assert alone.tolist() == list(range(int((chips["part"] == TEST).sum())))
        # Two blocks side by side, whose border is at x = 80: the middle chip's centre is on it.
        blocked = replace(experiment, chipping=Chipping("blocked", chip_size=32, block_size=80))
        row = earned_row(blocked, trained["vv"], chips, "ab")
        test = chips.isel(chip=np.flatnonzero(chips["part"] == TEST))
        east = (test["corner_x"] + 16 >= 80).to_numpy() + 2 * (test["corner_y"] + 16 >= 80)
        np.testing.assert_array_equal(row.test_blocks, np.unique(east, return_inverse=True)[1])

    def test_untrained_change_stands_beside_what_has_timesteps(
        self, sweep: Sweep, chips: xr.Dataset
    ) -> None:
        _, rows, _ = sweep
        by_inputs = rows.set_index("inputs")
        sar = chips["sar"].sel(timesteps=2).to_numpy()[chips["part"].to_numpy() == TEST]
        labels = chips["label"].to_numpy()[chips["part"].to_numpy() == TEST]
        ratio = np.abs(sar[:, 1::2] - sar[:, ::2]).sum(axis=1)
        valid = labels != NO_DATA
        expected = average_precision_score(labels[valid], ratio[valid])
        assert by_inputs.loc["vv", "change_auprc"] == pytest.approx(expected, abs=1e-6)
        assert by_inputs.loc["vv", "smoothed_difference_auprc"] > by_inputs.loc["vv", "prevalence"]
        assert pd.isna(by_inputs.loc["dem", "change_auprc"])
        assert by_inputs.loc["dem", "timesteps"] == 0

    def test_the_trials_of_a_sweep_share_their_split_and_their_pixels(
        self, sweep: Sweep, experiment: Experiment
    ) -> None:
        _, rows, _ = sweep
        assert set(rows["split_digest"]) == {experiment.split_digest}
        assert len(set(rows["test_pixels"].dropna())) == 1
        assert len(set(rows["prevalence"].dropna())) == 1

    def test_a_failed_trial_stays_visible_and_is_run_again(self, sweep: Sweep) -> None:
        given, rows, table = sweep
        (failed,) = rows[rows["error"].notna()].to_dict("records")
        assert failed["inputs"] == "vv+vh"
        assert failed["error"].startswith("training diverged")
        assert failed["error"].endswith("and more")
        assert "\n" not in failed["error"]
        assert pd.isna(failed["auprc"])
        assert len(row_keys(table)) == len(given)
        assert failed["key"] not in row_keys(table)

    def test_a_repeated_trial_takes_the_place_of_its_own_row(
        self, experiment: Experiment, chips: xr.Dataset, tmp_path: Path
    ) -> None:
        config, table = replace(SMALL, epochs=1), f"{tmp_path}/table"
        one, two = (run_trial(experiment, config, chips, key="abc", table=table) for _ in range(2))
        rows = results_table(table)
        assert one.auprc == two.auprc
        assert rows["auprc"].tolist() == [one.auprc]

    def test_without_a_table_no_row_is_written(
        self, experiment: Experiment, chips: xr.Dataset, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("landslide.experiment.write_row", lambda *_: pytest.fail("a row"))
        run_trial(experiment, replace(SMALL, epochs=1), chips, key="abc", table=None)

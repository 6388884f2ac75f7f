"""What changes the key of a row, and what its setup."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from landslide.experiment.keys import origin_digest, row_key, setup_digest
from landslide.experiment.plan import Experiment, plan_experiment
from tests.quake import CHIPPING, EVENT, INSTANT, SMALL


def changed(experiment: Experiment, **changes: Any) -> str:
    return row_key(replace(experiment, **changes), SMALL, "float32")


def test_it_is_a_digest_that_stays(experiment: Experiment) -> None:
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
def test_it_changes_with_the_training(changes: dict[str, Any], experiment: Experiment) -> None:
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
    changes: dict[str, Any], experiment: Experiment
) -> None:
    assert changed(experiment, **changes) != row_key(experiment, SMALL, "float32")


def test_it_changes_with_the_weights_to_begin_with_and_not_with_where_they_lie(
    experiment: Experiment, tmp_path: Path
) -> None:
    keys = set()
    for name, content in (("a", b"one"), ("b", b"one"), ("c", b"two")):
        (tmp_path / name).write_bytes(content)
        start = replace(SMALL, start=str(tmp_path / name))
        keys.add(row_key(experiment, start, "float32"))
    assert len(keys | {row_key(experiment, SMALL, "float32")}) == 3


@pytest.mark.parametrize("digest", [lambda *of: row_key(*of, "float32"), origin_digest])
def test_it_changes_with_the_encoders_weights_and_not_with_where_they_lie(
    digest: Callable[..., str], experiment: Experiment, tmp_path: Path
) -> None:
    keys = set()
    for name, content in (("a", b"one"), ("b", b"one"), ("c", b"two")):
        (tmp_path / name).write_bytes(content)
        keys.add(digest(experiment, replace(SMALL, encoder_weights=str(tmp_path / name))))
    assert len(keys | {digest(experiment, SMALL)}) == 3


def test_it_does_not_change_with_the_blocks_of_a_saved_split_but_the_setup_does(
    experiment: Experiment,
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
    changes: dict[str, Any], experiment: Experiment
) -> None:
    here = setup_digest(experiment, SMALL)
    assert setup_digest(experiment, replace(SMALL, **changes)) == here


def test_weights_to_begin_with_make_a_setup_by_what_trained_them(experiment: Experiment) -> None:
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
    other: dict[str, Any], experiment: Experiment
) -> None:
    here = setup_digest(experiment, SMALL)
    assert setup_digest(replace(experiment, **other), SMALL) != here
    assert setup_digest(experiment, replace(SMALL, weight_decay=0.5)) != here


def test_it_changes_with_the_arithmetic_not_with_how_it_was_asked_for(
    experiment: Experiment,
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
    changes: dict[str, Any], experiment: Experiment
) -> None:
    assert changed(experiment, **changes) == row_key(experiment, SMALL, "float32")


@pytest.mark.parametrize("changes", [{"checkpoint_every": 3}, {"preset": "paper"}])
def test_it_does_not_change_with_the_rhythm_of_checkpoints(
    changes: dict[str, Any], experiment: Experiment
) -> None:
    other = row_key(experiment, replace(SMALL, **changes), "float32")
    assert other == row_key(experiment, SMALL, "float32")


def test_a_split_given_back_keeps_the_key(cube: xr.Dataset, experiment: Experiment) -> None:
    # Options that only chose the chips say nothing more once the split is given.
    chipping = replace(CHIPPING, minimum_landslide_pixels=2, split_seed=5)
    again = plan_experiment(
        cube, EVENT, chipping, experiment.inputs, [1, 2], split=experiment.split
    )
    assert again.split == experiment.split
    assert row_key(again, SMALL, "float32") == row_key(experiment, SMALL, "float32")

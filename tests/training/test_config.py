"""The presets, and which settings determine a score."""

from dataclasses import fields, replace
from typing import Any

import pytest

from landslide.training.config import PRESETS, TrainingConfig, determining, training_config

OTHER_VALUES: dict[type, Any] = {
    str: "other", int: 17, float: 0.5, type(None): 17, bool: True,
}  # fmt: skip


def test_the_paper_preset_is_the_papers_training() -> None:
    paper = PRESETS["paper"]
    assert (paper.network, paper.epochs, paper.batch_size) == ("paper", 100, 64)
    assert (paper.learning_rate, paper.weight_decay) == (0.01, 1e-4)
    plateau = (paper.plateau_factor, paper.plateau_patience, paper.plateau_threshold)
    assert plateau == (0.1, 10, 1e-4)
    assert paper.encoder_weights == "none"


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_says_its_name(preset: str) -> None:
    assert training_config(preset).preset == preset
    assert training_config(preset) == PRESETS[preset]


def test_none_leaves_the_presets_value() -> None:
    changed = training_config("quick", epochs=None, learning_rate=0.5)
    assert changed == replace(PRESETS["quick"], learning_rate=0.5)


@pytest.mark.parametrize("field", [field.name for field in fields(TrainingConfig)])
def test_every_setting_determines_the_score_but_the_preset_and_the_checkpoints(field: str) -> None:
    config = TrainingConfig()
    value = "mixed" if field == "precision" else OTHER_VALUES[type(getattr(config, field))]
    other = replace(config, **{field: value})
    assert other != config
    same = determining(other) == determining(config)
    assert same == (field in {"preset", "checkpoint_every", "origin", "begun_on"})


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"epochs": 0}, "epochs"),
        ({"batch_size": 0}, "batch size"),
        ({"threads": 0}, "threads"),
        ({"precision": "float8"}, "float8"),
    ],
)
def test_a_value_that_cannot_be_is_named(changes: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        training_config("paper", **changes)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"epochs": -1}, "epochs of -1: give 0 to"),
        ({"batch_size": 2**31}, "batch size of 2147483648: give 1 to 2147483647"),
        ({"learning_rate": float("nan")}, "learning rate of nan"),
        ({"precision": "float8"}, "float8"),
    ],
)
def test_nor_can_a_configuration_be_made_with_it(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        replace(TrainingConfig(), **changes)


def test_an_unknown_preset_is_told_the_known() -> None:
    with pytest.raises(ValueError, match="'slow': choose paper or quick"):
        training_config("slow")

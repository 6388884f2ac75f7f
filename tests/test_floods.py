"""Real Sentinel-1 speckle: floods, since no labelled landslide cube can be shipped."""

from pathlib import Path

from landslide import load_event, open_cube, stream_chips, train
from landslide.chips.loading import load_chips
from landslide.chips.split import Chipping
from landslide.chips.windows import corners_of
from landslide.training.config import training_config
from landslide.training.metrics import change_baselines

ROOT = Path(__file__).parents[1]


def test_a_small_network_learns_from_real_speckle(floods: Path) -> None:
    chipping = Chipping(
        protocol="blocked", block_size=256, buffer=0, minimum_landslide_pixels=1, split_seed=1
    )
    chips = load_chips(
        stream_chips(
            open_cube(str(floods)),
            load_event(ROOT / "examples" / "floods.toml"),
            inputs="vv",
            timesteps=[1],
            chipping=chipping,
        )
    )
    # Patches of 256 pixels are different places: no patch is in two parts.
    patches = list(map(tuple, (corners_of(chips) // 256).tolist()))
    parts = chips["part"].to_numpy()
    for patch in set(patches):
        assert len({part for p, part in zip(patches, parts, strict=True) if p == patch}) == 1
    trained = train(chips, training_config("quick", inputs="vv", timesteps=1, epochs=2))
    assert trained.auprc > 1.5 * trained.prevalence
    assert trained.auprc > change_baselines(chips, 1)["change_auprc"]

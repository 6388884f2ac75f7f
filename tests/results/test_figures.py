from uuid import uuid4

import fsspec
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from landslide.results import ablation_figure, chip_figure
from landslide.results.ablation_figure import figure4
from landslide.results.chip_figure import figure1
from landslide.results.example_chip import ExampleChip
from landslide.results.looks import look, stretch


@pytest.fixture
def drawn(monkeypatch):
    """Keep the figures that are saved, to read what is written in them."""
    figures: list[Figure] = []
    for module in (ablation_figure, chip_figure):
        save = module.save_figure

        def keep(figure: Figure, path: str, save=save) -> None:
            figures.append(figure)
            save(figure, path)

        monkeypatch.setattr(module, "save_figure", keep)
    return figures


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def chip(rows=24, columns=32, title="Chip", pixel_m=None):
    random = np.random.default_rng(0)
    planes = {
        name: random.normal(size=(rows, columns))
        for name in ("VV before [dB]", "VV after [dB]", "Elevation [m]", "Curvature [1/m]")
    }
    planes["VV after [dB]"][:3, :5] = np.nan
    label = (random.random((rows, columns)) < 0.2).astype(np.uint8)
    label[:3, :5] = 255
    return ExampleChip(planes, label, title, pixel_m)


def test_figure_4_has_a_line_for_each_inputs_and_the_baselines(
    tmp_path, table_of, paper_rows, drawn
):
    figure4(table_of(paper_rows(3)), str(tmp_path / "figure4.png"))
    written = texts(drawn[0])
    for wanted in (
        "VV",
        "VH",
        "VV + VH",
        "VV + VH + DEM",
        "DEM only",
        "Random (prevalence)",
        "Change only, untrained",
        "Timesteps before and after",
        "AUPRC",
        "Hokkaido, paper protocol",
    ):
        assert wanted in written
    assert not any("imulated" in each for each in written)
    assert (tmp_path / "figure4.png").read_bytes().startswith(b"\x89PNG")


def test_figure_4_breaks_its_axis_only_where_the_baselines_lie_far_below(
    tmp_path, table_of, paper_rows, make_row, drawn
):
    figure4(table_of(paper_rows(1)), str(tmp_path / "far.png"))
    upper, lower = drawn[0].axes
    assert upper.get_ylim()[0] > lower.get_ylim()[1]
    near = [make_row(timesteps=n, auprc=0.1 * n, event="near") for n in (1, 2, 3, 4)]
    figure4(table_of(near).query("event == 'near'"), str(tmp_path / "near.png"))
    assert len(drawn[1].axes) == 1


def test_figure_4_stands_sections_side_by_side_and_marks_the_simulated(
    tmp_path, table_of, make_row, drawn
):
    rows = [make_row(), make_row(event="made_up", simulated=True), make_row(seed=1, error="lost")]
    figure4(table_of(rows), str(tmp_path / "both.svg"))
    written = texts(drawn[0])
    assert "Hokkaido, paper protocol" in written
    assert "Made up, paper protocol" in written
    assert written.count("Simulated data") == 1


def test_figure_4_leaves_out_what_has_curves_of_its_own(tmp_path, table_of, make_row, drawn):
    others = [
        make_row(auprc=0.7, origin="from kaikoura", key="ab"),
        make_row(auprc=0.5, labelled_chips=2, key="ac"),
    ]
    figure4(table_of([make_row(), *others]), str(tmp_path / "figure4.png"))
    assert texts(drawn[0]).count("Hokkaido, paper protocol") == 1
    few = table_of([]).query("labelled_chips == 2 or origin == 'from kaikoura'")
    with pytest.raises(ValueError, match=r"began elsewhere, or had few labels: .* curves"):
        figure4(few, str(tmp_path / "few.png"))


def test_figure_4_says_in_what_panels_of_one_title_differ(tmp_path, table_of, make_row, drawn):
    rows = [
        make_row(),
        make_row(epochs=25, orbit="ascending"),
        make_row(protocol="blocked", split_digest="b10c"),
    ]
    figure4(table_of(rows), str(tmp_path / "figure4.png"))
    written = texts(drawn[0])
    assert "epochs 100" in written
    assert "epochs 25, orbit ascending" in written
    assert not any("split digest" in each for each in written)


def test_figure_4_wraps_its_panels_into_rows(tmp_path, table_of, make_row, drawn):
    rows = [make_row(event=name) for name in ("hokkaido", "kaikoura", "talakmau")]
    figure4(table_of(rows), str(tmp_path / "figure4.png"))
    width, height = drawn[0].get_size_inches()
    figure4(table_of([]).query("event == 'hokkaido'"), str(tmp_path / "one.png"))
    assert tuple(drawn[1].get_size_inches() * 2) == (width, height)


def test_figure_4_draws_other_inputs_and_dem_alone(tmp_path, table_of, make_row, drawn):
    rows = [make_row(inputs="vv+coherence", timesteps=2), make_row(inputs="dem", timesteps=0)]
    figure4(table_of(rows), str(tmp_path / "other.pdf"))
    assert "VV + coherence" in texts(drawn[0])
    figure4(table_of(rows).query("inputs == 'dem'"), str(tmp_path / "dem.png"))
    assert "DEM only" in texts(drawn[1])


def test_figure_4_needs_a_score(tmp_path, table_of, make_row):
    with pytest.raises(ValueError, match="every trial failed"):
        figure4(table_of([make_row(error="lost")]), str(tmp_path / "figure4.png"))


def test_an_ending_that_is_no_format_is_an_error_and_writes_nothing(tmp_path, table_of, make_row):
    with pytest.raises(ValueError, match=r"figure4\.zarr; end its name in one of .*\.png"):
        figure4(table_of([make_row()]), str(tmp_path / "figure4.zarr"))
    assert not (tmp_path / "figure4.zarr").exists()


def test_a_figure_that_cannot_be_written_is_an_error_of_one_line(tmp_path, table_of, make_row):
    (tmp_path / "file").write_bytes(b"")
    path = f"{tmp_path}/file/figure4.png"
    with pytest.raises(OSError, match=rf"cannot write the figure {path}"):
        figure4(table_of([make_row()]), path)


def test_figures_are_written_to_any_filesystem(table_of, make_row):
    path = f"memory://{uuid4().hex}/figure4.png"
    figure4(table_of([make_row()]), path)
    filesystem, inside = fsspec.core.url_to_fs(path)
    assert filesystem.cat_file(inside).startswith(b"\x89PNG")


def test_figure_1_shows_channels_and_label_with_a_scale_and_says_simulated(tmp_path, drawn):
    shown = chip(title="Chip 7", pixel_m=10)
    path = tmp_path / "figure1.png"
    figure1(shown, str(path), simulated=True)
    written = texts(drawn[0])
    share = np.mean(shown.label[shown.label != 255] == 1)
    wanted = [*shown.channels, "Label", "Chip 7", "50 m", "not scored: no data", "Simulated data"]
    assert {*wanted, f"landslide ({share:.1%})"} <= set(written)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_figure_1_of_real_data_without_gaps_says_neither(tmp_path, drawn):
    real = chip()
    real.label[real.label == 255] = 0
    for name in [*real.channels][1:]:
        del real.channels[name]
    figure1(real, str(tmp_path / "figure1.pdf"), simulated=False)
    assert not {"Simulated data", "not scored: no data"} & set(texts(drawn[0]))


def test_figure_1_draws_planes_that_are_constant_or_empty(tmp_path):
    label = np.full((24, 32), 255, np.uint8)
    planes = {"VV": np.full((24, 32), np.nan), "Slope": np.zeros((24, 32)), "x": np.ones((24, 32))}
    empty = ExampleChip(planes, label, "Empty", pixel_m=None)
    figure1(empty, str(tmp_path / "figure1.png"), simulated=False)


def test_before_and_after_share_a_stretch_and_curvature_is_white_at_zero():
    channels = chip().channels
    assert stretch("VV before [dB]", channels) == stretch("VV after [dB]", channels)
    low, high = stretch("Curvature [1/m]", channels)
    assert low == -high
    assert look("Aspect [° from N]").limits == (0, 360)

"""Whatever a published cube calls its contents, the house gets one form of it, lazily."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import dask
import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given
from hypothesis import strategies as st

from landslide.cube.labels import decode_label_values, read_labels
from landslide.cube.schema import VARIABLES, house_schema
from landslide.cube.store import open_cube

Write = Callable[..., str]
PLANE = ("y", "x")
TIMES = np.array(["2018-08-25", "2018-09-01", "2018-09-06"], dtype="datetime64[ns]")


@pytest.fixture
def images() -> xr.Dataset:
    """Three images of 4x6 pixels; the value of a pixel says where it is."""
    vv = np.arange(1, 73, dtype=np.float32).reshape(3, 4, 6)
    return xr.Dataset(
        {"vv": (("timestep", *PLANE), vv)},
        {"timestep": TIMES, "y": [30.0, 20.0, 10.0, 0.0], "x": np.arange(6) * 10.0},
    )


def lazy(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.chunk(dict.fromkeys(PLANE, 2))


def forbidden(*_: object, **__: object) -> None:
    pytest.fail("something was computed")


def test_nothing_is_computed_while_a_cube_is_brought_to_the_houses_form(images: xr.Dataset) -> None:
    images["landslides"] = (PLANE, np.zeros((4, 6)))
    images["mapped"] = (PLANE, np.ones((4, 6), np.uint8))
    images["dem_slope_radians"] = (PLANE, np.full((4, 6), 45.0), {"units": "degrees"})
    images["dem_aspect"] = (PLANE, np.full((4, 6), -1.0))
    images["dem"] = (PLANE, np.ones((4, 6), np.int16))
    for part in ("real", "imag"):
        images[f"topophase.flat_{part}"] = (("timepair", *PLANE), np.ones((1, 4, 6)))
    images["vv"].attrs["units"] = "dB"
    with dask.config.set(scheduler=forbidden):
        cube = house_schema(lazy(images.isel(timestep=[2, 0, 1], y=[3, 2, 1, 0]).transpose()))
    for name in VARIABLES.keys() & cube.keys():
        assert dask.is_dask_collection(cube[name].data)
        assert cube[name].dtype == VARIABLES[name].dtype
        assert cube[name].dims == VARIABLES[name].dims


@given(st.permutations(range(3)), st.booleans(), st.booleans(), st.permutations(range(3)))
def test_the_order_of_images_axes_and_dimensions_does_not_matter(
    order: list[int], north_down: bool, east_left: bool, dims: list[int]
) -> None:
    vv = np.arange(1, 73, dtype=np.float32).reshape(3, 4, 6)
    coordinates = {"timestep": TIMES, "y": [30.0, 20.0, 10.0, 0.0], "x": np.arange(6) * 10.0}
    wanted = xr.Dataset({"vv": (("timestep", *PLANE), vv)}, coordinates)
    wanted = wanted.assign_coords({"sat:orbit_state": ("timestep", ["a", "d", "a"])})
    y, x = (slice(None, None, -1 if turned else 1) for turned in (north_down, east_left))
    given_cube = wanted.isel(timestep=order, y=y, x=x)
    given_cube = given_cube.transpose(*(wanted.vv.dims[dim] for dim in dims))
    cube = house_schema(given_cube)
    xr.testing.assert_equal(
        cube.vv.drop_vars("sat:orbit_state"), wanted.vv.drop_vars("sat:orbit_state")
    )
    assert cube["sat:orbit_state"].values.tolist() == ["ascending", "descending", "ascending"]


@pytest.mark.parametrize("dtype", ["uint8", "uint64", "int16", "float32"])
def test_an_axis_of_any_type_is_north_up_and_east_right(dtype: str, images: xr.Dataset) -> None:
    images = images.assign_coords({axis: images[axis].astype(dtype) for axis in PLANE})
    for rows, columns in ((1, 1), (-1, 1), (1, -1), (-1, -1)):
        turned = images.isel(y=slice(None, None, rows), x=slice(None, None, columns))
        xr.testing.assert_equal(house_schema(turned), images)


def test_the_names_of_isce_are_understood_and_other_names_are_left_alone(
    images: xr.Dataset,
) -> None:
    pairs, shape = ("timepair", *PLANE), (2, 4, 6)
    real, imaginary = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    images["topophase.cor_1"] = (pairs, np.full(shape, 0.3, np.float32))
    images["topophase.flat_real"] = (pairs, real)
    images["topophase.flat_imag"] = (pairs, imaginary)
    images["los.rdr_0"] = (PLANE, np.full((4, 6), 35.0))
    cube = house_schema(images)
    assert set(cube.data_vars) == {"vv", "coherence", "interferogram", "los.rdr_0"}
    assert cube.interferogram.dtype == np.complex64
    np.testing.assert_array_equal(cube.interferogram, real + 1j * imaginary)
    assert float(cube.coherence.mean()) == pytest.approx(0.3)


class TestOrbitStates:
    @pytest.mark.parametrize(
        "stored",
        [
            ["d", "a", "d"],
            ["D", "A", "D"],
            ["descending", "ascending", "descending"],
            ["DESCENDING", "Ascending", "descending "],
            np.array([b"d", b"a", b"d"]),
            np.array([b"descending", b"ascending", b"descending"]),
            np.array(["d", "a", "d"], dtype=object),
        ],
    )
    @pytest.mark.parametrize("layout", ["memory", "v2", "v3"])
    @pytest.mark.filterwarnings("ignore:The codec `vlen-utf8`")
    def test_each_spelling_is_understood(
        self, stored: Any, layout: str, images: xr.Dataset, write: Write
    ) -> None:
        images = images.assign_coords({"sat:orbit_state": ("timestep", np.asarray(stored))})
        cube = house_schema(images) if layout == "memory" else open_cube(write(images, "c", layout))
        assert cube["sat:orbit_state"].values.tolist() == ["descending", "ascending", "descending"]

    def test_one_state_for_all_images_is_each_images(self, images: xr.Dataset) -> None:
        cube = house_schema(images.assign_coords({"sat:orbit_state": "a"}))
        assert cube["sat:orbit_state"].dims == ("timestep",)
        assert set(cube["sat:orbit_state"].values) == {"ascending"}

    def test_a_state_stored_as_a_variable_is_a_coordinate(self, images: xr.Dataset) -> None:
        images["sat:orbit_state"] = ("timestep", ["d", "d", "d"])
        assert "sat:orbit_state" in house_schema(images).coords

    @pytest.mark.parametrize("dummy", ["unknown", "", 0, np.nan, -9999.0])
    def test_a_dummy_is_as_good_as_none(self, dummy: object, images: xr.Dataset) -> None:
        images = images.assign_coords({"sat:orbit_state": ("timestep", [dummy] * 3)})
        assert "sat:orbit_state" not in house_schema(images).variables
        assert "sat:orbit_state" not in house_schema(images.drop_vars("sat:orbit_state")).variables

    @pytest.mark.parametrize(
        ("states", "named"), [(["d", "a", "?"], r"'\?'"), ([0, 1, 0], "'0', '1'")]
    )
    def test_states_that_differ_and_say_nothing_are_an_error(
        self, states: list[object], named: str, images: xr.Dataset
    ) -> None:
        images = images.assign_coords({"sat:orbit_state": ("timestep", states)})
        with pytest.raises(ValueError, match=rf"sat:orbit_state holds {named}: write ascending"):
            house_schema(images)

    def test_a_state_for_each_pixel_is_an_error(self, images: xr.Dataset) -> None:
        images["sat:orbit_state"] = (PLANE, np.full((4, 6), "d"))
        with pytest.raises(ValueError, match=r"has the dimensions \(y, x\), not \(timestep\)"):
            house_schema(images)

    @pytest.mark.parametrize(
        ("stored", "wanted"),
        [([46, 119, 46], [46, 119, 46]), ([46.0] * 3, [46] * 3), (46, [46] * 3),
         ([46, np.nan, 46], None), (["?"] * 3, None), (["46"] * 3, [46] * 3)],
    )  # fmt: skip
    def test_a_relative_orbit_is_a_whole_number_or_absent(
        self, stored: Any, wanted: list[int] | None, images: xr.Dataset
    ) -> None:
        dims = ("timestep",) if isinstance(stored, list) else ()
        cube = house_schema(images.assign_coords({"sat:relative_orbit": (dims, stored)}))
        found = cube.coords.get("sat:relative_orbit")
        assert (None if found is None else found.values.tolist()) == wanted


class TestUnits:
    @pytest.mark.parametrize("units", ["dB", "decibel", "Decibels"])
    def test_decibels_become_linear_power(self, units: str, images: xr.Dataset) -> None:
        power = images.vv.values
        images["vv"] = (images.vv.dims, 10 * np.log10(power), {"units": units})
        cube = house_schema(lazy(images))
        np.testing.assert_allclose(cube.vv, power, rtol=1e-6)
        assert cube.vv.dtype == np.float32
        assert cube.vv.attrs["units"] == "1"

    @pytest.mark.parametrize(
        ("name", "units", "stored", "wanted"),
        [
            ("dem_slope_radians", "degrees", 45.0, np.pi / 4),
            ("dem_slope_radians", "rad", 0.5, 0.5),
            ("dem_slope_radians", None, 0.5, 0.5),
            ("dem_aspect", "radians", np.pi / 2, 90.0),
            ("dem_aspect", "degree", 270.0, 270.0),
            ("dem_aspect", None, -1.0, np.nan),
            ("dem_curvature", "1/m", 0.02, 2.0),
            ("dem_curvature", None, 2.0, 2.0),
            ("dem", "metres", 300.0, 300.0),
            ("vv", "linear power", 0.2, 0.2),
        ],
    )
    def test_a_unit_that_is_told_overrides_the_default(
        self, name: str, units: str | None, stored: float, wanted: float
    ) -> None:
        dims = VARIABLES[name].dims
        values = np.full((3, 4, 6)[-len(dims) :], stored, np.float32)
        dataset = xr.Dataset({name: (dims, values, {} if units is None else {"units": units})})
        dataset = dataset.assign_coords(timestep=TIMES)
        cube = house_schema(dataset)
        np.testing.assert_allclose(cube[name], wanted, rtol=1e-6)
        assert cube[name].dtype == np.float32
        again = house_schema(cube)  # what is in the house's form stays as it is
        xr.testing.assert_equal(again, cube)

    @pytest.mark.parametrize(
        ("name", "units"), [("vv", "furlong"), ("dem", "ft"), ("dem_slope_radians", "percent")]
    )
    def test_an_unknown_unit_is_an_error(self, name: str, units: str) -> None:
        dims = VARIABLES[name].dims
        values = np.ones((3, 4, 6)[-len(dims) :], np.float32)
        dataset = xr.Dataset({name: (dims, values, {"units": units})}, {"timestep": TIMES})
        with pytest.raises(ValueError, match=f"the cube's {name} is in '{units}': convert it to"):
            house_schema(dataset)


class TestFillValues:
    """Raw Zarr arrays, as for labels."""

    VALUES = np.array([[1, -9999, -8888], [-9998, 5, 6]])

    def opened(self, folder: Path, dtype: str, **attrs: object) -> xr.Dataset:
        zarr.open_group(folder, mode="w", zarr_format=3).create_array(
            "dem", shape=(2, 3), chunks=(2, 2), dtype=dtype, attributes=attrs, dimension_names=PLANE
        )[:] = self.VALUES
        return open_cube(str(folder))

    @pytest.mark.parametrize("dtype", ["int16", "float32", "float64"])
    @pytest.mark.parametrize(
        ("missing", "none"),
        [
            (-9999, [-9999]),
            ([-9999, -8888], [-9999, -8888]),
            ([-9999.0, np.nan], [-9999]),
            (np.nan, []),
            ([], []),
            (None, []),
        ],
    )
    def test_one_or_several_numbers_mean_no_data(
        self, missing: object, none: list[float], dtype: str, tmp_path: Path
    ) -> None:
        cube = self.opened(tmp_path / "c.zarr", dtype, missing_value=missing)
        wanted = np.where(np.isin(self.VALUES, none), np.nan, self.VALUES).astype(np.float32)
        np.testing.assert_array_equal(cube["dem"].to_numpy(), wanted, strict=True)

    @pytest.mark.parametrize("none", [-9999.9, 1e20, -3.4028235e38])
    @pytest.mark.parametrize("others", [[], [-8888.0]])
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_they_are_of_the_type_of_what_is_stored(
        self, none: float, others: list[float], dtype: str, tmp_path: Path
    ) -> None:
        """JSON says -9999.9, of which float32 holds -9999.900390625."""
        values = np.array([[1, none, 2], [3, none, *(others or [4])]], dtype)
        zarr.open_group(tmp_path / "c.zarr", mode="w", zarr_format=3).create_array(
            "dem", shape=(2, 3), chunks=(2, 2), dtype=dtype, dimension_names=PLANE,
            attributes={"missing_value": [none, *others] if others else none},
        )[:] = values  # fmt: skip
        wanted = np.where(np.isin(values, values.dtype.type([none, *others])), np.nan, values)
        dem = open_cube(str(tmp_path / "c.zarr"))["dem"]
        np.testing.assert_array_equal(dem, wanted.astype(np.float32))

    def test_they_mean_so_before_values_are_scaled(self, tmp_path: Path) -> None:
        cube = self.opened(
            tmp_path / "c.zarr",
            "int16",
            missing_value=[-9999, -8888],
            scale_factor=0.5,
            add_offset=1.0,
        )
        np.testing.assert_array_equal(cube["dem"], [[1.5, np.nan, np.nan], [-4998, 3.5, 4]])

    @pytest.mark.parametrize("dtype", ["int16", "float32"])
    @pytest.mark.parametrize("key", ["missing_value", "scale_factor", "add_offset"])
    @pytest.mark.parametrize("text", ["NaN", "-9999", ["-9999", -8888]])
    def test_text_is_no_number(self, text: object, key: str, dtype: str, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=f"^the cube's dem has the {key} .* no number") as seen:
            self.opened(tmp_path / "c.zarr", dtype, **{key: text})
        assert "\n" not in str(seen.value)


class TestLabels:
    """Raw Zarr arrays, written as other tools write them, opened as a cube."""

    def labelled(
        self, folder: Path, values: np.ndarray, zarr_format: int, fill: object, **attrs: object
    ) -> xr.Dataset:
        group = zarr.open_group(folder, mode="w", zarr_format=2 if zarr_format == 2 else 3)
        dims = {"dimension_names": PLANE} if zarr_format == 3 else {}
        if zarr_format == 2:
            attrs["_ARRAY_DIMENSIONS"] = list(PLANE)
        group.create_array(
            "landslides", shape=values.shape, chunks=(2, 3), dtype=values.dtype,
            fill_value=fill, attributes=attrs, **dims,
        )[:] = values  # fmt: skip
        return open_cube(str(folder), block_pixels=2)

    @pytest.mark.parametrize("zarr_format", [2, 3])
    @pytest.mark.parametrize(
        ("dtype", "fill"),
        [
            ("uint8", 0), ("uint8", 255), ("uint8", 7), ("int16", 0), ("int64", 255),
            ("float32", 0.0), ("float32", np.nan), ("float64", np.nan), ("float64", 255.0),
        ],
    )  # fmt: skip
    def test_zeros_stay_zeros_and_255_stays_no_data_whatever_the_fill_value(
        self, dtype: str, fill: float, zarr_format: int, tmp_path: Path
    ) -> None:
        values = np.array([[0, 1, 255, 0, 1, 0]] * 4, dtype=dtype)
        cube = self.labelled(tmp_path / "c.zarr", values, zarr_format, fill)
        assert cube.landslides.dtype == np.uint8
        np.testing.assert_array_equal(read_labels(cube), values.astype(np.uint8))

    @pytest.mark.parametrize("zarr_format", [2, 3])
    def test_nan_is_no_landslide(self, zarr_format: int, tmp_path: Path) -> None:
        values = np.array([[np.nan, 1, np.nan, 255]] * 3, dtype=np.float32)
        cube = self.labelled(tmp_path / "c.zarr", values, zarr_format, np.nan)
        np.testing.assert_array_equal(read_labels(cube), [[0, 1, 0, 255]] * 3)

    def test_a_fill_value_in_the_attributes_is_a_value_too(self, tmp_path: Path) -> None:
        values = np.array([[0, 1, 255]] * 4, dtype=np.uint8)
        cube = self.labelled(tmp_path / "c.zarr", values, 2, 0, missing_value=255, _FillValue=0)
        np.testing.assert_array_equal(read_labels(cube), values)

    @pytest.mark.parametrize("mask", ["mapped", "observed"])
    @pytest.mark.parametrize("dtype", [bool, np.uint8, np.float32])
    def test_ground_outside_a_mask_is_no_data(
        self, mask: str, dtype: type, images: xr.Dataset, write: Write
    ) -> None:
        images["landslides"] = (PLANE, np.tile(np.uint8([0, 1, 0]), (4, 2)))
        inside = np.arange(24).reshape(4, 6) % 5 > 1
        images[mask] = (PLANE, inside.astype(dtype))
        cube = open_cube(write(images))
        assert cube[mask].dtype == np.bool_
        wanted = np.where(inside, images.landslides, 255)
        np.testing.assert_array_equal(read_labels(cube), wanted)

    @pytest.mark.parametrize("mask", ["mapped", "observed"])
    @pytest.mark.parametrize(
        ("nothing", "dtype", "fill"),
        [
            (np.nan, "float32", None),
            (255, "uint8", 255),
            (-1, "int8", -1),
            (-9999.9, "float32", -9999.9),
        ],
    )
    @pytest.mark.parametrize("zarr_format", [2, 3])
    def test_where_a_mask_has_no_data_nobody_looked(
        self,
        zarr_format: Literal[2, 3],
        nothing: float,
        dtype: str,
        fill: float | None,
        mask: str,
        images: xr.Dataset,
        tmp_path: Path,
    ) -> None:
        images["landslides"] = (PLANE, np.zeros((4, 6), np.uint8))
        inside = np.arange(24).reshape(4, 6) % 5 > 1
        images[mask] = (PLANE, np.where(inside, 1, nothing).astype(dtype))
        encoding = {mask: {"_FillValue": fill}}
        uri = tmp_path / "cube.zarr"
        images.to_zarr(uri, zarr_format=zarr_format, consolidated=False, encoding=encoding)
        np.testing.assert_array_equal(read_labels(open_cube(uri)), np.where(inside, 0, 255))

    @pytest.mark.parametrize(
        ("wrong", "dtype"), [(3, "uint8"), (255, "uint8"), (-1, "int8"), (-9999, "float32")]
    )
    def test_another_value_of_a_mask_is_named_when_it_is_read(
        self, wrong: int, dtype: str, images: xr.Dataset, write: Write
    ) -> None:
        images["landslides"] = (PLANE, np.zeros((4, 6), np.uint8))
        images["observed"] = (PLANE, np.full((4, 6), wrong, dtype))
        cube = open_cube(write(images))
        with pytest.raises(ValueError, match=f"observed holds {wrong}: a mask is 1") as raised:
            read_labels(cube)
        assert "\n" not in str(raised.value)

    def test_what_a_mask_is_missing_by_another_attribute_is_no_data(
        self, images: xr.Dataset, write: Write
    ) -> None:
        images["landslides"] = (PLANE, np.zeros((4, 6), np.uint8))
        images["mapped"] = (PLANE, np.full((4, 6), -1, np.int8), {"missing_value": np.int8(-1)})
        assert (read_labels(open_cube(write(images))) == 255).all()

    def test_where_a_mask_is_nan_nobody_looked(self, images: xr.Dataset) -> None:
        images["landslides"] = (PLANE, np.zeros((4, 6), np.uint8))
        images["mapped"] = (PLANE, np.full((4, 6), np.nan, np.float32))
        assert (read_labels(house_schema(images)) == 255).all()

    @pytest.mark.parametrize(
        ("wrong", "dtype"),
        [(2, "uint8"), (-1, "int16"), (256, "int64"), (0.5, "float32"), (np.inf, "float64")],
    )
    def test_another_value_is_named_when_it_is_read(
        self, wrong: float, dtype: str, tmp_path: Path
    ) -> None:
        values = np.zeros((4, 6), dtype)
        values[3, 5] = wrong
        cube = self.labelled(tmp_path / "c.zarr", values, 2, 0)  # opening does not look
        message = rf"landslides hold {wrong:g}: a label is 0 \(none\), 1"
        with pytest.raises(ValueError, match=message) as caught:
            read_labels(cube)
        assert "\n" not in str(caught.value)

    def test_labels_made_by_hand_are_checked_too(self) -> None:
        plane = xr.Dataset({"landslides": (("x", "y"), np.uint8([[0, 1], [255, 0], [1, 1]]))})
        np.testing.assert_array_equal(read_labels(plane), [[0, 255, 1], [1, 0, 1]])
        with pytest.raises(ValueError, match=r"hold 3, 4, 5, 6, 7, \.\.\.: a label"):
            read_labels(xr.Dataset({"landslides": (PLANE, np.arange(3, 9, dtype=np.uint8)[None])}))

    def test_a_cube_without_labels_opens_and_says_so_when_they_are_read(
        self, images: xr.Dataset, write: Write
    ) -> None:
        cube = open_cube(write(images))
        with pytest.raises(ValueError, match=r"cube.zarr has no `landslides`: labels are needed"):
            read_labels(cube)

    def test_text_is_no_label(self) -> None:
        with pytest.raises(ValueError, match="landslides is of type <U4"):
            house_schema(xr.Dataset({"landslides": (PLANE, [["none"]])}))

    @given(st.lists(st.sampled_from([0.0, 1.0, 255.0, np.nan]), min_size=1))
    def test_decoding_twice_is_decoding_once(self, stored: list[float]) -> None:
        once = decode_label_values(np.array(stored))
        np.testing.assert_array_equal(decode_label_values(once), once)


class TestWhatIsRefused:
    def test_a_cube_without_a_known_variable(self) -> None:
        with pytest.raises(
            ValueError, match="holds no variable that is known: it needs some of vv"
        ):
            house_schema(xr.Dataset({"temperature": (PLANE, np.ones((4, 6)))}))

    def test_other_dimensions(self, images: xr.Dataset) -> None:
        with pytest.raises(ValueError, match=r"the cube's vv has the dimensions \(time, y, x\)"):
            house_schema(images.rename(timestep="time"))

    @pytest.mark.parametrize("dtype", ["U1", "complex64", "uint8"])
    def test_backscatter_that_is_no_physical_value(self, dtype: str, images: xr.Dataset) -> None:
        images["vv"] = (images.vv.dims, np.ones(images.vv.shape).astype(dtype))
        with pytest.raises(ValueError, match=r"the cube's vv is of type .*, not float32: convert"):
            house_schema(images)

    def test_half_and_double_precision_become_single(self, images: xr.Dataset) -> None:
        for dtype in ("float16", "float64"):
            images["vv"] = images.vv.astype(dtype)
            assert house_schema(images).vv.dtype == np.float32

    def test_a_timestep_that_is_no_date(self, images: xr.Dataset) -> None:
        for wrong in (images.drop_vars("timestep"), images.assign_coords(timestep=[0, 1, 2])):
            with pytest.raises(ValueError, match="timestep holds no dates"):
                house_schema(wrong)
        missing = images.assign_coords(timestep=[*TIMES[:2], np.datetime64("NaT", "ns")])
        with pytest.raises(ValueError, match="timestep holds a missing date"):
            house_schema(missing)
        later = np.array([*TIMES[:2], "3018-09-05"], "datetime64[s]")
        with pytest.raises(ValueError, match="timestep holds a date outside of 1678 to 2261"):
            house_schema(images.assign_coords(timestep=later))

    def test_one_image_twice(self, images: xr.Dataset) -> None:
        twice = images.isel(timestep=[0, 1, 1])
        house_schema(twice)  # an ascending and a descending image of one date, perhaps
        for known in (twice.assign_coords({"sat:orbit_state": "a"}), images.isel(timestep=[1] * 3)):
            with pytest.raises(ValueError, match=r"holds 2018-09-01T00.* more than once"):
                house_schema(known)

    def test_an_axis_that_runs_both_ways(self, images: xr.Dataset) -> None:
        with pytest.raises(ValueError, match="the cube's y neither ascends nor descends"):
            house_schema(images.isel(y=[0, 2, 1, 3]))


def test_dates_come_out_in_nanoseconds_whatever_they_were_stored_in(
    images: xr.Dataset, write: Write
) -> None:
    images = images.assign_coords(timestep=TIMES.astype("datetime64[s]"))
    cube = open_cube(write(images))
    assert cube.timestep.dtype == np.dtype("datetime64[ns]")
    np.testing.assert_array_equal(cube.timestep, TIMES)


def test_the_event_attribute_of_a_stored_cube_is_kept(images: xr.Dataset, write: Write) -> None:
    attribute = json.dumps({"name": "a", "start": "2018-09-05T18:00Z", "end": "2018-09-05T18:00Z"})
    assert open_cube(write(images.assign_attrs(event=attribute))).attrs["event"] == attribute

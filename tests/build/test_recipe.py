"""The [build] table of an event file."""

import json
import re
import tomllib
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

from landslide.build.recipe import KEYS, SECTIONS, load_recipe
from landslide.build.sources import PLANETARY_COMPUTER
from landslide.cube.events import load_event

AREA = "area = [141.9, 42.7, 142.0, 42.8]"
EXAMPLE = Path(__file__).parents[2] / "examples" / "build.toml"
EventFile = Callable[..., Path]


def test_an_area_is_enough(event_file: EventFile) -> None:
    recipe = load_recipe(event_file(AREA))
    assert recipe.area.bounds == (141.9, 42.7, 142.0, 42.8)
    assert (recipe.crs, recipe.resolution, recipe.before_days) == (None, 10, 60)
    assert (recipe.sar.source, recipe.sar.collection) == (PLANETARY_COMPUTER, "sentinel-1-rtc")
    assert recipe.terrain is not None
    assert recipe.terrain.collection == "cop-dem-glo-30"
    assert recipe.insar is recipe.labels is None
    assert recipe.event == load_event(event_file(AREA))


def usable(text: str) -> str:
    """Return the example with all its options as one that may be used: some exclude each other."""
    without = re.sub(r"(?m)^water_above.*$", "", text)
    return without.replace('source = "pairs"', 'source = "hyp3"')


def test_the_example_names_every_key_and_all_of_it_may_be_used(tmp_path: Path) -> None:
    text = re.sub(r"(?m)^# (?=\[build\.|[a-z_]+ = )", "", EXAMPLE.read_text())
    build = tomllib.loads(text)["build"]
    assert build.keys() == set(KEYS)
    for name, source in SECTIONS.items():
        assert build[name].keys() == {each.name for each in fields(source)}
    used = tmp_path / "used.toml"
    used.write_text(usable(text))
    recipe = load_recipe(used)
    assert recipe.event.orbit_state == "descending"
    assert recipe.sar.images == 4
    assert recipe.observed is not None
    assert (recipe.observed.incidence_degrees, recipe.observed.water_values) == (36, (80,))
    assert recipe.labels is not None
    assert recipe.labels.mapped == str(tmp_path / "mapped.geojson")
    assert recipe.insar is not None
    assert load_recipe(EXAMPLE).insar is None


def test_addresses_are_beside_the_file_unless_they_say_otherwise(event_file: EventFile) -> None:
    file = event_file(
        f"""{AREA}
before_days = 30
resolution = 20
crs = "EPSG:32654"
sar = {{source = "rtc", images = 4, min_coverage = 1}}
terrain = {{source = ["a.tif", "/dem/b.tif", "s3://bucket/c.tif"]}}
insar = {{source = "pairs"}}
labels = {{inventory = "slides.gpkg", mapped = "https://example.org/mapped.geojson"}}"""
    )
    recipe, folder = load_recipe(file), str(file.parent)
    assert recipe.sar.source == f"{folder}/rtc"
    assert (recipe.sar.images, recipe.sar.min_coverage) == (4, 1.0)
    assert type(recipe.sar.min_coverage) is float
    assert recipe.terrain is not None
    assert recipe.terrain.source == (f"{folder}/a.tif", "/dem/b.tif", "s3://bucket/c.tif")
    assert recipe.insar is not None
    assert recipe.insar.source == f"{folder}/pairs"
    assert recipe.labels is not None
    assert recipe.labels.inventory == f"{folder}/slides.gpkg"
    assert recipe.labels.mapped == "https://example.org/mapped.geojson"
    assert (recipe.before_days, recipe.after_days, recipe.resolution) == (30, 60, 20)


def test_an_address_may_begin_at_home(
    event_file: EventFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "somebody"
    monkeypatch.setenv("HOME", str(home))
    file = event_file(
        f'{AREA}\nsar = {{source = "~/rtc"}}\nterrain = {{source = ["~/a.tif", "b.tif"]}}',
        head='cube = "~/quake.zarr"',
    )
    recipe = load_recipe(file)
    assert recipe.sar.source == f"{home}/rtc"
    assert recipe.terrain is not None
    assert recipe.terrain.source == (f"{home}/a.tif", f"{tmp_path}/b.tif")
    assert recipe.event.cube == f"{home}/quake.zarr"


@pytest.mark.parametrize(
    ("head", "build", "key"),
    [
        ('cube = ""', AREA, "cube"),
        ("", 'area = ""', "area"),
        ("", f'{AREA}\nsar = {{source = ""}}', "sar.source"),
        ("", f'{AREA}\nterrain = {{source = ["a.tif", ""]}}', "terrain.source"),
    ],
)
def test_an_address_that_is_empty_is_none(
    event_file: EventFile, head: str, build: str, key: str
) -> None:
    said = rf"event file .*event\.toml: `{key}` is empty: write an address, or leave it out$"
    with pytest.raises(ValueError, match=said):
        load_recipe(event_file(build, head=head))


@pytest.mark.parametrize("layer", ["terrain", "observed", "insar", "labels"])
def test_a_layer_may_be_left_out(event_file: EventFile, layer: str) -> None:
    assert getattr(load_recipe(event_file(f"{AREA}\n{layer} = false")), layer) is None


SQUARE = {
    "type": "Polygon",
    "coordinates": [[[141.9, 42.7], [142, 42.7], [142, 42.8], [141.9, 42.8], [141.9, 42.7]]],
}
FEATURE = {"type": "Feature", "properties": {}, "geometry": SQUARE}


@pytest.mark.parametrize(
    "document", [SQUARE, FEATURE, {"type": "FeatureCollection", "features": [FEATURE]}]
)
def test_an_area_is_geojson_in_a_file(
    event_file: EventFile, tmp_path: Path, document: object
) -> None:
    (tmp_path / "area.geojson").write_text(json.dumps(document))
    recipe = load_recipe(event_file('area = "area.geojson"'))
    assert recipe.area.bounds == (141.9, 42.7, 142.0, 42.8)


def bow(west: float, south: float) -> list[list[list[float]]]:
    """Return a ring of a tenth of a degree that crosses itself."""
    east, north = west + 0.1, south + 0.1
    return [[[west, south], [east, north], [east, south], [west, north], [west, south]]]


def test_an_area_of_rings_that_cross_themselves_is_repaired(
    event_file: EventFile, tmp_path: Path
) -> None:
    bows = [{"type": "Polygon", "coordinates": bow(141.9 + x, 42.7 + x)} for x in (0, 0.03)]
    features = [{"type": "Feature", "properties": {}, "geometry": one} for one in bows]
    document = {"type": "FeatureCollection", "features": features}
    (tmp_path / "area.geojson").write_text(json.dumps(document))
    area = load_recipe(event_file('area = "area.geojson"')).area
    assert area.is_valid
    assert area.bounds == pytest.approx((141.9, 42.7, 142.03, 42.83))


def test_a_ring_that_encloses_nothing_makes_no_area_larger(
    event_file: EventFile, tmp_path: Path
) -> None:
    flat = [[[141.0, 42.0], [141.2, 42.0], [141.4, 42.0], [141.0, 42.0]]]
    both = {"type": "MultiPolygon", "coordinates": [SQUARE["coordinates"], flat]}
    (tmp_path / "area.geojson").write_text(json.dumps(both))
    area = load_recipe(event_file('area = "area.geojson"')).area
    assert area.bounds == (141.9, 42.7, 142.0, 42.8)


def test_an_area_is_geojson_in_the_table(event_file: EventFile) -> None:
    ring = json.dumps(SQUARE["coordinates"])
    recipe = load_recipe(event_file(f'area = {{type = "Polygon", coordinates = {ring}}}'))
    assert recipe.area.bounds == (141.9, 42.7, 142.0, 42.8)


@pytest.mark.parametrize(
    ("build", "said"),
    [
        ("resolution = 10", "`area` is missing"),
        (f"{AREA}\nresolutoin = 10", "unknown key `resolutoin`"),
        (f"{AREA}\n[build.sar]\norbit = 46", r"\[build.sar\]: unknown key `orbit`"),
        (f"{AREA}\nsar = 3", "is a table"),
        (f'{AREA}\nresolution = "10"', "`resolution` is '10'; write a number"),
        (f"{AREA}\nresolution = true", "`resolution` is True; write a number"),
        (f"{AREA}\ncrs = 32654", "`crs` is 32654; write text in quotes"),
        (f"{AREA}\nbefore_days = -1", "`before_days` is -1"),
        (f"{AREA}\n[build.sar]\nmin_coverage = 80", "`min_coverage` is 80"),
        (f"{AREA}\n[build.sar]\nimages = 0", "`images` is 0"),
        *(
            (f"{AREA}\n[build.sar]\nimages = {given}", f"`images` is {said}; write a whole number")
            for given, said in (("1.5", "1.5"), ("3.0", "3.0"), ("true", "True"))
        ),
        (f"{AREA}\n[build.sar]\none_sided = 1", "`one_sided` is 1; write true or false"),
        (f'{AREA}\n[build.sar]\nsigning = "aws"', "`signing` is 'aws'"),
        (f'{AREA}\n[build.observed]\nwater = "a.tif"\nsigning = "aws"', "`signing` is 'aws'"),
        (
            f'{AREA}\n[build.sar]\nsource = "s3://bucket/rtc"',
            "`source` is s3://bucket/rtc: give a STAC API's https:// address, or a folder on a",
        ),
        (
            f"{AREA}\n[build.sar]\npolarisations = ['hh']",
            r"`polarisations` is \['hh'\]: give vv or",
        ),
        (f"{AREA}\n[build.sar]\npolarisations = 'vv'", r"is 'vv'; write \[texts in quotes\]"),
        (f"{AREA}\n[build.sar]\npolarisations = []", r"is \[\]; write \[texts in quotes\]"),
        *(
            (
                f'{AREA}\nobserved = {{water = "a.tif", water_values = {given}}}',
                rf"`water_values` is {re.escape(said)}; write \[numbers\]",
            )
            for given, said in (("80", "80"), ("[]", "[]"), ('[80, "90"]', "[80, '90']"))
        ),
        (f"{AREA}\nterrain = {{source = 1.5}}", "`source` is 1.5; write text in quotes"),
        (f'{AREA}\n[build.sar]\nresampling = "lanczos"', "`resampling` is 'lanczos'"),
        (f"{AREA}\n[build.labels]\nall_touched = true", "`inventory` is missing"),
        (f"{AREA}\nsar = false", "is a table"),
        (
            f'{AREA}\n[build.labels]\ninventory = "a.gpkg"\nmapped_crs = "EPSG:4326"',
            r"\[build\.labels\]: `mapped_crs` is of no file: give `mapped`, too, or leave it out",
        ),
        (
            f'{AREA}\n[build.sar]\npattern = "*_VV.tif"',
            r"\[build\.sar\]: `pattern` is of no folder: give one as `source`, or leave it out",
        ),
        (
            f'{AREA}\n[build.sar]\nsource = "rtc"\ncollection = "rtc"',
            "`collection` is of no STAC API: give one as `source`, or leave it out",
        ),
        *(
            (f'{AREA}\n[build.terrain]\nsource = {source}\n{key} = "dem"', f"`{key}` is of no STAC")
            for source in ('"dem.tif"', '["a.tif", "b.tif"]')
            for key in ("collection", "asset")
        ),
        *(
            (
                f"{AREA}\nobserved = {{incidence_degrees = 36, {key} = {value}}}",
                f"`{key}` is of no raster: give `water`, too, or leave it out",
            )
            for key, value in (("water_values", [80]), ("water_above", 50))
        ),
        (
            f'{AREA}\nobserved = {{water = "a.tif", water_values = [80], water_above = 50}}',
            "water is told by `water_values` or by `water_above`: give one",
        ),
        *(
            (
                f'{AREA}\n[build.insar]\nsource = "pairs"\n{key} = {value}',
                f"`{key}` is of no processor: give hyp3 or isce2 as `source`, or leave it out",
            )
            for key, value in (("folder", '"processed"'), ("relative_orbit", 46))
        ),
        ("area = [141.9, 42.7, 142.0]", "west, south, east, north"),
        ("area = [142.0, 42.7, 141.9, 42.8]", "west must be less than east"),
        ("area = [580000, 4740000, 590000, 4750000]", "no place on the Earth"),
        ("area = [-179, 1, 179, 2]", "180th meridian"),
        ("area = 5", "`area` is 5"),
        ('area = "event.toml"', "is not GeoJSON"),
        ('area = {type = "Point", coordinates = [1, 2]}', "holds no polygon"),
        ('area = {type = "Polygon"}', "is not GeoJSON"),
        (
            f"{AREA}\nobserved = {{incidence_degrees = 95}}",
            "`incidence_degrees` is 95: give",
        ),
        (
            f"{AREA}\nobserved = {{ascending_incidence_degrees = 2}}",
            r"\[build\.observed\]: `ascending_incidence_degrees` is 2",
        ),
    ],
)
def test_what_is_wrong_is_named(event_file: EventFile, build: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        load_recipe(event_file(build))
    assert "\n" not in str(refused.value)
    assert "event.toml" in str(refused.value)


def test_an_area_without_a_file_is_named(event_file: EventFile) -> None:
    with pytest.raises(FileNotFoundError, match=r"no area at .*none\.geojson"):
        load_recipe(event_file('area = "none.geojson"'))


def test_an_event_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no event file .*nosuch\.toml: check its name"):
        load_recipe(tmp_path / "nosuch.toml")


def test_an_event_without_a_table_is_told_how(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match=r"write a TOML file with a \[build\] table"):
        load_recipe("hokkaido")
    (tmp_path / "hokkaido").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"write a TOML file with a \[build\] table"):
        load_recipe("hokkaido")
    (tmp_path / "plain.toml").write_text('name = "x"\ntime = 2018-09-05\n')
    with pytest.raises(ValueError, match=r"\[build\] is missing"):
        load_recipe(tmp_path / "plain.toml")

"""How QGIS draws the products: styles as QML, and a project that holds them all."""

import io
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from landslide.mapping.products.ground import Ground

VERSION = "3.34.0-Prizren"
"""Of QGIS, whose form of project and style this is; later ones read it."""
RED = "196,52,30"
FILLS: Mapping[str, tuple[str, str, str]] = {
    "landslides": (f"{RED},110", RED, "solid"),
    "area_of_interest": ("0,0,0,0", "40,40,40", "dash"),
    "image_footprint": ("0,0,0,0", "31,98,166", "solid"),
}
"""Fill, outline and its stroke for each layer of polygons; red, green, blue, opacity."""
PROBABILITY_STOPS = (
    (0.0, "#fff7ec", 0), (0.1, "#fdd49e", 60), (0.3, "#fc8d59", 160), (0.6, "#d7301f", 220),
    (1.0, "#7f0000", 255),
)  # fmt: skip
"""Value, colour and opacity; what is improbable is see-through."""


@dataclass(frozen=True)
class ProjectLayer:
    """One layer of a project."""

    name: str
    """For people."""
    source: str
    """Relative to the project, as GDAL has it."""
    style: str
    """QML."""
    vector: bool = False
    shown: bool = True


def _element(parent: ET.Element, tag: str, text: str = "", **attributes: str) -> ET.Element:
    child = ET.SubElement(parent, tag, attributes)
    child.text = text or None
    return child


def _style() -> ET.Element:
    return ET.Element("qgis", {"version": VERSION, "styleCategories": "AllStyleCategories"})


def _text(root: ET.Element) -> str:
    ET.indent(root, " ")
    return ET.tostring(root, encoding="unicode")


def polygon_style(layer: str) -> str:
    """Return the QML of a layer of polygons, one of `FILLS`."""
    fill, outline, stroke = FILLS[layer]
    root = _style()
    renderer = _element(root, "renderer-v2", type="singleSymbol", symbollevels="0", forceraster="0")
    symbols = _element(renderer, "symbols")
    symbol = _element(symbols, "symbol", type="fill", name="0", alpha="1", clip_to_extent="1")
    drawn = _element(symbol, "layer", **{"class": "SimpleFill", "enabled": "1", "pass": "0"})
    options = _element(drawn, "Option", type="Map")
    for name, value in {
        "color": fill,
        "style": "solid" if not fill.endswith(",0") else "no",
        "outline_color": f"{outline},255",
        "outline_style": stroke,
        "outline_width": "0.3",
        "outline_width_unit": "MM",
        "joinstyle": "round",
    }.items():
        _element(options, "Option", type="QString", name=name, value=value)
    return _text(root)


def _raster(kind: str, **attributes: str) -> tuple[ET.Element, ET.Element]:
    root = _style()
    pipe = _element(root, "pipe")
    renderer = _element(
        pipe, "rasterrenderer", type=kind, band="1", alphaBand="-1", nodataColor="", **attributes
    )
    _element(pipe, "rasterresampler", maxOversampling="2")
    return root, renderer


def ramp_style(stops: Iterable[tuple[float, str, int]], unit: str = "") -> str:
    """Return the QML of a raster whose colours run between stops: value, colour, opacity."""
    stops = list(stops)
    low, high = f"{stops[0][0]:g}", f"{stops[-1][0]:g}"
    root, renderer = _raster(
        "singlebandpseudocolor", opacity="1", classificationMin=low, classificationMax=high
    )
    shader = _element(
        _element(renderer, "rastershader"), "colorrampshader", colorRampType="INTERPOLATED",
        classificationMode="1", clip="0", minimumValue=low, maximumValue=high,
    )  # fmt: skip
    for value, colour, opacity in stops:
        label = f"{value:g} {unit}".strip()
        _element(shader, "item", value=f"{value:g}", color=colour, alpha=str(opacity), label=label)
    return _text(root)


def mask_style() -> str:
    """Return the QML of the mask."""
    root, renderer = _raster("paletted", opacity="1")
    palette = _element(renderer, "colorPalette")
    for value, colour, opacity, label in (
        ("0", "#ffffff", "0", "no landslide"), ("1", "#c4341e", "255", "landslide"),
    ):  # fmt: skip
        _element(palette, "paletteEntry", value=value, color=colour, alpha=opacity, label=label)
    return _text(root)


def stops_up_to(largest: float) -> list[tuple[float, str, int]]:
    """Return the stops of `PROBABILITY_STOPS`, stretched up to another largest value."""
    top = largest if largest > 0 else 1.0
    return [(top * value, colour, opacity) for value, colour, opacity in PROBABILITY_STOPS]


def _reference(parent: ET.Element, tag: str, ground: Ground) -> None:
    if ground.crs is None:
        return
    system = _element(_element(parent, tag), "spatialrefsys", nativeFormat="Wkt")
    _element(system, "wkt", ground.crs.to_wkt())
    authority = ground.crs.to_authority()
    _element(system, "authid", ":".join(authority) if authority else "")
    _element(system, "description", ground.crs.name)
    _element(system, "geographicflag", "true" if ground.crs.is_geographic else "false")


def project_file(
    name: str, title: str, abstract: str, ground: Ground, layers: Sequence[ProjectLayer]
) -> bytes:
    """Return a QGIS project (.qgz) that shows layers, the first on top.

    Parameters
    ----------
    name : str
        Of the project's file, without its ending.
    title, abstract : str
    ground : Ground
        Its extent is what is seen when the project opens.
    layers : sequence of ProjectLayer
    """
    root = ET.Element("qgis", {"projectname": title, "version": VERSION})
    _element(root, "title", title)
    _reference(root, "projectCrs", ground)
    tree = _element(root, "layer-tree-group")
    canvas = _element(root, "mapcanvas", name="theMapCanvas")
    extent = _element(canvas, "extent")
    height, width = ground.shape
    (west, south), (east, north) = ground.transform @ (0, height), ground.transform @ (width, 0)
    for side, value in (("xmin", west), ("ymin", south), ("xmax", east), ("ymax", north)):
        _element(extent, side, repr(float(value)))
    _reference(canvas, "destinationsrs", ground)
    order = _element(root, "layerorder")
    described = _element(root, "projectlayers")
    for number, layer in enumerate(layers):
        identity = f"landslide_layer_{number}"  # QGIS takes none of ten letters or fewer
        provider = "ogr" if layer.vector else "gdal"
        _element(
            tree, "layer-tree-layer", id=identity, name=layer.name, source=layer.source,
            providerKey=provider, expanded="0",
            checked="Qt::Checked" if layer.shown else "Qt::Unchecked",
        )  # fmt: skip
        _element(order, "layer", id=identity)
        entry = _element(described, "maplayer", type="vector" if layer.vector else "raster")
        if layer.vector:
            entry.set("geometry", "Polygon")
        _element(entry, "id", identity)
        _element(entry, "datasource", layer.source)
        _element(entry, "layername", layer.name)
        _element(entry, "abstract", abstract)
        _reference(entry, "srs", ground)
        _element(entry, "provider", provider)
        entry.extend(ET.fromstring(layer.style))  # noqa: S314 - written above
    metadata = _element(root, "projectMetadata")
    _element(metadata, "title", title)
    _element(metadata, "abstract", abstract)
    properties = _element(root, "properties")
    _element(_element(properties, "Paths"), "Absolute", "false", type="bool")
    if ground.crs is not None:  # else QGIS does not read it
        projected = _element(properties, "SpatialRefSys")
        _element(projected, "ProjectionsEnabled", "1", type="int")
    text = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n" + _text(root)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{name}.qgs", text)
    return packed.getvalue()

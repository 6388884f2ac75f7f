"""Where a simulated cube lies: on open ocean, so that no map of it lies on a real place."""

from types import MappingProxyType

NORTH_WEST_M = (220_000.0, 580_000.0)
"""Northing and easting of the corner [m] in UTM zone 31N: 2 degrees north in the Gulf of Guinea,
400 km from any land."""

GRID_MAPPING = "spatial_ref"
_WKT = (
    'PROJCRS["WGS 84 / UTM zone 31N",BASEGEOGCRS["WGS 84",DATUM["World Geodetic System 1984",'
    'ELLIPSOID["WGS 84",6378137,298.257223563,LENGTHUNIT["metre",1]]],'
    'PRIMEM["Greenwich",0,ANGLEUNIT["degree",0.0174532925199433]],ID["EPSG",4326]],'
    'CONVERSION["UTM zone 31N",METHOD["Transverse Mercator",ID["EPSG",9807]],'
    'PARAMETER["Latitude of natural origin",0,ANGLEUNIT["degree",0.0174532925199433]],'
    'PARAMETER["Longitude of natural origin",3,ANGLEUNIT["degree",0.0174532925199433]],'
    'PARAMETER["Scale factor at natural origin",0.9996,SCALEUNIT["unity",1]],'
    'PARAMETER["False easting",500000,LENGTHUNIT["metre",1]],'
    'PARAMETER["False northing",0,LENGTHUNIT["metre",1]]],'
    'CS[Cartesian,2],AXIS["(E)",east,ORDER[1],LENGTHUNIT["metre",1]],'
    'AXIS["(N)",north,ORDER[2],LENGTHUNIT["metre",1]],ID["EPSG",32631]]'
)
SPATIAL_REF = MappingProxyType(
    {"crs_wkt": _WKT, "spatial_ref": _WKT, "grid_mapping_name": "transverse_mercator"}
)
"""Attributes of the grid mapping (CF conventions), as rioxarray and odc-geo read them. Written
out, since a cube is simulated where neither is installed."""


def axis_attributes(direction: str) -> dict[str, str]:
    """Return the attributes that the CF conventions ask of `northing` or `easting`."""
    axis = {"northing": "y", "easting": "x"}[direction]
    return {
        "units": "m",
        "long_name": direction,
        "standard_name": f"projection_{axis}_coordinate",
        "axis": axis.upper(),
    }

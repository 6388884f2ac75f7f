"""Fractal terrain, and its slope, aspect and curvature on the metric grid."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from landslide.simulation.fields import Field, filter_spectrum, in_double
from landslide.simulation.scene import Scene, stream

SPECTRAL_EXPONENT = 5.0
"""Of the power spectrum k^-5, a fractal of Hurst exponent 1.5: smooth hillslopes between ridges."""


@dataclass(frozen=True)
class Terrain:
    """The terrain of a scene, each field (y, x)."""

    elevation: Field
    """Height [m]."""
    slope: Field
    """Steepest slope [radians]."""
    aspect: Field
    """Direction the ground falls to [degrees clockwise from grid north], NaN where it is flat."""
    curvature: Field
    """Curvature after Zevenbergen and Thorne [1/100 m], positive on ridges."""
    east: Field
    """Rise per metre towards east [m/m]."""
    north: Field
    """Rise per metre towards north [m/m]."""


def simulate_terrain(scene: Scene) -> Terrain:
    """Return fractal hills above filled valley floors, the steepest pixel at the scene's limit."""
    white = stream(scene, "terrain").standard_normal(scene.shape, dtype=np.float32)
    # A scene smaller than the ridges' distance gets smaller ridges, or it would be one plane.
    scale = min(scene.relief_scale_m / scene.pixel_m, max(scene.shape) / 2)
    height = filter_spectrum(white, lambda k: (k**2 + 1 / scale**2) ** (-SPECTRAL_EXPONENT / 4))
    # Rivers fill the lowest ground with sediment: a soft floor leaves it a tenth of its relief.
    floor, sharpness = np.float32(-0.8), np.float32(6)
    soft = in_double(np.logaddexp, 0, sharpness * (height - floor)) / sharpness
    height = _weather(floor + soft + np.float32(0.1) * height, scene)
    east, north = gradient(height, scene.pixel_m)
    limit = np.tan(np.radians(scene.steepest_degrees))
    factor = np.float32(limit / np.max(in_double(np.hypot, east, north)))
    height = (height - height.min()) * factor + np.float32(30)
    slope, aspect = slope_aspect(east * factor, north * factor)
    return Terrain(
        elevation=height,
        slope=slope,
        aspect=aspect,
        curvature=curvature(height, scene.pixel_m),
        east=east * factor,
        north=north * factor,
    )


def _weather(height: Field, scene: Scene) -> Field:
    """Return `height` with the rare over-steep ground worn down, so that the rest may be steep."""
    for _ in range(6):
        steepness = in_double(np.hypot, *gradient(height, scene.pixel_m))
        limit = np.quantile(steepness[::4, ::4], 0.97)
        worn = ndimage.gaussian_filter(height, 3.0, mode="nearest", truncate=2.0)
        # Wear begins at the limit and is complete at 1.5 times the limit.
        share = np.clip((steepness / limit - 1) * 2, 0, 1).astype(np.float32)
        share = ndimage.gaussian_filter(share, 2.0, mode="nearest", truncate=2.0)
        height = height + share * (worn - height)
    return height


def gradient(height: Field, pixel_m: float) -> tuple[Field, Field]:
    """Return the rise per metre towards east and towards north, after Horn (1981).

    `height` is (y, x) [m] with north up; beyond the edge it goes on as at the edge. Each is the
    difference of neighbours two pixels apart, averaged over three rows with weights 1, 2, 1.
    """
    weights = np.array([1, 2, 1], dtype=np.float32) / 4
    across = np.array([-1, 0, 1], dtype=np.float32) / np.float32(2 * pixel_m)
    east = ndimage.correlate1d(height, across, axis=1, mode="nearest")
    south = ndimage.correlate1d(height, across, axis=0, mode="nearest")
    return (
        ndimage.correlate1d(east, weights, axis=0, mode="nearest"),
        -ndimage.correlate1d(south, weights, axis=1, mode="nearest"),
    )


def slope_aspect(east: Field, north: Field) -> tuple[Field, Field]:
    """Return slope [radians] and aspect [degrees clockwise from grid north] of a gradient [m/m].

    The aspect is where the ground falls to, against the gradient, and NaN where it is flat.
    """
    slope = in_double(np.arctan, in_double(np.hypot, east, north))
    aspect = np.degrees(in_double(np.arctan2, -east, -north)) % np.float32(360)
    aspect[slope == 0] = np.nan
    return slope, aspect


def curvature(height: Field, pixel_m: float) -> Field:
    """Return the curvature [1/100 m] of Zevenbergen and Thorne (1987), positive on ridges.

    It is -2 (D + E) x 100, where 2 D and 2 E are the second differences of `height` (y, x) [m]
    along x and y. RichDEM, whose layers the published cubes seem to hold, scales it so too.
    """
    second = np.array([1, -2, 1], dtype=np.float32) / np.float32(pixel_m**2)
    along_x = ndimage.correlate1d(height, second, axis=1, mode="nearest")
    along_y = ndimage.correlate1d(height, second, axis=0, mode="nearest")
    return (-100 * (along_x + along_y)).astype(np.float32)

"""What a map says of itself once it is mapped."""

from collections.abc import Mapping
from datetime import UTC, datetime

from landslide.experiment.versions import versions
from landslide.mapping.facts import MapFacts
from landslide.mapping.inference.scene import scene_devices
from landslide.mapping.members import member_facts, reliability_facts, temperatures_of
from landslide.mapping.plan import MapPlan
from landslide.storage import absolute


def facts_of(plan: MapPlan, counts: Mapping[str, int]) -> MapFacts:
    """Return the facts of a map that is mapped, from its plan and what its strips recorded.

    Parameters
    ----------
    plan : MapPlan
    counts : mapping
        As `landslide.mapping.inference.scene.scene_counts` gives them.
    """
    bundles, images = plan.bundles, plan.job.plan.images
    first = bundles[0]
    source = str(plan.cube.encoding.get("source", ""))
    size = f"{first.chip_size} pixels, {plan.overlap} shared"
    return MapFacts(
        event=plan.event,
        inputs=plan.inputs,
        timesteps=first.config.timesteps,
        images_before=tuple(sorted(images.get("images_before", ()))),
        images_after=tuple(sorted(images.get("images_after", ()))),
        opposite_before=tuple(sorted(images.get("opposite_before", ()))),
        opposite_after=tuple(sorted(images.get("opposite_after", ()))),
        pairs=tuple(sorted(images.get("pairs", ()))),
        orbit=images.get("orbit", ""),
        cube=absolute(source) if source else "in memory",
        members=tuple(member_facts(bundle) for bundle in bundles),
        threshold=plan.threshold,
        threshold_from=plan.threshold_from,
        temperature=temperatures_of(bundles),
        reliability=reliability_facts(bundles),
        warnings=(*plan.warnings, *_found(counts)),
        simulated=bool(plan.cube.attrs.get("simulated", False)),
        provenance={
            "cube digest": plan.digest,
            "model digests": ", ".join(bundle.digest for bundle in bundles),
            "mapped at": datetime.now(UTC).isoformat(timespec="seconds"),
            "chips": f"{counts['chips']} of {size}",
            "device": "; ".join(scene_devices(plan.job)),
        },
        versions=versions(),
    )


def _found(counts: Mapping[str, int]) -> list[str]:
    """Return what was wrong with what the chips hold, around the area that was asked for, too."""
    said = []
    if counts["rejected"]:
        said.append(
            f"{counts['rejected']} backscatter samples that the model saw are infinite, zero or "
            "negative: taken as no data."
        )
    if counts["damaged"]:
        said.append(
            "Some of the chunks that the model saw are damaged: what they held is left out."
        )
    return said

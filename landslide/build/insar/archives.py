"""Products fetched as zip archives: unpacked whole or not at all, and nowhere else."""

import shutil
import zipfile
from pathlib import Path

from landslide.cube.fetch import refuse_unsafe


def unpack_product(archive: Path, product: Path) -> None:
    """Unpack a zip into the folder `product`, and delete it, whole or damaged.

    Raises
    ------
    ValueError
        Where it is damaged, or would write outside its folder.
    """
    unfinished = product.with_name(f".{product.name}.unpacking")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        with zipfile.ZipFile(archive) as opened:
            refuse_unsafe(opened, product.name)
            opened.extractall(unfinished)
        # HyP3's archives hold one folder of the archive's own name.
        inner = unfinished / product.name
        (inner if inner.is_dir() else unfinished).replace(product)
    except zipfile.BadZipFile as problem:
        raise ValueError(
            f"the archive of {product.name} is not a whole zip and was deleted: run again"
        ) from problem
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        archive.unlink()

"""Pairs processed by ASF's HyP3: ordered, waited for, and fetched into a folder.

HyP3's client does the talking; see https://hyp3-docs.asf.alaska.edu. A pair is ordered once: its
jobs carry a name, and what HyP3 has under that name, or had and the folder keeps, is not ordered,
and so not paid for, again.
"""

import zipfile
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from hyp3_sdk import HyP3
from hyp3_sdk.exceptions import HyP3SDKError
from hyp3_sdk.jobs import Batch, Job

from landslide.archives import unpack_zip
from landslide.build.insar.login import earthdata_token, plain_errors
from landslide.cube.fetch import ResumingDownloader

API = "https://hyp3-api.asf.alaska.edu"
WAIT_SECONDS, ASK_SECONDS = 6 * 3600, 60.0


def _plain_errors(api: str) -> AbstractContextManager[None]:
    return plain_errors(f"HyP3 at {api} does not answer as it should", HyP3SDKError)


def connect(api: str = API, token: str | None = None) -> HyP3:
    """Return a client that is logged in.

    The token is an Earthdata bearer token, from the environment variable EARTHDATA_TOKEN where
    none is given; without one the login in ~/.netrc is used.

    Raises
    ------
    ValueError
        Where there are no credentials; nothing has been asked then.
    OSError
        Where the login fails.
    """
    token = token or earthdata_token("HyP3 needs")
    with _plain_errors(api):
        return HyP3(api, token=token)


def order(client: HyP3, pairs: Sequence[tuple[str, str]], name: str, folder: str | Path) -> Batch:
    """Return the jobs of pairs of granules, ordering those that HyP3 has not under this name.

    It keeps products for two weeks only: a job whose products lie in `folder` counts for longer.
    Scenes are processed by GAMMA, wrapped phase included.

    Raises
    ------
    OSError
        Where HyP3 refuses (credits spent, unknown granule) or cannot be reached.
    """
    # These looks are the finest that it has.
    how = {"name": name, "looks": "10x2", "include_wrapped_phase": True}
    with _plain_errors(client.url):
        known = {
            tuple(job.job_parameters["granules"]): job
            for job in client.find_jobs(name=name)
            if job.job_parameters
            and not job.failed()
            and (not job.expired() or _all_there(job, folder))
        }
        new = [HyP3.prepare_insar_job(*pair, **how) for pair in pairs if tuple(pair) not in known]
        ordered = client.submit_prepared_jobs(new) if new else Batch()
    return Batch([known[tuple(pair)] for pair in pairs if tuple(pair) in known] + ordered.jobs)


def fetch(
    client: HyP3,
    jobs: Batch,
    folder: str | Path,
    *,
    ask_seconds: float = ASK_SECONDS,
) -> list[Path]:
    """Wait for jobs, and return the folders of their products below `folder`, each one whole.

    What is there already is not fetched again.

    Raises
    ------
    ValueError
        Where an archive is damaged or would write outside its folder.
    OSError
        Where a job failed, the wait is over, or a product cannot be fetched: HyP3 keeps it no
        longer, perhaps.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with _plain_errors(client.url):
        done = client.watch(jobs, timeout=WAIT_SECONDS, interval=ask_seconds)
    if failed := [job for job in done if not job.succeeded()]:
        raise OSError(
            f"{len(failed)} of {len(done)} HyP3 jobs failed, such as {failed[0].job_id} "
            f"({' and '.join(failed[0].job_parameters['granules'])}): see its log at {client.url}, "
            "then run again"
        )
    products = []
    for job in done:
        archives = _archives(job, folder)
        if not _all_there(job, folder) and (job.expired() or not archives):
            raise OSError(f"HyP3 no longer keeps the product of job {job.job_id}: run again")
        for product, file in archives.items():
            name = f"{product.name}.zip"
            if not product.exists():
                # The client's own download neither goes on where it broke off nor sees that it did.
                download = ResumingDownloader(
                    folder / f".{name}.part", int(file["size"]), progress=False
                )
                with _plain_errors(client.url):
                    download(file["url"], str(folder / f".{name}"), None)
                _unpack(folder / f".{name}", product)
            products.append(product)
    return products


def _unpack(archive: Path, product: Path) -> None:
    """Unpack a zip into the folder `product`, and delete it, whole or damaged.

    Raises
    ------
    ValueError
        Where it is damaged, or would write outside its folder.
    """

    def wanted(folder: Path) -> Path:
        """Return the one folder, of the archive's own name, that HyP3's archives hold."""
        inner = folder / product.name
        return inner if inner.is_dir() else folder

    try:
        unpack_zip(archive, product, wanted)
    except zipfile.BadZipFile as problem:
        raise ValueError(
            f"the archive of {product.name} is not a whole zip and was deleted: run again"
        ) from problem
    finally:
        archive.unlink(missing_ok=True)  # by another that fetches the same


def _archives(job: Job, folder: str | Path) -> dict[Path, dict[str, str]]:
    """Return a job's archives, each under where its product is to lie."""
    archives = [file for file in job.files or [] if file["filename"].endswith(".zip")]
    return {Path(folder) / Path(file["filename"]).stem: file for file in archives}


def _all_there(job: Job, folder: str | Path) -> bool:
    products = _archives(job, folder)
    return bool(products) and all(product.is_dir() for product in products)

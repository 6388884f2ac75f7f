"""What the head of a Ray cluster says of it: that it answers, and what its autoscaler makes of us.

Ray's own clients try for minutes, and print each try; this asks once.
"""

from typing import Any

import grpc
from ray._private.grpc_utils import init_grpc_channel
from ray.core.generated.autoscaler_pb2 import GetClusterStatusRequest  # type: ignore[attr-defined]
from ray.core.generated.autoscaler_pb2_grpc import AutoscalerStateServiceStub
from ray.exceptions import AuthenticationError

ANSWER_SECONDS = 10
LAST_PORT = 65535
WAY_IN = (
    "its token must be here too, in RAY_AUTH_TOKEN or ~/.ray/auth_token: `ray get-auth-token` at "
    "the head tells it"
)


def host_and_port(address: str) -> str:
    """Return an address of a cluster's head, if it is one.

    Raises
    ------
    ValueError
        Where it is another address, such as that of a dashboard.
    """
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdigit() or not 0 < int(port) <= LAST_PORT:
        raise ValueError(
            f"{address!r} is no address of a Ray cluster: give HOST:PORT of its head, as "
            "`ray start --head` named it, or submit a job to its dashboard"
        )
    return address


def cluster_status(address: str) -> Any:
    """Ask a cluster's head for its status.

    Parameters
    ----------
    address : str
        Host and port of the head.

    Returns
    -------
    GetClusterStatusReply
        As `ray/core/generated/autoscaler_pb2.pyi` has it: `cluster_resource_state`, of which the
        requests that wait are a part, and `autoscaling_state`, of version 2 of Ray's autoscaler.

    Raises
    ------
    OSError
        Where no Ray answers, or none that knows our token.
    """
    try:
        with init_grpc_channel(address) as channel:
            return AutoscalerStateServiceStub(channel).GetClusterStatus(
                GetClusterStatusRequest(), timeout=ANSWER_SECONDS
            )
    except AuthenticationError:
        raise OSError(
            f"no token for the Ray cluster at {address}: {WAY_IN}; if it was started without "
            "any, set RAY_AUTH_MODE=disabled"
        ) from None
    except grpc.RpcError as error:
        if error.code() == grpc.StatusCode.UNAUTHENTICATED:
            raise OSError(f"the Ray cluster at {address} refuses our token: {WAY_IN}") from None
        raise OSError(
            f"no Ray cluster answers at {address} ({error.code().name.lower().replace('_', ' ')}): "
            "is its head running, and is this the port that `ray start --head` named (6379)?"
        ) from None

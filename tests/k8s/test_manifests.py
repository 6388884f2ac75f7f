"""The overlays: what the API server would refuse, and what it would take and then never run."""

import json
import re
import shlex
import string
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from typing import Any

import dask
import jsonschema
import kubernetes_validate
import pytest
import yaml
from distributed import LocalCluster
from ray.autoscaler._private.kuberay.autoscaling_config import (
    _derive_autoscaling_config_from_ray_cr,
)

from sweeps.ablation import options
from sweeps.options import chosen
from sweeps.resources import resources_of

from .conftest import K8S, OVERLAYS, Objects

ROOT = K8S.parent
KUBERAY = ROOT.parent / "shared" / "schemas" / "kuberay"
DASK = "operator/deployment/helm/dask-kubernetes-operator/crds"


def pins() -> dict[str, str]:
    """The versions of requirements.txt."""
    text = (ROOT / "requirements.txt").read_text()
    return dict(re.findall(r"^([a-z0-9.-]+)==([^ ;\n]+)", text, re.MULTILINE))


def closed(schema: Any) -> Any:
    """A schema that refuses what it does not name, as API servers do that validate strictly."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "additionalProperties" not in schema:
        result["additionalProperties"] = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    return result


def custom_schema(kind: str) -> Any:
    """The schema of a kind that an operator brings, with the metadata that all objects have."""
    if kind.startswith("Ray"):
        file = KUBERAY / f"{kind}.v1.schema.json"
        if not file.exists():
            pytest.skip(f"{file.name} lies in ../shared alone")
        schema = json.loads(file.read_text())
    else:
        text = (files("dask_kubernetes") / DASK / f"{kind.lower()}.yaml").read_text()
        (version,) = yaml.safe_load(text)["spec"]["versions"]
        schema = version["schema"]["openAPIV3Schema"]
        schema["properties"] |= {name: {"type": "string"} for name in ("apiVersion", "kind")}
        schema["properties"]["metadata"] = {}
    schema = closed(schema)
    schema["properties"]["metadata"] = {}
    return schema


def check(thing: dict[str, Any]) -> None:
    """Raise for an object that its API server refuses, unknown keys included."""
    if "." in thing["apiVersion"] and not thing["apiVersion"].startswith("networking.k8s.io"):
        jsonschema.validate(thing, custom_schema(thing["kind"]))
    else:
        kubernetes_validate.validate(thing, kubernetes_validate.latest_version(), strict=True)


def pod_specs(objects: Objects) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every pod that the objects describe, of whatever kind they are."""

    def inside(where: str, thing: Any) -> Iterator[tuple[str, dict[str, Any]]]:
        if isinstance(thing, dict):
            if "containers" in thing:
                yield where, thing
            for key, value in thing.items():
                yield from inside(f"{where}.{key}", value)
        elif isinstance(thing, list):
            for number, value in enumerate(thing):
                yield from inside(f"{where}[{number}]", value)

    for (kind, name), thing in objects.items():
        yield from inside(f"{kind} {name}", thing)


def containers(objects: Objects) -> Iterator[tuple[str, dict[str, Any]]]:
    for where, pod in pod_specs(objects):
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            yield f"{where} {container['name']}", container


def settings(objects: Objects) -> dict[str, str]:
    return dict(objects["ConfigMap", "settings"]["data"])


def test_every_object_is_as_its_schema_says(objects: Objects) -> None:
    kinds = {kind for kind, _ in objects}
    assert {"Namespace", "ServiceAccount", "ConfigMap", "NetworkPolicy"} <= kinds
    assert {"RayCluster", "RayJob", "DaskCluster", "DaskAutoscaler"} <= kinds
    for thing in objects.values():
        check(thing)


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("RayCluster", ("spec", "workerGroupSpecs", 0)),
        ("RayCluster", ("spec", "headGroupSpec", "template", "spec", "containers", 0)),
        ("RayJob", ("spec",)),
        ("DaskCluster", ("spec", "worker", "spec", "containers", 0)),
        ("DaskAutoscaler", ("spec",)),
        ("NetworkPolicy", ("spec",)),
    ],
)
def test_a_key_that_is_misspelt_is_refused(
    objects: Objects, kind: str, path: tuple[str | int, ...]
) -> None:
    thing = json.loads(json.dumps(next(v for (k, _), v in objects.items() if k == kind)))
    inner = thing
    for step in path:
        inner = inner[step]
    inner["replicaz"] = 1
    with pytest.raises(jsonschema.ValidationError, match="replicaz"):
        check(thing)


def test_fewest_replicas_are_no_more_than_most(objects: Objects) -> None:
    for group in objects["RayCluster", "landslide"]["spec"]["workerGroupSpecs"]:
        assert 0 == group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    scaled = objects["DaskAutoscaler", "landslide"]["spec"]
    first = objects["DaskCluster", "landslide"]["spec"]["worker"]["replicas"]
    assert 1 <= scaled["minimum"] <= first <= scaled["maximum"]


def test_versions_are_the_pinned_ones(objects: Objects) -> None:
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    for where, container in containers(objects):
        name, _, tag = container["image"].rpartition(":")
        expected = pins()["moto"] if name == "motoserver/moto" else version[1]
        assert tag == expected, where
    assert objects["RayCluster", "landslide"]["spec"]["rayVersion"] == pins()["ray"]


def test_a_node_of_each_group_can_run_a_trial_that_the_sweep_asks_for(
    objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, cluster = objects["RayJob", "ablation"], objects["RayCluster", "landslide"]
    entrypoint = string.Template(job["spec"]["entrypoint"]).substitute(settings(objects))
    python, module, *arguments = shlex.split(entrypoint.replace("python -m", "python-m"))
    assert (python, module) == ("python-m", "sweeps.ablation")
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", "tcp://scheduler:8786")
    choices, asked = chosen(options(arguments))
    derived = _derive_autoscaling_config_from_ray_cr(cluster)
    groups = {n: g for n, g in derived["available_node_types"].items() if n != "headgroup"}
    assert groups
    offers = [group["resources"] for group in groups.values()]
    if asked.gpus is None:  # as the sweep finds it where a node offers one
        asked = replace(asked, gpus=float(any(offer.get("GPU") for offer in offers)))
    request = resources_of(asked, choices.base.threads).request()
    for offer in offers:
        assert all(offer.get(name, 0) >= amount for name, amount in request.items()), request
    assert derived["available_node_types"]["headgroup"]["resources"]["CPU"] == 0
    assert derived["max_workers"] == sum(group["max_workers"] for group in groups.values())


def test_the_work_for_dask_is_for_as_many_workers_as_may_come(objects: Objects) -> None:
    entrypoint = shlex.split(objects["RayJob", "ablation"]["spec"]["entrypoint"])
    least, most = entrypoint[entrypoint.index("--dask-workers") + 1 :][:2]
    scaled = objects["DaskAutoscaler", "landslide"]["spec"]
    assert int(least) == scaled["minimum"]
    assert int(most) >= scaled["maximum"]


def test_whatever_is_named_is_defined(objects: Objects) -> None:
    assert all(
        thing["metadata"].get("namespace") == "landslide"
        for (kind, _), thing in objects.items()
        if kind != "Namespace"
    )
    for where, pod in pod_specs(objects):
        if "serviceAccountName" in pod:
            assert ("ServiceAccount", pod["serviceAccountName"]) in objects, where
        volumes = [volume["name"] for volume in pod.get("volumes", [])]
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            mounts = [mount["name"] for mount in container.get("volumeMounts", [])]
            assert sorted(mounts) == sorted(volumes), where
            for source in container.get("envFrom", []):
                if "configMapRef" in source:
                    assert ("ConfigMap", source["configMapRef"]["name"]) in objects, where
                else:  # what no file holds may be missing
                    assert source["secretRef"]["optional"], where
            assert not any("valueFrom" in each for each in container.get("env", [])), where
    selector = objects["RayJob", "ablation"]["spec"]["clusterSelector"]
    assert ("RayCluster", selector["ray.io/cluster"]) in objects
    assert ("DaskCluster", objects["DaskAutoscaler", "landslide"]["spec"]["cluster"]) in objects
    for key in ("CUBE", "TABLE", "OPTIONS"):
        assert settings(objects)[key], key


def test_the_driver_finds_the_dask_scheduler(objects: Objects) -> None:
    (head,) = objects["RayCluster", "landslide"]["spec"]["headGroupSpec"]["template"]["spec"][
        "containers"
    ]
    address = {each["name"]: each["value"] for each in head["env"]}["DASK_SCHEDULER_ADDRESS"]
    cluster = objects["DaskCluster", "landslide"]
    (scheduler,) = cluster["spec"]["scheduler"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in scheduler["ports"]}
    place = f"{cluster['metadata']['name']}-scheduler.{cluster['metadata']['namespace']}"
    assert address == f"tcp://{place}.svc.cluster.local:{ports['tcp-comm']}"
    for service in cluster["spec"]["scheduler"]["service"]["ports"]:
        assert ports[service["targetPort"]] == service["port"]


def test_the_scheduler_answers_the_operator_over_http(objects: Objects) -> None:
    (scheduler,) = objects["DaskCluster", "landslide"]["spec"]["scheduler"]["spec"]["containers"]
    name = "DASK_DISTRIBUTED__SCHEDULER__HTTP__ROUTES"
    given = {each["name"]: each["value"] for each in scheduler["env"]}[name]
    key = "distributed.scheduler.http.routes"
    routes = dask.config.get(key, config=dask.config.collect_env({name: given}))
    assert set(dask.config.get(key)) < set(routes)
    with (
        dask.config.set({key: routes}),
        LocalCluster(n_workers=0, processes=False, dashboard_address="127.0.0.1:0") as cluster,
    ):
        port = cluster.scheduler.http_server.port
        address = f"http://127.0.0.1:{port}/api/v1/adaptive_target"  # what the operator asks
        with urllib.request.urlopen(address) as answer:
            assert json.load(answer) == {"workers": 0}


LABELS = {
    "ray head": {
        "ray.io/cluster": "landslide",
        "ray.io/node-type": "head",
        "ray.io/is-ray-node": "yes",
    },
    "ray worker": {
        "ray.io/cluster": "landslide",
        "ray.io/node-type": "worker",
        "ray.io/is-ray-node": "yes",
    },
    "dask scheduler": {"dask.org/cluster-name": "landslide", "dask.org/component": "scheduler"},
    "dask worker": {"dask.org/cluster-name": "landslide", "dask.org/component": "worker"},
    "submitter": {"app.kubernetes.io/component": "submitter"},
    "stranger": {"app": "stranger"},
}
"""What the operators put on their pods."""
NAMESPACES = {
    "ray operator": "kuberay",
    "dask operator": "dask-operator",
    "neighbour": "default",
}
"""Of pods that are not in the namespace of the others."""


def lets_in(objects: Objects, source: str, target: str, port: int) -> bool:
    """Whether the policies let a pod reach one of the namespace."""

    def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
        assert set(selector) <= {"matchLabels"}
        return selector.get("matchLabels", {}).items() <= labels.items()

    def comes_from(origin: dict[str, Any]) -> bool:
        ((kind, selector),) = origin.items()
        if kind == "namespaceSelector":
            return selects(selector, {"kubernetes.io/metadata.name": NAMESPACES.get(source, "")})
        return source in LABELS and selects(selector, LABELS[source])

    policies = [thing["spec"] for (kind, _), thing in objects.items() if kind == "NetworkPolicy"]
    held = [spec for spec in policies if selects(spec["podSelector"], LABELS[target])]
    return not held or any(
        any(comes_from(origin) for origin in rule["from"])
        and ("ports" not in rule or any(each["port"] == port for each in rule["ports"]))
        for spec in held
        for rule in spec.get("ingress", [])
    )


def test_only_what_must_get_in_gets_in(objects: Objects) -> None:
    wanted = {
        ("ray worker", "ray head", 6379),
        ("ray head", "ray worker", 30000),
        ("ray worker", "ray worker", 30000),
        ("submitter", "ray head", 8265),
        ("ray operator", "ray head", 8265),
        ("dask operator", "dask scheduler", 8787),
        ("ray head", "dask scheduler", 8786),
        ("dask worker", "dask scheduler", 8786),
        ("dask scheduler", "dask worker", 40000),
        ("dask worker", "dask worker", 40000),
    }
    refused = {
        *(
            (source, target, port)
            for source in ("stranger", "neighbour")
            for target in LABELS
            for port in (8265, 8786, 8787, 40000)
        ),
        ("ray operator", "ray head", 6379),
        ("ray operator", "dask scheduler", 8786),
        ("dask operator", "dask worker", 40000),
        ("submitter", "ray head", 6379),
        ("submitter", "ray worker", 30000),
        ("ray worker", "dask scheduler", 8786),
        ("dask worker", "ray head", 8265),
        ("dask worker", "ray head", 6379),
    }
    assert all(lets_in(objects, *each) for each in wanted)
    assert not [each for each in refused if lets_in(objects, *each)]
    page = (K8S / "README.md").read_text()
    for operator in ("ray operator", "dask operator"):
        assert f"--namespace {NAMESPACES[operator]} --create-namespace" in page


SECRET = re.compile("KEY|SECRET|TOKEN|PASSWORD|CREDENTIAL", re.IGNORECASE)


def environments(objects: Objects) -> Iterator[tuple[str, str]]:
    """What the containers get as their environment, or in files."""
    for (kind, _), thing in objects.items():
        if kind == "ConfigMap":
            yield from thing["data"].items()
    for _, pod in pod_specs(objects):
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            yield from ((each["name"], each["value"]) for each in container.get("env", []))


def test_tokens_are_on_and_no_secret_is_in_the_files(objects: Objects) -> None:
    assert objects["RayCluster", "landslide"]["spec"]["authOptions"] == {"mode": "token"}
    assert not [kind for kind, _ in objects if kind == "Secret"]
    named = {name: value for name, value in environments(objects) if SECRET.search(name)}
    # The local overlay's store wants names and checks none.
    assert named in ({}, {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing"})


def test_whoever_reads_a_store_may_be_given_its_keys(objects: Objects) -> None:
    given = {
        container["name"]: sources
        for _, container in containers(objects)
        if (sources := container.get("envFrom"))
    }
    assert {"ray-head", "ray-worker", "worker", "submitter"} <= set(given)
    assert ("simulate" in given) == (("Deployment", "store") in objects)
    wanted = [  # the last one counts
        {"configMapRef": {"name": "settings"}},
        {"secretRef": {"name": "storage", "optional": True}},
    ]
    assert all(sources == wanted for sources in given.values()), given
    assert "-n landslide create secret generic storage " in (K8S / "README.md").read_text()


def test_containers_run_as_nobody_in_particular_with_stated_resources(objects: Objects) -> None:
    for where, pod in pod_specs(objects):
        assert pod.get("hostNetwork") is None, where
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            secured = pod.get("securityContext", {}) | container["securityContext"]
            assert secured["runAsNonRoot"], where
            assert secured["runAsUser"] == 1000, where
            assert secured["seccompProfile"] == {"type": "RuntimeDefault"}, where
            assert container["securityContext"]["allowPrivilegeEscalation"] is False, where
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}, where
            for kind in ("requests", "limits"):
                assert {"cpu", "memory"} <= set(container["resources"][kind]), where


def test_pods_of_ray_hold_shared_memory_for_its_object_store(objects: Objects) -> None:
    spec = objects["RayCluster", "landslide"]["spec"]
    for group in [spec["headGroupSpec"], *spec["workerGroupSpecs"]]:
        pod = group["template"]["spec"]
        (shared,) = [v["emptyDir"] for v in pod["volumes"] if v["name"] == "shared-mem"]
        held = int(group["rayStartParams"]["object-store-memory"])
        assert shared["medium"] == "Memory"
        assert held < quantity(shared["sizeLimit"])
        assert quantity(shared["sizeLimit"]) < quantity(
            pod["containers"][0]["resources"]["limits"]["memory"]
        )
        assert pod["restartPolicy"] == "Never"


def test_ray_shares_out_no_more_memory_than_its_container_has(objects: Objects) -> None:
    cluster = objects["RayCluster", "landslide"]
    kinds = _derive_autoscaling_config_from_ray_cr(cluster)["available_node_types"]
    groups = {"headgroup": cluster["spec"]["headGroupSpec"]} | {
        group["groupName"]: group for group in cluster["spec"]["workerGroupSpecs"]
    }
    assert set(kinds) == set(groups)
    for name, group in groups.items():
        (container,) = group["template"]["spec"]["containers"]
        shared = int(group["rayStartParams"]["object-store-memory"])
        limit = quantity(container["resources"]["limits"]["memory"])
        assert kinds[name]["resources"]["memory"] + shared == limit, name


def test_no_platform_moves_what_the_sweep_cannot_lose(objects: Objects) -> None:
    name = "cluster-autoscaler.kubernetes.io/safe-to-evict"
    head = objects["RayCluster", "landslide"]["spec"]["headGroupSpec"]["template"]["metadata"]
    scheduler = objects["DaskCluster", "landslide"]["spec"]["scheduler"]["metadata"]
    assert head["annotations"][name] == scheduler["annotations"][name] == "false"


def quantity(text: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(Ki|Mi|Gi)", text).groups()  # type: ignore[union-attr]
    return int(number) * 1024 ** ("Ki", "Mi", "Gi").index(unit) * 1024


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_page_tells_of_each_overlay(overlay: str) -> None:
    assert f"kubectl apply -k k8s/overlays/{overlay}" in (K8S / "README.md").read_text()


def test_an_apply_can_leave_the_sweep_and_nothing_else_out(objects: Objects) -> None:
    key, value = "app.kubernetes.io/component", "sweep"
    labelled = [n for n, o in objects.items() if o["metadata"].get("labels", {}).get(key) == value]
    assert labelled == [("RayJob", "ablation")]
    assert f"--selector {key}!={value}\n" in (K8S / "README.md").read_text()


SYSTEM = (1.2, 1 << 30)
"""CPUs and bytes that the pods of kube-system and of the operators ask for on a node."""


def asked(objects: Objects) -> tuple[list[float], list[int]]:
    """CPUs and bytes of all pods at their most replicas but those with a GPU, the largest first."""
    ray, dask = objects["RayCluster", "landslide"]["spec"], objects["DaskCluster", "landslide"]
    scaler = ray["autoscalerOptions"]
    pods = [
        [scaler, *ray["headGroupSpec"]["template"]["spec"]["containers"]],
        dask["spec"]["scheduler"]["spec"]["containers"],
        objects["RayJob", "ablation"]["spec"]["submitterPodTemplate"]["spec"]["containers"],
    ]
    most = objects["DaskAutoscaler", "landslide"]["spec"]["maximum"]
    pods += [dask["spec"]["worker"]["spec"]["containers"]] * most
    for group in ray["workerGroupSpecs"]:
        pods += [group["template"]["spec"]["containers"]] * group["maxReplicas"]
    pods += [
        thing["spec"]["template"]["spec"]["containers"]
        for (kind, _), thing in objects.items()
        if kind == "Deployment"
    ]
    requests = [
        [each["resources"]["requests"] for each in pod]
        for pod in pods
        if not any("nvidia.com/gpu" in each["resources"]["requests"] for each in pod)
    ]
    return (
        sorted((sum(cpus(each["cpu"]) for each in pod) for pod in requests), reverse=True),
        [sum(quantity(each["memory"]) for each in pod) for pod in requests],
    )


def cpus(text: str) -> float:
    return float(text[:-1]) / 1000 if text.endswith("m") else float(text)


def test_all_pods_fit_on_the_machines_that_the_page_asks_for(objects: Objects) -> None:
    """At the most replicas: what does not fit would wait as Pending."""
    page = (K8S / "README.md").read_text()
    if ("Deployment", "store") in objects:  # the local overlay
        (machine,) = re.findall(r"with (\d+) CPUs and (\d+) GB", page)
        nodes, cores, memory = 1, float(machine[0]), int(machine[1]) * 10**9
    else:
        (machine,) = re.findall(r"--machine-type e2-standard-(\d+).*\n.*--max-nodes (\d+)", page)
        nodes, cores = int(machine[1]), float(machine[0])
        memory = int(cores) * 4 << 30
    wanted, held = asked(objects)
    free = [cores - SYSTEM[0]] * nodes
    for amount in wanted:  # first fit
        number = next((n for n, left in enumerate(free) if left >= amount), None)
        assert number is not None, (wanted, free)
        free[number] -= amount
    assert sum(held) <= nodes * (memory - SYSTEM[1])

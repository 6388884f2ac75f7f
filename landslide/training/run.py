"""A training run in progress: one epoch after another, and the state that a checkpoint holds."""

import functools
import io
import logging
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from landslide.cube.labels import NO_DATA
from landslide.errors import differing
from landslide.retries import patiently
from landslide.storage import read_bytes, write_whole
from landslide.training.compiling import Forward
from landslide.training.config import TrainingConfig, determining
from landslide.training.device import of_device, whole_float32
from landslide.training.feeding import Feed
from landslide.training.metrics import average_precision
from landslide.training.start import start_digest

log = logging.getLogger(__name__)

Report = Callable[[dict[str, float]], None]
"""Told each epoch's record."""
CHECKPOINT_SHARE = 0.05
"""Of the time, that checkpoints may take: on a fast GPU one may last as long as all epochs between
two."""
SAVING = 100e6
"""Bytes a second that a checkpoint counts as written at until one was timed."""


class Run:
    """The state that changes from epoch to epoch, and that a checkpoint holds."""

    def __init__(
        self,
        network: torch.nn.Module,
        config: TrainingConfig,
        precision: torch.dtype,
        device: torch.device,
        forward: Forward | None = None,
    ) -> None:
        self.network, self.config, self.precision = network, config, precision
        self.on_gpu = device.type == "cuda"
        # What the steps compute with: the same weights.
        self.forward = network if forward is None else forward
        self.optimizer = torch.optim.Adam(
            network.parameters(),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            # One kernel, which skips a step that overflowed without asking the host.
            fused=self.on_gpu,
        )
        self.plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.optimizer,
            factor=config.plateau_factor,
            patience=config.plateau_patience,
            threshold=config.plateau_threshold,
        )
        # float16 underflows without it; it does nothing for the other precisions.
        self.scaler = torch.amp.grad_scaler.GradScaler(
            device.type, enabled=precision == torch.float16
        )
        self.shuffle = torch.Generator().manual_seed(config.seed)
        self.epoch, self.seconds = 0, 0.0
        self.history: list[dict[str, float]] = []
        self.best_epoch, self.best_score = 0, -np.inf
        self.best_weights: dict[str, torch.Tensor] = {}

    def complete(
        self, chips: Feed, validation: Feed, *, checkpoint: str | None, report: Report | None
    ) -> None:
        """Go on from a checkpoint, where there is one, and train the epochs that are left.

        A checkpoint that would come sooner than `CHECKPOINT_SHARE` allows is left out.
        """
        if checkpoint is not None:
            self.resume(checkpoint)
        weights = sum(each.numel() * each.element_size() for each in self.network.parameters())
        cost = 3 * weights / SAVING  # Adam keeps two moments of each
        saved = time.perf_counter()
        while self.epoch < self.config.epochs:
            record = self.advance(chips, validation)
            if report is not None:
                report(record)
            if checkpoint is None or self.epoch % self.config.checkpoint_every:
                continue
            start = time.perf_counter()
            if CHECKPOINT_SHARE * (start - saved) >= cost:
                self.save(checkpoint)
                saved = time.perf_counter()
                cost = saved - start

    def advance(self, chips: Feed, validation: Feed) -> dict[str, float]:
        """Train one epoch over the training chips, and validate.

        Raises
        ------
        ValueError
            Where the loss is no number.
        """
        start = time.perf_counter()
        self.network.train()
        total = torch.zeros(2, dtype=torch.float64, device=chips.labels.device)  # loss, pixels
        for x, y in chips.shuffled(self.shuffle):
            total += self.step(x, y)
        self.epoch += 1
        record = {
            "epoch": float(self.epoch),
            "train_loss": float(total[0] / total[1]),
            "learning_rate": float(self.optimizer.param_groups[0]["lr"]),
        }
        if not np.isfinite(record["train_loss"]):
            raise ValueError(
                f"training diverged in epoch {self.epoch} (the loss is no number): "
                "lower the learning rate or use --precision float32"
            )
        watched = record["train_loss"]
        if len(validation.labels):
            watched, score = self.validate(validation)
            record |= {"validation_loss": watched, "validation_auprc": score}
            if score > self.best_score:
                self.best_score, self.best_epoch = score, self.epoch
                state = self.network.state_dict()
                self.best_weights = {k: v.detach().clone() for k, v in state.items()}
        self.plateau.step(watched)
        self.seconds += time.perf_counter() - start
        self.history.append(record)
        return record

    def step(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Make one step of the optimiser; return the batch's summed loss and its pixels."""
        self.optimizer.zero_grad()
        with whole_float32(self.precision):
            loss, pixels = self.loss(x, y)
            self.scaler.scale(loss / pixels.clamp(min=1)).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return torch.stack([loss.detach().double(), pixels.double()])

    def loss(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the summed cross-entropy of a batch and the pixels it counts."""
        with torch.autocast(x.device.type, self.precision, self.precision != torch.float32):
            logits = self.forward(x)
        loss = cross_entropy(logits.float(), y.long(), ignore_index=NO_DATA, reduction="sum")
        return loss, torch.count_nonzero(y != NO_DATA)

    @torch.no_grad()
    def validate(self, chips: Feed) -> tuple[float, float]:
        """Return mean loss and AUPRC over the validation chips: the worst where a score is none.

        Half precision may overflow in one epoch and not in the next.
        """
        scores, y = self.score(chips), chips.labels
        valid = y != NO_DATA
        if not torch.isfinite(scores[valid]).all():
            return np.inf, 0.0
        # The cross-entropy of two classes is the binary one of their logits' difference.
        loss = torch.nn.functional.binary_cross_entropy_with_logits(scores[valid], y[valid].float())
        return float(loss), average_precision(scores, y)

    @torch.no_grad()
    def score(self, chips: Feed) -> torch.Tensor:
        """Return each pixel's score (chip, y, x) of a part's chips, in their order."""
        scores = torch.empty(chips.labels.shape, device=chips.labels.device)
        if not len(scores):
            return scores
        for rows, x in chips.in_order():
            scores[rows] = predict(self.network, x, self.config.batch_size, self.precision)
        return scores

    @functools.cached_property
    def determined(self) -> dict[str, Any]:
        """What a checkpoint must share with the run that goes on from it.

        As a row's key has it: weights count by their content, for they may lie elsewhere, and
        precision as it is here. Threads the next machine may have more of, or fewer.
        """
        settings = determining(self.config)
        del settings["threads"]
        settings["precision"] = "float32" if self.precision == torch.float32 else "mixed"
        if self.config.start != "none":
            settings["start"] = start_digest(self.config.start)
        return settings

    def restore_best(self) -> None:
        """Go back to the weights that did best on validation, where there was one."""
        if self.best_weights:
            self.network.load_state_dict(self.best_weights)

    def save(self, address: str) -> None:
        """Write the whole state to an address, in one piece."""
        buffer = io.BytesIO()
        torch.save(
            {
                "determined": self.determined,
                "network": self.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "plateau": self.plateau.state_dict(),
                "scaler": self.scaler.state_dict(),
                "shuffle": self.shuffle.get_state(),
                "random": torch.get_rng_state(),
                "gpu_random": torch.cuda.get_rng_state() if self.on_gpu else None,
                "progress": {
                    name: getattr(self, name)
                    for name in ("epoch", "seconds", "history", "best_epoch", "best_weights")
                }
                | {"best_score": float(self.best_score)},
            },
            buffer,
        )
        write_whole(address, buffer.getvalue())

    def resume(self, address: str) -> None:
        """Take up the state that an address holds, if there is a whole one of this version.

        Raises
        ------
        ValueError
            Where the state is of another configuration.
        """
        try:
            data = patiently(lambda: read_bytes(address))
        except FileNotFoundError:
            return
        device = next(self.network.parameters()).device
        try:
            state: dict[str, Any] = torch.load(
                io.BytesIO(data), map_location=device, weights_only=True
            )
        except Exception as error:  # of what is cut off, torch raises errors of many kinds
            if of_device(error):
                raise
            log.warning("%s is no whole checkpoint: training begins anew", address)
            return
        if "determined" not in state:
            log.warning("%s is a checkpoint of an earlier version: training begins anew", address)
            return
        if state["determined"] != self.determined:
            others = ", ".join(differing(state["determined"], self.determined))
            raise ValueError(
                f"the checkpoint {address} is of another configuration (in {others}): remove it, "
                "or name another"
            )
        self.network.load_state_dict(state["network"])
        # What another kind of device left: how this one steps is its own.
        for group, own in zip(
            state["optimizer"]["param_groups"], self.optimizer.param_groups, strict=True
        ):
            group["fused"] = own["fused"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.plateau.load_state_dict(state["plateau"])
        if state["scaler"]:  # of bfloat16 and float32 there is none
            self.scaler.load_state_dict(state["scaler"])
        self.shuffle.set_state(state["shuffle"].cpu())
        torch.set_rng_state(state["random"].cpu())
        if self.on_gpu and state["gpu_random"] is not None:
            torch.cuda.set_rng_state(state["gpu_random"].cpu())
        for name, value in state["progress"].items():
            setattr(self, name, value)


@torch.no_grad()
def predict(
    network: torch.nn.Module, x: torch.Tensor, batch_size: int, precision: torch.dtype
) -> torch.Tensor:
    """Return each pixel's logit of landslide over none: (chip, channel, y, x) to (chip, y, x)."""
    if network.training:  # eval() walks over all layers, and a scene has many batches
        network.eval()
    scores = []
    with (
        whole_float32(precision),
        torch.autocast(x.device.type, precision, precision != torch.float32),
    ):
        for batch in x.split(batch_size):
            logits = network(batch)
            scores.append(logits[:, 1] - logits[:, 0])
    return torch.cat(scores)

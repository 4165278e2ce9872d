"""A short training of a network that has learnt before, such as one that channels were cut out of."""

import copy
import math

from holdfast.config.schema import Config
from holdfast.core.errors import HoldfastError
from holdfast.core.progress import progress
from holdfast.data import Version
from holdfast.modality import Preparation
from holdfast.models import Classifier
from holdfast.train.device import pick_device, repeatable
from holdfast.train.dropout import spread_dropouts
from holdfast.train.learner import Learner, learn, learner_of, validate
from holdfast.train.loader import training_batches
from holdfast.train.loop import rank
from holdfast.train.optim import learning_rate
from holdfast.train.sampler import order, split_evenly
from holdfast.train.samples import Samples
from holdfast.train.windows import choose_windows


def tune(
    model: Classifier, config: Config, version: Version, preparation: Preparation, *, epochs: int, lr: float
) -> Classifier:
    """Train a network in place for some epochs, as its configuration says, and give its best weights back.

    The same network, configuration, data and threads give the same weights. Nothing of it is kept on disk.

    Args:
        model: on the CPU; every weight learns.
        config: that of its training, but for the two below and for pictures that grow.
        version: its train split is learnt from, its valid split picks the best epoch.
        preparation: how samples are decoded.
        epochs: times through the training split.
        lr: peak learning rate.

    Raises:
        HoldfastError: if the loss is no number any more.
    """
    config = config.model_copy(
        update={
            "optim": config.optim.model_copy(update={"lr": lr}),
            "augment": config.augment.model_copy(update={"first_side": 0}),
        }
    )
    device = pick_device(config.device)
    with repeatable(device):
        spread_dropouts(model)
        model.requires_grad_(True).to(device.torch).train()
        learner = learner_of(model, config, version, device, average=False)
        samples = Samples(
            version,
            preparation,
            cache_mb=config.train.cache_mb,
            threads=config.train.workers or device.threads,
        )
        _epochs(learner, samples, epochs)
    return model.cpu().eval()


def _epochs(learner: Learner, samples: Samples, epochs: int) -> None:
    version, dials, task = samples.version, learner.config.train, samples.version.info.task
    train, valid = version.indices("train"), version.validation()
    parts = zip(train.tolist(), samples.each(train), strict=True)
    samples.windows = choose_windows(parts, learner.config.prepare)
    best, kept, step = (-math.inf, -math.inf), None, 0
    with progress("tune", epochs * len(train), unit="samples") as bar:
        for epoch in range(epochs):
            key = (dials.seed + 1, epoch)
            drawn = train[
                order(version.targets[train], task, dials.sampler, key=key, groups=version.groups[train])
            ]
            plan = split_evenly(drawn, dials.batch)
            for batch in training_batches(samples, plan, learner.config.augment, key=key):
                rate = learning_rate(learner.config.optim, step, epochs * len(plan))
                loss = learn(learner, batch, rate=rate, step=step, epoch=epoch)
                step += 1
                if not math.isfinite(loss):
                    raise HoldfastError(
                        f"the loss is {loss} at step {step}: the pruned network has diverged",
                        hint="lower optimize.lr, or raise optimize.keep",
                    )
                bar.advance(batch.total, f"loss {loss:.3f}")
            values = validate(learner, samples, valid) or {"epoch": float(epoch)}
            if rank(values, dials, task) >= best:
                best, kept = rank(values, dials, task), copy.deepcopy(learner.model.state_dict())
    if kept is not None:
        learner.model.load_state_dict(kept)

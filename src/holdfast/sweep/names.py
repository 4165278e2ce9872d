"""What others call our settings and metrics."""

from holdfast.config import Config
from holdfast.config.schema import AFTERWARDS
from holdfast.core.refs import did_you_mean
from holdfast.sweep.space import keys_of

ALIASES = {
    "optim.lr": "lr learning_rate learningrate base_lr max_lr",
    "optim.weight_decay": "weight_decay wd l2",
    "optim.name": "optimizer optim optimiser",
    "optim.schedule": "scheduler lr_scheduler schedule lr_schedule lr_scheduler_type",
    "optim.warmup": "warmup_ratio",
    "optim.clip": "grad_clip clip_grad gradient_clip gradient_clip_val max_grad_norm clip_norm",
    "train.batch": "batch batch_size bs train_batch_size per_device_train_batch_size",
    "train.epochs": "epoch num_epochs n_epochs max_epochs num_train_epochs",
    "train.seed": "random_seed random_state",
    "train.patience": "early_stopping_patience",
    "model.dropout": "dropout_rate drop_rate dropout_p dropout_prob",
    "model.name": "model architecture arch model_name backbone",
    "model.width": "hidden_size hidden_dim hidden_units channels hidden_layer_size",
    "model.depth": "num_layers n_layers layers",
    "prepare.size": "image_size img_size input_size resolution",
    "prepare.rate": "sample_rate sampling_rate",
    "prepare.mels": "n_mels num_mels",
    "prepare.max_tokens": "max_length max_len max_seq_length max_seq_len",
    "augment.mixup": "mixup_alpha",
    "loss.class_weights": "class_weight",
}
METRICS = {
    "accuracy": "acc top1 acc1",
    "macro_f1": "f1 f1_macro f1_score macro_f1_score",
    "average_precision": "map mean_average_precision pr_auc",
    "loss": "log_loss nll cross_entropy",
}


def key_for(name: str, config: Config) -> str | None:
    """The setting that a parameter means: by its own key, by a usual other name, or by its last part.

    >>> key_for("learning_rate", Config())
    'optim.lr'
    """
    known = keys_of(config)
    if name in known:
        return name
    leaf = name.rsplit(".", 1)[-1].lower().replace("-", "_")
    for key, others in ALIASES.items():
        if key in known and leaf in others.split():
            return key
    same = [key for key in _learning(config) if key.rsplit(".", 1)[-1] == leaf]
    return same[0] if len(same) == 1 else None


def metric_for(name: str) -> str | None:
    """Ours, for theirs. Of what is measured on training or test samples there is none."""
    plain = name.lower().replace("/", "_").replace(".", "_").replace("-", "_")
    for prefix in ("validation_", "valid_", "val_", "eval_", "dev_"):
        plain = plain.removeprefix(prefix)
    for ours, others in METRICS.items():
        if plain == ours or plain in others.split():
            return ours
    return None


def near_to(name: str, config: Config) -> str:
    """What an unknown parameter may have meant."""
    leaf = name.rsplit(".", 1)[-1].lower()
    words = {key.rsplit(".", 1)[-1]: key for key in _learning(config)}
    words |= {
        other: key for key, others in ALIASES.items() for other in others.split() if key in words.values()
    }
    near = did_you_mean(leaf, words)
    return f"; did you mean {words[near]!r}?" if near else ""


def _learning(config: Config) -> list[str]:
    """The settings that change what is learnt."""
    return [key for key in keys_of(config) if key.partition(".")[0] not in AFTERWARDS]

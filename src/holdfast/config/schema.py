"""Every dial; those of decoding, serving and optimising are in files of their own. `presets/` sets them."""

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BeforeValidator, field_serializer, field_validator, model_validator

from holdfast.config.optimize import OptimizeConfig as OptimizeConfig
from holdfast.config.prepare import AudioPrepare as AudioPrepare
from holdfast.config.prepare import Count, NotNegative, Positive, Settings, Share
from holdfast.config.prepare import ImagePrepare as ImagePrepare
from holdfast.config.prepare import Prepare as Prepare
from holdfast.config.prepare import TextPrepare as TextPrepare
from holdfast.config.serve import ServeConfig as ServeConfig
from holdfast.core.addresses import is_place, masked


class ModelConfig(Settings):
    """Which network, and how large."""

    name: str = "resnet_small"
    """A name of the catalog in `models/`."""
    width: Annotated[int, Ge(16), Le(4096)] = 32
    """Channels of the first stage; twice as many cost about four times the time.

    Not below 16: there, convolutions of torch 2.13 on several CPU threads write beyond their memory.
    """
    depth: Annotated[int, Ge(1), Le(64)] = 3
    """Stages, or layers."""
    dropout: Share = 0.1
    """Share of the features dropped before the last layer while training."""
    side: Annotated[int, Ge(0), Le(1024)] = 0
    """Pixels on each side that a network for pictures sees; 0 is `prepare.size`.

    Larger pictures are shrunk inside the graph, and while training their crops are: crops stay sharp.
    """
    cells: Annotated[int, Ge(1), Le(8)] = 1
    """Cells on each side over which the last maps of a picture are averaged, each for itself.

    1 forgets where things are. More are for pictures that are aligned, such as faces.
    """
    drop_path: Share = 0.0
    """Share of the pictures for which the last block is left out while training; earlier ones less often."""
    source: str | None = None
    """For `hf`: a folder, or a name on the Hugging Face hub such as `microsoft/resnet-50`."""
    revision: str | None = None
    """For `hf`: the commit, branch or tag on the hub; None takes the newest."""
    fresh: bool = False
    """For `hf`: weights by chance in the source's architecture, instead of pretrained ones.

    The source may then be the name of an architecture, such as `vit`: nothing is downloaded.
    """
    tune: Literal["all", "head", "gradual", "lora"] = "all"
    """For `hf`, what learns: all weights; the last layer alone; the layers one after the other, from the top
    (Howard & Ruder 2018); or small matrices beside them (LoRA, Hu et al. 2021).
    """
    thaw_by: Annotated[float, Gt(0), Le(1)] = 0.5
    """For `tune=gradual`: after this share of the epochs all layers learn."""
    pool: Literal["auto", "first", "mean"] = "auto"
    """For `hf`, how tokens become one embedding: the first, or their mean; auto: as the architecture does."""
    lora_rank: Annotated[int, Ge(1), Le(1024)] = 8
    """For `tune=lora`: columns of each matrix; more can learn more."""
    lora_alpha: Positive = 16.0
    """For `tune=lora`: what the matrices say counts `lora_alpha / lora_rank` times."""
    lora_targets: tuple[str, ...] = ()
    """For `tune=lora`: ends of the names of the layers that get matrices; none: all linear layers, or all
    convolutions where there are no linear layers.
    """

    @model_validator(mode="after")
    def _pretrained(self) -> "ModelConfig":
        if self.name == "hf" and not self.source:
            raise ValueError("name=hf needs a source: a folder, or a name such as microsoft/resnet-50")
        if self.name != "hf" and self.tune != "all":
            raise ValueError(f"tune={self.tune} needs name=hf: {self.name} has nothing learnt to keep")
        if self.name != "hf" and self.source:
            raise ValueError(f"source is for name=hf, but name is {self.name}")
        return self


class AugmentConfig(Settings):
    """Changes to training samples that keep their label. Never applied outside training."""

    flip: Share = 0.0
    """Share of pictures mirrored left to right."""
    shift: Share = 0.0
    """Largest shift: of a picture as a share of its side, of a sound as a share of its window."""
    scale: Share = 0.0
    """Largest zoom in or out of a picture."""
    color: Share = 0.0
    """Largest change of brightness and contrast of a picture."""
    erase: Share = 0.0
    """Share of a picture's area, at most, that is greyed out."""
    crop: Annotated[float, Gt(0), Le(1)] = 1.0
    """Smallest share of a picture's area that is kept; the crop may be narrower or lower than the picture."""
    first_side: Annotated[int, Ge(0), Le(1024)] = 0
    """Pixels on each side of a picture in the first epoch; 0 is as many as in the last.

    They grow in steps of 8 over the first 60 % of the epochs (progressive resizing): early epochs cost less.
    """
    operations: Annotated[int, Ge(0), Le(8)] = 0
    """How many of fourteen changes of place and colour a picture gets (RandAugment, Cubuk et al. 2019)."""
    strength: Annotated[float, Ge(0), Le(1)] = 0.5
    """The strongest that such a change may be; 1 turns by 30 degrees."""
    gain_db: NotNegative = 0.0
    """Largest change of loudness of a sound, in decibels."""
    trim: Share = 0.0
    """Largest share of a sound that is cut off at its ends."""
    backdrop: Share = 0.0
    """Share of sounds that get another one of the batch behind them, 3 to 25 dB softer."""
    noise_db: NotNegative = 0.0
    """Sounds get a hiss, at its loudest so many decibels below their loudest point; 0 turns it off."""
    eq_db: NotNegative = 0.0
    """Largest change of any pitch's loudness in decibels, as another microphone would have it."""
    muffle: Share = 0.0
    """Share of sounds that lose their upper bands, as codecs and cheap recorders have it."""
    pitch: Annotated[int, Ge(0), Le(64)] = 0
    """Largest number of mel bands by which a sound goes up or down."""
    stretch: Share = 0.0
    """Largest change of a sound's speed; its pitch stays."""
    mask_freq: Share = 0.0
    """Largest share of the mel bands blanked out (SpecAugment, Park et al. 2019)."""
    mask_time: Share = 0.0
    """Largest share of the frames blanked out (SpecAugment, Park et al. 2019)."""
    mix_spectra: NotNegative = 0.0
    """Alpha of the Beta distribution that the spectra of two sounds are mixed by; 0 turns it off."""
    drop_tokens: Share = 0.0
    """Share of a text's tokens replaced by padding."""
    mixup: NotNegative = 0.0
    """Alpha of the Beta distribution that two samples (not texts) mix by (Zhang et al. 2018); 0: off."""
    cutmix: NotNegative = 0.0
    """Alpha of the Beta distribution of the share no piece of another covers (Yun et al. 2019); 0: off."""


class LossConfig(Settings):
    """What training makes small: cross-entropy for one label, binary cross-entropy for many."""

    label_smoothing: Share = 0.0
    """Share of the target spread over the other labels; tames overconfidence."""
    class_weights: Literal["none", "root", "balanced"] = "none"
    """`balanced` weighs labels by the inverse of their frequency, `root` by the root of that."""


class OptimConfig(Settings):
    """How the weights are updated."""

    name: Literal["adamw", "sgd"] = "adamw"
    """The optimiser."""
    lr: Positive = 1e-3
    """Peak learning rate."""
    weight_decay: NotNegative = 0.01
    """Pull of the weights towards zero; not applied to biases and norms."""
    momentum: Share = 0.9
    """Only for sgd."""
    schedule: Literal["cosine", "linear", "step", "constant"] = "cosine"
    """How the learning rate falls after the warm-up."""
    warmup: Share = 0.05
    """Share of all steps spent warming up; 0 turns it off."""
    clip: NotNegative = 1.0
    """Largest norm of the gradient; 0 turns clipping off."""


class TrainConfig(Settings):
    """How long, on what, and when to stop."""

    epochs: Annotated[int, Ge(1), Le(100_000)] = 20
    """Times through the training split."""
    batch: Count = 32
    """Samples in one step."""
    sampler: Literal["shuffle", "weighted", "groups"] = "shuffle"
    """`weighted` draws each label equally often, `groups` also each group (recording, person) of a label."""
    min_samples: Annotated[int, Ge(0)] = 0
    """Training refuses to begin with fewer samples than this of any label; 0 leaves it to `data check`."""
    monitor: Literal["auto", "loss", "accuracy", "macro_f1", "average_precision"] = "auto"
    """The validation metric that picks the best checkpoint; auto: macro_f1, many labels average_precision."""
    ema: Share = 0.0
    """How slowly the average of the weights, which is exported, follows: 0.999 over 1000 steps; 0: off."""
    patience: Annotated[int, Ge(0)] = 0
    """Epochs without a better checkpoint before training stops early; 0 never stops early."""
    max_minutes: Positive | None = None
    """Training stops after the epoch that passes this; the result then depends on the machine's speed."""
    checkpoint_s: NotNegative = 20.0
    """Seconds between checkpoints in mid-epoch; 0 writes one after each step."""
    cache_mb: NotNegative = 2048.0
    """Decoded samples are kept in memory up to this size, from when they are first used."""
    workers: Annotated[int, Ge(0), Le(64)] = 0
    """Threads that decode and make batches ahead; 0: as `device.threads`. More do not change the result."""
    profile: bool = False
    """Whether to write a trace of some steps and say where the time goes."""
    seed: Annotated[int, Ge(0)] = 0
    """Same seed, same data, same threads: same weights."""


class DeviceConfig(Settings):
    """What training runs on."""

    name: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """`auto` takes a GPU if there is one."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """`auto`: bf16 on a GPU that has it, fp16 on another; on a CPU fp32, or bf16 where steps are faster so.

    Short trainings on a CPU are fp32, unmeasured.
    """
    threads: Annotated[int, Ge(0)] = 0
    """CPU threads; 0 takes all cores, or one where steps are faster so. Short trainings are not measured.

    Weights are bit-exact only at the same number.
    """


class LaunchConfig(Settings):
    """How a training is spread over processes of this machine."""

    processes: Annotated[int, Ge(1), Le(64)] = 1
    """Processes that share each batch; `train.batch` is what they learn from together."""


class EvaluateConfig(Settings):
    """How the numbers are made."""

    bootstrap: Annotated[int, Ge(0), Le(100_000)] = 1000
    """Resamples behind each interval; 0 leaves the intervals out."""
    confidence: Annotated[float, Gt(0), Lt(1)] = 0.95
    """Of the intervals."""
    bins: Count = 15
    """Of the expected calibration error."""
    baselines: bool = True
    """Whether the simple-feature baseline is trained too; the gate asks for it."""
    cover: Annotated[float, Ge(0), Lt(1)] = 0.9
    """Share of samples whose set of possible labels should hold the right one; 0 promises nothing.

    Where more than one label is possible, the answer is told to be not sure.
    """
    golden: Annotated[int, Ge(0), Le(64)] = 3
    """Held-out samples that the bundle carries with their answers: a server must give the same, or stops.

    0 keeps all samples out of the bundle.
    """


class GateConfig(Settings):
    """What a model must show before an alias moves to it."""

    max_difference: Positive = 1e-3
    """Largest difference of probability between training code and exported graph."""
    equal_labels: Annotated[float, Gt(0), Le(1)] = 1.0
    """Smallest share of test samples on which both give the same label."""


class TrackConfig(Settings):
    """Where a run is shown besides its own folder. Changes nothing in what is learnt."""

    to: Annotated[
        tuple[Literal["tensorboard", "mlflow", "wandb"], ...],
        BeforeValidator(lambda v: [v] if isinstance(v, str) else v),
    ] = ()
    """Tools that are shown the run while it goes on; `[mlflow,tensorboard]` takes two."""
    project: str | None = None
    """The project of W&B, the experiment of MLflow; the dataset's name if it is not set."""
    mlflow_uri: str | None = None
    """Address of the MLflow server; MLFLOW_TRACKING_URI if it is not set. Stored without its password."""
    wandb_mode: Literal["online", "offline", "disabled"] = "online"
    """`offline` keeps all in the run's folder for `wandb sync`; `disabled` leaves W&B out."""
    samples: Annotated[int, Ge(0), Le(256)] = 16
    """Held-out samples that are shown with their predictions; 0 keeps all samples on this machine."""
    wait_s: Positive = 60.0
    """Seconds at most, at the end of a training, to send what is left; `runs export` sends it later."""

    @field_validator("mlflow_uri")
    @classmethod
    def _is_place(cls, uri: str | None) -> str | None:
        if uri is not None and not is_place(uri):
            raise ValueError(
                f"{masked(uri)!r} is neither an address, such as http://127.0.0.1:5000, nor a "
                "folder, such as ./mlruns"
            )
        return uri

    @field_serializer("mlflow_uri")
    def _without_password(self, uri: str | None) -> str | None:
        return uri and masked(uri)


AFTERWARDS = ("serve", "gate", "track", "optimize")
"""Parts of the configuration that change nothing in what is learnt."""


class Config(Settings):
    """The whole configuration of a run. It is stored with the run and can be run again."""

    recipe: str = "image"
    """The preset that this began from."""
    size: Literal["small", "full"] = "small"
    """`small` learns from scratch in minutes on two CPU cores; `full` fine-tunes a pretrained network."""
    prepare: Prepare = ImagePrepare()
    model: ModelConfig = ModelConfig()
    augment: AugmentConfig = AugmentConfig()
    loss: LossConfig = LossConfig()
    optim: OptimConfig = OptimConfig()
    train: TrainConfig = TrainConfig()
    device: DeviceConfig = DeviceConfig()
    launch: LaunchConfig = LaunchConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    gate: GateConfig = GateConfig()
    serve: ServeConfig = ServeConfig()
    track: TrackConfig = TrackConfig()
    optimize: OptimizeConfig = OptimizeConfig()

    @model_validator(mode="after")
    def _one_size(self) -> "Config":
        if self.model.name == "hf" and self.augment.first_side:
            raise ValueError(
                f"augment.first_side is {self.augment.first_side}, but networks of Hugging Face see "
                "one size; leave it at 0"
            )
        return self

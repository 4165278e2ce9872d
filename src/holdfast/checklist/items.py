"""The items of the checklist: one table of what is asked, and who looks for it."""

from collections.abc import Callable
from dataclasses import dataclass

from holdfast.checklist import probes_ci as ci
from holdfast.checklist import probes_cloud as cloud
from holdfast.checklist import probes_code as code
from holdfast.checklist import probes_data as data
from holdfast.checklist import probes_docs as docs
from holdfast.checklist import probes_monitoring as monitoring
from holdfast.checklist import probes_serving as serving
from holdfast.checklist import probes_setup as setup
from holdfast.checklist import probes_tests as tests
from holdfast.checklist.answer import Answer
from holdfast.checklist.helps import HELPS
from holdfast.checklist.repo import Repo

Row = tuple[str, str, tuple[int, ...], Callable[[Repo], Answer], str]
_ONE, _TWO, _BOTH, _OURS = (1,), (2,), (1, 2), ()


@dataclass(frozen=True)
class Item:
    """A line of the checklist.

    Attributes:
        topic: the week of a course in which it comes, or that it is ours.
        name: its id.
        title: in our words.
        generations: of the template that ask it, 1 and 2; empty where only we do.
        probe: looks for it.
        claim: a regular expression that fits the line of a report which claims it.
    """

    topic: str
    name: str
    title: str
    generations: tuple[int, ...]
    probe: Callable[[Repo], Answer]
    claim: str

    @property
    def help(self) -> str:
        """The command or the page that helps where it is missing; empty where no file can show it."""
        return HELPS.get(self.name, "")


_TABLE: dict[str, tuple[Row, ...]] = {
    "week 1: code and data": (
        ("git", "the code is in Git", _BOTH, setup.git, r"create a git repo"),
        ("access", "all members may push", _BOTH, setup.access, r"write access"),
        ("environment", "an environment of its own", _BOTH, setup.environment, r"dedicated environment"),
        ("structure", "a structure that others know", _BOTH, setup.structure, r"initial file structure"),
        (
            "data-code",
            "code that gets and prepares the data",
            _BOTH,
            code.data_code,
            r"`(data|make_dataset)\.py`",
        ),
        (
            "training",
            "a model, and code that trains it",
            _BOTH,
            code.model_training,
            r"(model file|add a model to)",
        ),
        (
            "requirements",
            "every imported package is listed",
            _BOTH,
            setup.requirements,
            r"requirements\.txt|requirements_dev",
        ),
        ("style", "PEP 8", _BOTH, code.style, r"pep8"),
        ("typing", "types and docstrings where they matter", _BOTH, code.typed_documented, r"code typing"),
        (
            "data-versions",
            "versions of the data",
            _BOTH,
            data.data_versions,
            r"version control for your data",
        ),
        ("command-line", "a command line", _TWO, code.command_line, r"command line interface"),
        ("dockerfile", "Dockerfiles", _BOTH, ci.dockerfiles, r"one or multiple docker files"),
        ("images-work", "the images build and run", _BOTH, ci.images_work, r"build the docker files"),
        ("settings", "files of settings for experiments", _BOTH, code.config_files, r"configurations? files"),
        ("hydra", "settings composed by Hydra", _BOTH, code.hydra, r"hydra"),
        ("profiling", "a profiler was used", _BOTH, code.profiling, r"profiling"),
        ("logging", "important events are logged", _TWO, code.logging, r"use logging"),
        ("wandb", "runs are shown in W&B", _BOTH, data.wandb, r"weights & biases"),
        ("sweep", "a search of settings", _TWO, data.sweep, r"sweep"),
        ("lightning", "a training loop by Lightning", _BOTH, code.lightning, r"lightning"),
    ),
    "week 2: tests, images, API": (
        ("data-tests", "tests of the data", _BOTH, tests.data_tests, r"unit tests related to the data"),
        (
            "model-tests",
            "tests of model and training",
            _BOTH,
            tests.model_tests,
            r"unit tests related to model",
        ),
        ("coverage", "coverage of the code", _BOTH, tests.coverage, r"coverage"),
        ("ci", "tests run when the code changes", _BOTH, ci.integration, r"get some continuous integration"),
        ("ci-matrix", "several systems and versions, with a cache", _TWO, ci.matrix, r"caching and multi-os"),
        ("ci-lint", "style is checked when the code changes", _TWO, ci.linting, r"linting step"),
        ("pre-commit", "hooks before a commit", _TWO, ci.hooks, r"pre-commit"),
        ("data-trigger", "something happens when data change", _TWO, ci.data_trigger, r"triggers when data"),
        (
            "registry-trigger",
            "something happens when the model registry changes",
            _TWO,
            ci.registry_trigger,
            r"changes to the model registry",
        ),
        ("bucket", "data in a bucket, linked with their versions", _BOTH, data.bucket, r"gcp bucket"),
        (
            "image-trigger",
            "images are built by themselves",
            _BOTH,
            ci.image_trigger,
            r"automatically building",
        ),
        ("cloud-training", "training in the cloud", _BOTH, cloud.cloud_training, r"training in gcp"),
        ("api", "an API that predicts", _BOTH, serving.api, r"create a fastapi"),
        ("torchserve", "a server of one's own, such as TorchServe", _ONE, cloud.torchserve, r"torchserve"),
        ("deployed", "it answers in the cloud", _BOTH, cloud.deployed, r"deploy your model in gcp"),
        ("api-tests", "tests of the API, run by CI", _TWO, tests.api_tests, r"api tests"),
        ("load-test", "a load test", _TWO, tests.load_test, r"load test"),
        ("special-server", "ONNX or BentoML", _TWO, serving.special_server, r"onnx or bentoml"),
        ("frontend", "a page for people", _TWO, serving.frontend, r"frontend"),
    ),
    "week 3: after it is served": (
        ("drift", "how robust it is when the data drift", _BOTH, monitoring.drift, r"robust your model"),
        (
            "collecting",
            "inputs and outputs are kept",
            _TWO,
            monitoring.collecting,
            r"collection of input-output",
        ),
        ("drift-api", "a drift API in the cloud", _TWO, cloud.drift_deployed, r"drift detection api"),
        ("telemetry", "telemetry of the deployed model", _ONE, monitoring.telemetry, r"system telemetry"),
        (
            "performance",
            "how good it is while it is deployed",
            _ONE,
            monitoring.performance,
            r"monitoring for the performance",
        ),
        ("metrics", "metrics of the API", _TWO, monitoring.instrumented, r"instrument your api"),
        (
            "cloud-monitoring",
            "metrics are collected in the cloud",
            _TWO,
            cloud.cloud_monitoring,
            r"cloud monitoring",
        ),
        ("alerts", "somebody is alerted", _TWO, cloud.alerts, r"alert systems?"),
        (
            "loading",
            "data are loaded by several workers",
            _BOTH,
            serving.loading,
            r"distributed data loading",
        ),
        (
            "distributed",
            "training by several processes",
            _BOTH,
            serving.distributed,
            r"distributed (model )?training",
        ),
        ("faster", "quantized, compiled or pruned", _BOTH, serving.faster, r"quantization"),
    ),
    "the rest": (
        ("documentation", "documentation", _TWO, docs.documentation, r"write some documentation"),
        ("pages", "documentation that is published", _TWO, docs.pages_published, r"github pages"),
        ("revisited", "looked back at what was wanted", _BOTH, docs.revisited, r"revisit your initial"),
        ("diagram", "a diagram of the whole", _TWO, docs.diagram, r"architectural diagram"),
        (
            "understanding",
            "every member understands every part",
            _BOTH,
            tests.understanding,
            r"understanding about all",
        ),
        ("pushed", "all of it is at the remote", _BOTH, setup.pushed, r"uploaded all your code"),
    ),
    "also good": (
        ("readme", "a README", _OURS, docs.readme, r"(?!)"),
        ("licence", "a licence", _OURS, setup.licence, r"(?!)"),
        ("report", "a report with every question answered", _OURS, docs.report, r"(?!)"),
    ),
}

ITEMS = tuple(Item(topic, *row) for topic, rows in _TABLE.items() for row in rows)

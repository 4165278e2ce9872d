"""Drafts about the whole: what is extra, the steps of the system, who committed."""

import re
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

from holdfast.checklist import (
    probes_ci,
    probes_cloud,
    probes_code,
    probes_data,
    probes_docs,
    probes_monitoring,
    probes_serving,
)
from holdfast.checklist.answer import Answer
from holdfast.checklist.repo import Repo
from holdfast.checklist.tree import normal
from holdfast.report.draft import Draft, listed, quoted
from holdfast.workflows.filling_facts import Facts, Told
from holdfast.workflows.filling_journal import journal

_EXTRA = (
    (probes_serving.frontend, "There is a page for people"),
    (probes_serving.special_server, "The model runs apart from the code that trained it"),
    (probes_serving.faster, "The model is made smaller or faster"),
    (probes_data.sweep, "Settings are searched for"),
    (probes_monitoring.drift, "Drift is looked for"),
    (probes_cloud.alerts, "Somebody is alerted"),
    (probes_serving.distributed, "Training takes several processes"),
    (probes_docs.pages_published, "The documentation is published"),
    (probes_ci.data_trigger, "Changes of the data are followed"),
    (probes_ci.registry_trigger, "The registry of models is followed"),
)
_STEPS = (
    (probes_data.data_versions, "Data are under versions"),
    (probes_code.data_code, "They are read and prepared"),
    (probes_code.config_files, "Settings of experiments stand in files"),
    (probes_code.model_training, "A model is made and trained"),
    (probes_data.wandb, "Its runs are shown in W&B"),
    (probes_ci.hooks, "Hooks look at each commit"),
    (probes_ci.integration, "A change of the code starts the tests"),
    (probes_ci.linting, "Its style is checked"),
    (probes_ci.image_trigger, "Images are built by themselves"),
    (probes_cloud.cloud_training, "Training runs in the cloud"),
    (probes_serving.api, "An API asks the model"),
    (probes_cloud.deployed, "It is deployed"),
    (probes_monitoring.instrumented, "It gives out metrics"),
    (probes_cloud.cloud_monitoring, "They are collected"),
    (probes_monitoring.drift, "Drift is looked for"),
    (probes_cloud.alerts, "Somebody is alerted"),
    (probes_serving.frontend, "People have a page"),
)


_FIGURE = re.compile(r"architect|pipeline|overview|diagram|system", re.IGNORECASE)


def extra(facts: Facts) -> Draft:
    """What else is there."""
    told = Told()
    _probed(facts, told, _EXTRA)
    return told.draft()


def architecture(facts: Facts) -> Draft:
    """The steps from data to a watched server, and a figure of the project if it has one."""
    told = Told()
    _probed(facts, told, _STEPS)
    if facts.model:
        ref = facts.model["ref"]
        told.say(
            f"In the workspace, the run {quoted(str(facts.model['run']))} made the model {quoted(ref)} "
            "of the data "
            f"{quoted(str(facts.model['dataset']))}, and the registry keeps it with an audit log.",
            facts.of_model(f'"run": "{facts.model["run"]}"'),
            facts.of_model(f'"dataset": "{facts.model["dataset"]}"'),
        )
        if facts.model["aliases"]:
            names = listed([quoted(alias) for alias in facts.model["aliases"]])
            told.say(
                f"Its {'alias is' if len(facts.model['aliases']) == 1 else 'aliases are'} {names}.",
                *(facts.of_model(f'"{alias}"') for alias in facts.model["aliases"]),
            )
    journal(facts, told)
    return told.draft("", tuple(_figures(facts)))


def _probed(facts: Facts, told: Told, table: Sequence[tuple[Callable[[Repo], Answer], str]]) -> None:
    artefacts: set[str] = set()
    for probe, what in table:
        answer, lines = facts.probe(probe)
        if lines and not artefacts & {line.file for line in lines[:1]}:
            artefacts |= {line.file for line in lines[:1] if line.file.endswith(".json")}  # tell it once
            shown = listed(list(dict.fromkeys(_seen(one.what) for one in answer.seen[:2])))
            files = listed(list(dict.fromkeys(quoted(line.file) for line in lines[:2])))
            told.say(f"{what}: {shown}, in {files}.", *lines[:2])


def _seen(what: str) -> str:
    """What a probe saw: words of ours stay words, all else is quoted."""
    return what if re.fullmatch(r"an? [\w ]+ of Holdfast", what) else quoted(what)


def _figures(facts: Facts) -> list[str]:
    """A picture that a page shows as one of the system, and that is there."""
    for path in facts.repo.tree.named("*.md")[:100]:
        for alt, target in re.findall(r"!\[([^\]]*)\]\(([^)\s]+)\)", facts.repo.tree.text(path) or ""):
            place = normal(f"{PurePosixPath(path).parent}/{target}")
            is_shown = facts.repo.tree.has(place) and target.lower().endswith((".png", ".jpg", ".jpeg"))
            if is_shown and _FIGURE.search(f"{alt} {target}"):
                return [place]
    return []


def contributions(facts: Facts) -> Draft:
    """How many commits came under which name; who did what else is left to people."""
    told = Told()
    if facts.has_git:
        names = [
            line
            for line in facts.git("rev-list", "--format=%an", "HEAD") or []
            if not re.match("commit [0-9a-f]{40}", line)
        ]
        for name in sorted(set(names), key=lambda one: (-names.count(one), one))[:8]:
            asked = ("rev-list", "--count", "--fixed-strings", f"--author={name} <", "HEAD")
            found = facts.counted(*asked) if name.isprintable() else None
            if found:
                verb = "is" if found[0] == 1 else "are"
                told.say(f"{found[0]:,} of {len(names):,} commits {verb} by {quoted(name)}.", found[1])
    return told.draft("who was in charge of what; commits alone do not tell")

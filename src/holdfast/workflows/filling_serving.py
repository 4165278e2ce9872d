"""Drafts about a model that answers: API, deployment, load, monitoring, images, the cloud."""

import ast
import json
import re
from functools import partial
from typing import Any

from holdfast.checklist import (
    probes_ci,
    probes_cloud,
    probes_data,
    probes_monitoring,
    probes_serving,
    probes_tests,
)
from holdfast.checklist.code import Code, Function
from holdfast.checklist.documents import read_json
from holdfast.report.draft import Draft, FileLine, counted, listed, quoted
from holdfast.workflows.filling_facts import Facts, Told, what_of
from holdfast.workflows.filling_journal import journal

_INVOKES = re.compile(r"^\s*(?:[$>]\s*)?((?:curl|http|holdfast client|holdfast predict)\s+\S.*)$")
_RUNS = re.compile(
    r"^\s*(?:[$>]\s*)?((?:sudo )?(?:docker|podman)(?: compose|-compose)? (?:run|build|up|push|pull)\b.*)$"
)


def api(facts: Facts) -> Draft:
    """The routes of an API, what they ask, and what the served model takes."""
    told, repo = Told(), facts.repo
    apps = repo.calls(r"fastapi(\.applications)?\.FastAPI")
    if apps:
        is_one = "The API is an application" if len(apps) == 1 else f"There are {len(apps)} applications"
        told.say(
            f"{is_one} of FastAPI, made in {listed([quoted(code.path) for code, _ in apps])}.",
            *(facts.line(code.path, call.line) for code, call in apps[:6]),
        )
    answer, lines = facts.probe(probes_serving.api)
    for code, function in repo.routes[:8]:
        _route(facts, told, code, function)
    if lines and apps:
        told.say(f"The model is asked in {quoted(answer.seen[0].what)}.", lines[0])
    elif answer.verdict == "no" and repo.routes:
        told.say("No route of it asks a model.", *facts.seen(answer.seen)[:6])
    elif lines:
        told.say(f"The model is served by {quoted(answer.seen[0].what)}.", lines[0])
    for code, one in repo.classes(r"pydantic(\.main)?\.BaseModel")[:3]:
        told.say(f"Bodies are checked against {quoted(one.name)}.", facts.line(code.path, one.node.lineno))
    metrics, counted_ = facts.probe(probes_monitoring.instrumented)
    if counted_:
        told.say(f"It gives out metrics: {_metrics(metrics.seen[0].what)}.", counted_[0])
    tests, asked = facts.probe(probes_tests.api_tests)
    if asked:
        told.say(f"It is tested, such as by {quoted(tests.seen[0].what)}.", asked[0])
    _served(facts, told)
    journal(facts, told)
    return told.draft()


def _route(facts: Facts, told: Told, code: Code, function: Function) -> None:
    for one in function.decorating:
        if not isinstance(one, ast.Call) or not isinstance(one.func, ast.Attribute) or not one.args:
            continue
        if not isinstance(one.args[0], ast.Constant) or not isinstance(one.args[0].value, str):
            continue
        doc = (ast.get_docstring(function.node) or "").split("\n")[0].rstrip(".")
        says = f", which says of itself {quoted(doc)}" if doc else ""
        takes = [arg.arg for arg in function.node.args.args]
        given = f" It takes {listed([quoted(arg) for arg in takes])}." if takes else ""
        name = f"{one.func.attr.upper()} {one.args[0].value}"
        told.say(
            f"{quoted(name)} leads to {quoted(function.node.name)}{says}.{given}",
            facts.line(code.path, one.lineno),
            facts.line(code.path, function.node.lineno),
        )
        return


def _served(facts: Facts, told: Told) -> None:
    """What the model of the workspace takes and gives."""
    if not facts.bundle or not facts.model:
        return
    manifest = facts.bundle.manifest
    labels = listed([quoted(label) for label in manifest.labels], most=5)
    kind = {"image": "pictures", "audio": "sounds", "text": "texts"}[manifest.modality]
    gives = "one" if manifest.task == "single" else "any number"
    told.say(
        f"The model {quoted(facts.model['ref'])} takes {kind}, and gives {gives} of "
        f"{counted(len(manifest.labels), 'label')}: "
        f"{labels}.",
        facts.of_model(f'"modality": "{manifest.modality}"'),
        facts.of_model(f'"task": "{manifest.task}"'),
        *(facts.of_model(json.dumps(label)) for label in manifest.labels[:5]),
    )
    told.say(
        "What prepares an input in training is part of its bundle, so that serving prepares it in the "
        "same way, and "
        f"{quoted('model.onnx')} is its graph.",
        facts.of_model('"prepare": {'),
        facts.of_model('"model.onnx": "'),
    )


def _metrics(what: str) -> str:
    """What a probe of metrics saw, in words."""
    command, _, route = what.partition(": /metrics")
    return f"`/metrics` of {quoted(command)}" if command != what and not route else quoted(what)


def deployment(facts: Facts) -> Draft:
    """What deploys, what answers, and how it is asked."""
    told = Told()
    where, lines = facts.probe(probes_cloud.deployed)
    for one, line in list(zip(where.seen, lines, strict=False))[:3]:
        told.say(f"It is deployed by {quoted(one.what)}, which stands in {quoted(one.file)}.", line)
    images, built = facts.probe(probes_ci.image_trigger)
    if built:
        told.say(f"Its image is built by itself: {quoted(images.seen[0].what)}.", built[0])
    _starts(facts, told)
    for text, line in _said(facts, _INVOKES)[:3]:
        told.say(f"It is asked by {quoted(text)}, as {quoted(line.file)} says.", line)
    _standing(facts, told)
    journal(facts, told)
    _served(facts, told)
    left = "" if lines else "where it runs apart from that, and how it is asked there"
    return told.draft(left if told.sentences and not _answered(told) else "")


def _answered(told: Told) -> bool:
    return any("answered" in it.text or "It is asked by" in it.text for it in told.sentences)


def _starts(facts: Facts, told: Told) -> None:
    """What an image starts, and what serves."""
    for image in facts.repo.dockerfiles[:3]:
        for one in image.commands[-1:] if image.runs and not image.problems else ():
            line = facts.line(image.path, one.line)
            if line and line.text.startswith(("CMD", "ENTRYPOINT")):
                told.say(f"The image of {quoted(image.path)} starts {quoted(one.text)}.", line)


def _standing(facts: Facts, told: Told) -> None:
    """Which version is the champion, since when, and what the gate said."""
    if not facts.model or "champion" not in facts.model["aliases"]:
        return
    name, version = facts.model["name"], facts.model["version"]
    moves = [
        it
        for it in facts.registry.audit(name)
        if it["alias"] == "champion" and it["event"] in ("promote", "rollback")
    ]
    if not moves:
        return
    forced = " although the gate spoke against it" if moves[-1].get("forced") else ", and passed its gate"
    forced = "" if moves[-1]["event"] == "rollback" else forced
    told.say(
        f"The alias {quoted(f'{name}@champion')}, which a server follows, has pointed to version "
        f"{version} since "
        f"{str(moves[-1]['time'])[:10]}{forced}.",
        facts.of_model('"champion"'),
        facts.of_model(f'"time": "{moves[-1]["time"]}"'),
        facts.of_model(f'"event": "{moves[-1]["event"]}"'),
        facts.of_model(f'"forced": {json.dumps(bool(moves[-1].get("forced")))}'),
    )
    told.say(
        f"The audit log of {quoted(name)} has {counted(len(facts.registry.audit(name)), 'event')}, each "
        "chained to the one "
        "before by a digest.",
        facts.of_model(f'"n": {len(facts.registry.audit(name))}'),
        facts.of_model(f'"before": "{facts.registry.audit(name)[-1]["before"]}"'),
    )


def _said(facts: Facts, pattern: re.Pattern[str]) -> list[tuple[str, FileLine]]:
    """Command lines that pages of the project show."""
    found: dict[str, FileLine] = {}
    for path in facts.repo.tree.named("readme*", "*.md")[:30]:
        for number, text in enumerate(facts.repo.tree.lines(path), start=1):
            fits = pattern.match(text)
            line = facts.line(path, number) if fits else None
            if fits and line:
                found.setdefault(fits[1].partition(" #")[0].strip().rstrip("\\").strip(), line)
    return list(found.items())


def load(facts: Facts) -> Draft:
    """Tests of the API, who loads it, and what came out."""
    told = Told()
    tests, lines = facts.probe(probes_tests.api_tests)
    if lines:
        told.say(f"The API is tested by {what_of(tests.seen[:-1])}.", *lines[:-1])
        told.say(
            f"These run when the code changes: {quoted(lines[-1].text)} in {quoted(lines[-1].file)}.",
            lines[-1],
        )
    loads, users = facts.probe(probes_tests.load_test)
    if users:
        told.say(
            f"It is put under load by {quoted(loads.seen[0].what)} in {quoted(users[0].file)}.", users[0]
        )
    found = _loaded(facts, told)
    return told.draft("" if found else "what came out when the API was put under load")


def _is_result(result: Any) -> bool:
    """Whether a file holds what `holdfast loadtest` writes, and not something of the same name."""
    if not isinstance(result, dict) or not isinstance(result.get("steps"), list):
        return False
    parts = [result.get("saturation") or {}, result.get("knee") or {}, *result["steps"]]
    if not all(isinstance(part, dict) for part in parts):
        return False
    names = ("throughput", "rate", "p95_ms", "users")
    return all(isinstance(part.get(name), int | float | None) for part in parts for name in names)


def _loaded(facts: Facts, told: Told) -> bool:
    """What a load test wrote down."""
    for path in facts.repo.tree.named("loadtest.json")[:1]:
        result = read_json(facts.repo.tree.text(path) or "")
        if not _is_result(result):
            continue
        at = partial(facts.line, path)
        best = (result.get("saturation") or {}).get("throughput")
        told.say(
            f"A load test of {quoted(str(result.get('model')))} sent it "
            f"{quoted(str(result.get('samples')))}.",
            at(part='"model"'),
            at(part='"samples"'),
        )
        if best:
            told.say(
                f"It gave at most {best:,.1f} answers a second.", at(part=f'"throughput": {json.dumps(best)}')
            )
        knee = result.get("knee") or {}
        if knee.get("rate"):
            told.say(
                f"Up to {knee['rate']:,.1f} requests a second, which arrived by chance, its answers "
                "stayed quick.",
                at(part='"knee"'),
                at(part=f'"rate": {json.dumps(knee["rate"])}'),
            )
        for step in result["steps"]:
            rate, p95 = step.get("throughput"), step.get("p95_ms")
            asked = (
                counted(step["users"], "client")
                if step.get("users")
                else f"{step.get('rate') or 0:,.1f} requests a second"
            )
            if rate is not None and p95 is not None:
                told.say(
                    f"Under {asked}, it gave {rate:,.1f} answers a second, 95 % of them within "
                    f"{p95:,.1f} ms.",
                    at(part=f'"throughput": {json.dumps(rate)}'),
                    at(part=f'"p95_ms": {json.dumps(p95)}'),
                )
        return True
    return False


def monitoring(facts: Facts) -> Draft:
    """Metrics, drift, what is kept of predictions, alerts."""
    told = Told()
    metrics, lines = facts.probe(probes_monitoring.instrumented)
    if lines:
        told.say(
            "The API counts and gives out metrics: "
            f"{listed([_metrics(one.what) for one in metrics.seen[:3]])}.",
            *lines[:3],
        )
    scraped, jobs = facts.probe(probes_cloud.cloud_monitoring)
    if jobs:
        told.say(f"They are collected: {quoted(scraped.seen[0].what)} in {quoted(jobs[0].file)}.", jobs[0])
    rules, alerts = facts.probe(probes_cloud.alerts)
    if alerts:
        told.say(f"Somebody is alerted by {what_of(rules.seen[:4])}.", *alerts[:4])
    drift, found = facts.probe(probes_monitoring.drift)
    if found:
        told.say(
            f"Drift of the inputs is looked for by {quoted(drift.seen[0].what)} in {quoted(found[0].file)}.",
            found[0],
        )
    kept, wrote = facts.probe(probes_monitoring.collecting)
    if wrote:
        told.say(
            f"What goes in and out is kept: {what_of(kept.seen[:2])}.",
            *wrote[:2],
        )
    deployed, routes = facts.probe(probes_cloud.drift_deployed)
    if routes:
        told.say(f"A route that is deployed tells of the drift: {quoted(deployed.seen[0].what)}.", routes[0])
    journal(facts, told)
    if facts.bundle and facts.model and facts.bundle.reference is not None:
        told.say(
            f"The bundle of {quoted(facts.model['ref'])} holds a reference of its training data, against "
            "which later inputs "
            "can be weighed.",
            facts.of_model('"reference.npz": "'),
        )
    return told.draft()


def docker(facts: Facts) -> Draft:
    """Each container file: where it starts from, what it copies, runs and starts."""
    told = Told()
    good = [image for image in facts.repo.dockerfiles if image.bases]
    if not good:
        return told.draft()
    told.say(
        f"There {'is' if len(good) == 1 else 'are'} {counted(len(good), 'container file')}: "
        f"{listed([quoted(image.path) for image in good])}.",
        facts.tally("container files"),
        *(facts.line(image.path, part="FROM") for image in good[:6]),
    )
    for image in good[:4]:
        told.say(
            f"{quoted(image.path)} starts from {listed([quoted(base) for base in image.bases])}.",
            *(facts.line(image.path, part=base) for base in image.bases[:6]),
        )
        for at, why in image.problems[:3]:
            told.say(f"It cannot be built as it is: {why}.", facts.line(image.path, at))
        for number, text in enumerate(facts.repo.tree.lines(image.path), start=1):
            if text.startswith(("COPY ", "ADD ", "EXPOSE ", "WORKDIR ", "USER ", "HEALTHCHECK ")):
                told.say(f"It says {quoted(text)}.", facts.line(image.path, number))
        for one in image.commands[:8]:
            told.say(f"In it, {quoted(one.text)} is run.", facts.line(image.path, one.line))
    for text, line in _said(facts, _RUNS)[:4]:
        told.say(f"{quoted(line.file)} shows how: {quoted(text)}.", line)
    for command in facts.repo.commands:
        if command.program in ("docker", "podman"):
            told.say(
                f"{quoted(command.file)} runs {quoted(command.text)}.", facts.line(command.file, command.line)
            )
    trigger, built = facts.probe(probes_ci.image_trigger)
    if built:
        told.say(
            f"Images are built by themselves: {quoted(trigger.seen[0].what)} in {quoted(built[0].file)}.",
            built[0],
        )
    shows = any(_RUNS.match(it.text) or "docker run" in it.text for it in told.sentences)
    return told.draft("" if shows else "how you run the images")


def services(facts: Facts) -> Draft:
    """Services of a cloud that files name, each with what it is used for."""
    told = Told()
    for probe, what in (
        (probes_data.bucket, "Cloud Storage keeps the data"),
        (probes_cloud.cloud_training, "Vertex AI or the Compute Engine trains"),
        (probes_cloud.deployed, "Cloud Run or Functions answers"),
        (probes_cloud.cloud_monitoring, "Cloud Monitoring or Prometheus collects metrics"),
    ):
        answer, lines = facts.probe(probe)
        if lines:
            told.say(f"{what}, as {quoted(answer.seen[0].what)} in {quoted(lines[0].file)} says.", lines[0])
    for path in facts.repo.cloud_builds:
        commands = [quoted(one.text) for one in facts.repo.cloud_builds[path]]
        told.say(
            f"Cloud Build goes through the steps of {quoted(path)}: {listed(commands, most=4)}.",
            facts.line(path, part="steps"),
        )
    return told.draft()


def engine(facts: Facts) -> Draft:
    """Kinds of machines that files name."""
    told = Told()
    for path in facts.repo.yamls:
        line = facts.line(path, part="achineType") or facts.line(path, part="achine_type")
        if line:
            told.say(
                f"{quoted(path)} asks for the machine {quoted(line.text.partition(':')[2].strip())}.", line
            )
    for command in facts.repo.commands:
        if command.program == "gcloud" and command.has("compute"):
            told.say(f"A machine is made by {quoted(command.text)}.", facts.line(command.file, command.line))
    return told.draft("what ran on it, and why on that" if told.sentences else "")

"""Drafts about data and experiments: versions, settings, reproduction, tracking, faults."""

import json
from collections.abc import Mapping
from typing import Any

from holdfast.checklist import probes_cloud, probes_code, probes_data
from holdfast.config import Config
from holdfast.report.draft import Draft, Said, counted, listed, quoted
from holdfast.workflows.filling_facts import Facts, Told, what_of

_SHOWN = 12
"""Characters of a digest that a sentence shows."""


def data(facts: Facts) -> Draft:
    """Versions of datasets in the workspace, and what the project has under DVC or Git LFS."""
    told = Told()
    if facts.versions:
        told.say(
            "Data are kept as versions that never change, each with a fingerprint over its samples, labels "
            f"and splits: {listed([quoted(f'{it.name}@{it.version}') for it in facts.versions])}.",
            *(_data(it.name, it.version, f'"fingerprint": "{it.fingerprint}"') for it in facts.versions[:6]),
        )
    for it in facts.versions[-3:]:
        splits = listed([f"{count:,} for {split}" for split, count in it.splits.items()])
        told.say(
            f"{quoted(f'{it.name}@{it.version}')} of {it.created[:10]} holds "
            f"{counted(it.samples, 'sample')} of "
            f"{counted(len(it.labels), 'label')}, {splits}; its fingerprint begins with "
            f"{quoted(it.fingerprint[:_SHOWN])}.",
            _data(it.name, it.version, f'"samples": {it.samples}'),
            *(_data(it.name, it.version, f'"{split}": {count}') for split, count in it.splits.items()),
            _data(it.name, it.version, f'"fingerprint": "{it.fingerprint}"'),
        )
        told.say(
            f"When it was taken in, {counted(it.quarantined, 'file')} could not be read and "
            f"{'was' if it.quarantined == 1 else 'were'} put aside, and "
            f"{counted(it.twins, 'held-out sample')} had an "
            "exact copy in training.",
            _data(it.name, it.version, f'"quarantined": {it.quarantined}'),
            _data(it.name, it.version, f'"twins": {it.twins}'),
        )
    if facts.bundle and facts.model:
        origin = facts.bundle.manifest.provenance
        print_ = str(origin.get("fingerprint"))
        told.say(
            f"The model {quoted(facts.model['ref'])} names the data that it was trained on, "
            f"{quoted(str(facts.model['dataset']))}, with the fingerprint {quoted(print_[:_SHOWN])}, so "
            "which data "
            "made which model can be looked up.",
            facts.of_model(f'"fingerprint": "{print_}"'),
        )
    answer, lines = facts.probe(probes_data.data_versions)
    if lines and "Holdfast" not in answer.seen[0].what:  # versions of a workspace are told already
        told.say(
            "In the repository, digests stand for the data: "
            f"{quoted(answer.seen[0].what)} in {quoted(lines[0].file)}.",
            lines[0],
        )
    bucket, places = facts.probe(probes_data.bucket)
    if places:
        told.say(f"Their remote is a bucket, {quoted(bucket.seen[0].what)}.", places[0])
    return told.draft()


def _data(name: str, version: int, says: str) -> Said:
    return Said(f"holdfast data show {name}@{version} --json", says)


def settings(facts: Facts) -> Draft:
    """Files of settings, and what the run was started with."""
    told = Told()
    answer, lines = facts.probe(probes_code.config_files)
    for one, line in list(zip(answer.seen, lines, strict=False))[:2]:
        does = "loads them by" if one.file.endswith(".py") else "holds settings:"
        told.say(f"{quoted(one.file)} {does} {quoted(one.what)}.", line)
    hydra, main = facts.probe(probes_code.hydra)
    if main and "hydra" in hydra.seen[0].what:
        told.say(f"They are composed by Hydra: {quoted(main[0].text)} in {quoted(main[0].file)}.", main[0])
    if facts.run:
        rows = _changed(facts.config)
        if rows:
            shown = listed([quoted(f"{key}={value}") for key, value in rows], most=12)
            told.say(
                f"The run {quoted(facts.run.id)} keeps every setting in its `config.yaml`; of those that say "
                f"how it is trained, these are not the defaults: {shown}.",
                *(facts.setting(key) for key, _ in rows[:12]),
            )
            told.say(
                f"An experiment is started with such settings behind `holdfast train {facts.run.info.name}`.",
                Said("holdfast train --help", "KEY=VALUE"),
                facts.of_run(f'"name": "{facts.run.info.name}"'),
            )
        told.say(
            "A digest over all of them, which begins with "
            f"{quoted(str(facts.run.info.config_digest)[:_SHOWN])}, shows "
            "whether the file was changed afterwards.",
            facts.of_run(f'"config_digest": "{facts.run.info.config_digest}"'),
        )
    cli, commands = facts.probe(probes_code.command_line)
    if commands:
        told.say(f"There is a command line: {quoted(cli.seen[0].what)}.", commands[0])
    return told.draft()


def _changed(config: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Settings of training that are not the defaults."""
    usual = Config().model_dump(mode="json")
    return [
        (f"{group}.{key}", value)
        for group in ("train", "optim", "model", "prepare", "augment", "loss")
        for key, value in (config.get(group) or {}).items()
        if value != (usual.get(group) or {}).get(key) and isinstance(value, int | float | str)
        if (group, key) != ("train", "seed")
    ]


def reproduce(facts: Facts) -> Draft:
    """What a run keeps of where it came from, and the command that does it again."""
    told = Told()
    if facts.run:
        _kept_by_run(facts, told)
    if facts.model and facts.bundle:
        told.say(
            f"The model {quoted(facts.model['ref'])} names that run, and a digest of its bundle, which "
            "begins with "
            f"{quoted(str(facts.model['digest'])[:_SHOWN])}.",
            facts.of_model(f'"run": "{facts.model["run"]}"'),
            facts.of_model(f'"digest": "{facts.model["digest"]}"'),
        )
        if parity := facts.bundle.manifest.parity:
            most = parity.get("max_difference")
            told.say(
                "Its numbers are of the exported graph in the serving engine, which differs from the "
                "code that "
                f"trained it by at most {most:.2g} in probability.",
                facts.of_model(f'"max_difference": {json.dumps(most)}'),
            )
    seeds = r"torch\.manual_seed|.*seed_everything|transformers\.set_seed|random\.seed|numpy\.random\.seed"
    for code, call in facts.repo.calls(seeds)[:2]:
        told.say(f"{quoted(code.path)} sets a seed.", facts.line(code.path, call.line))
    answer, lines = facts.probe(probes_code.config_files)
    if lines:
        told.say(f"Settings of experiments stand in {quoted(answer.seen[0].file)}.", lines[0])
    return told.draft()


def _kept_by_run(facts: Facts, told: Told) -> None:
    assert facts.run is not None
    info = facts.run.info
    told.say(
        f"Each run is a folder of its own. {quoted(info.id)} keeps its whole configuration with a "
        "digest, the data "
        f"version {quoted(str(info.dataset))} with its fingerprint, the digest of its environment, and "
        "the metrics of "
        "every epoch.",
        facts.of_run(f'"config_digest": "{info.config_digest}"'),
        facts.of_run(f'"fingerprint": "{info.fingerprint}"'),
        facts.of_run(f'"environment_digest": "{info.environment_digest}"'),
        facts.kept(f"runs/{info.id}/metrics.jsonl", '"epoch": 1'),
    )
    around = facts.environment.get("git") or {}
    file = f"runs/{info.id}/environment.json"
    if around.get("commit"):
        state = "; files that Git follows were changed, which a digest tells" if around.get("dirty") else ""
        told.say(
            f"It also names the commit of the code, {quoted(str(around['commit'])[:_SHOWN])}{state}.",
            facts.kept(file, f'"commit": "{around["commit"]}"'),
        )
    seed = (facts.config.get("train") or {}).get("seed")
    if seed is not None:
        told.say(f"Its seed is {seed}.", facts.setting("train.seed"))
    if info.status == "finished":
        told.say(
            f"To do it again, one types {quoted(f'holdfast reproduce {info.id}')}, which trains from the "
            "same settings, "
            "data and seeds, and compares the weights bit for bit.",
            Said("holdfast reproduce --help", "compare the weights"),
            facts.of_run(f'"id": "{info.id}"'),
        )
    if info.resumes:
        told.say(
            f"It was interrupted and taken up again {counted(info.resumes, 'time')}.",
            facts.of_run(f'"resumes": {info.resumes}'),
        )


def tracking(facts: Facts) -> Draft:
    """Runs, their metrics with intervals and baselines, and what else is tracked."""
    told = Told()
    if facts.runs:
        done = [run for run in facts.runs if run.status == "finished"]
        states = sorted({run.status for run in facts.runs})
        told.say(
            f"The workspace has {counted(len(facts.runs), 'run')}, of which {len(done):,} finished.",
            *(Said("holdfast runs list --json", f'"id": "{run.id}"') for run in facts.runs[:5]),
            *(Said("holdfast runs list --json", f'"status": "{one}"') for one in states),
        )
    if facts.run:
        _metrics(facts, told)
    if facts.bundle and facts.model:
        _evaluation(facts, told)
    answer, lines = facts.probe(probes_data.wandb)
    if lines:
        told.say(
            f"The code sends runs to W&B: {what_of(answer.seen[:3])}.",
            *lines[:3],
        )
    sweep, searched = facts.probe(probes_data.sweep)
    if searched:
        told.say(f"Settings are searched for: {quoted(sweep.seen[0].what)}.", searched[0])
    return told.draft("why these metrics matter to you" if told.sentences else "")


def _metrics(facts: Facts, told: Told) -> None:
    assert facts.run is not None
    info, lines = facts.run.info, facts.run.metrics()
    file = f"runs/{info.id}/metrics.jsonl"
    epochs = [line for line in lines if "epoch" in line]
    if epochs:
        names = [key for key, value in epochs[-1].items() if isinstance(value, float)]
        at_first, at_last = (f'"epoch": {line["epoch"]},' for line in (epochs[0], epochs[-1]))
        told.say(
            f"{quoted(info.id)} logged {listed([quoted(name) for name in names], most=8)} after each of "
            f"{counted(len(epochs), 'epoch')}.",
            facts.kept(file, at_last),
        )
        first, last = epochs[0], epochs[-1]
        for name in ("train_loss", "loss", str(info.headline)):
            if isinstance(first.get(name), float) and isinstance(last.get(name), float) and first is not last:
                of = "" if name == "train_loss" else " of the validation samples"
                told.say(
                    f"In it, {quoted(name)}{of} went from {first[name]:.3f} after the first epoch to "
                    f"{last[name]:.3f} after the last.",
                    facts.kept(file, f'"{name}": {json.dumps(first[name])}', beside=at_first),
                    facts.kept(file, f'"{name}": {json.dumps(last[name])}', beside=at_last),
                )
    told.say(
        f"It took {info.seconds:,.0f} seconds on {info.facts.get('device', 'an unnamed device')}.",
        facts.of_run(f'"seconds": {json.dumps(info.seconds)}'),
        facts.of_run(f'"device": "{info.facts["device"]}"') if "device" in info.facts else None,
    )


def _evaluation(facts: Facts, told: Told) -> None:
    assert facts.model is not None
    assert facts.bundle is not None
    found = facts.bundle.manifest.metrics
    ref, headline = quoted(facts.model["ref"]), str(facts.model["headline"])
    evaluation = facts.bundle.evaluation or {}
    for name, metric in sorted(found.items(), key=lambda pair: pair[0] != headline):
        value, low, high = metric.get("value"), metric.get("low"), metric.get("high")
        if value is None:
            continue
        interval = "" if low is None or high is None else f", with an interval from {low:.3f} to {high:.3f}"
        what = "the metric that models are compared by" if name == headline else "on the held-out samples"
        told.say(
            f"{ref} has {quoted(name)} {value:.3f}{interval}, {what}.",
            facts.of_model(f'"value": {json.dumps(value)}'),
        )
        if name == headline:
            _baselines(facts, told, evaluation, name)


def _baselines(facts: Facts, told: Told, evaluation: Mapping[str, Any], name: str) -> None:
    for other, metrics in (evaluation.get("baselines") or {}).items():
        beside = ((metrics or {}).get(name) or {}).get("value")
        if beside is not None:
            told.say(
                f"The baseline {quoted(other)} has {beside:.3f} of it.",
                facts.of_model(f'"value": {json.dumps(beside)}'),
            )
    error = (evaluation.get("calibration") or {}).get("after")
    if error is not None:
        told.say(
            f"Its probabilities are off by {error:.3f} on average, the expected calibration error.",
            facts.of_model(f'"after": {json.dumps(error)}'),
        )


def debugging(facts: Facts) -> Draft:
    """Profilers, logs, and what the training found wrong itself; how people debug is left to them."""
    told = Told()
    answer, lines = facts.probe(probes_code.profiling)
    if lines:
        told.say(f"A profiler is started: {what_of(answer.seen[:3])}.", *lines[:3])
    logs, said = facts.probe(probes_code.logging)
    if said:
        told.say(f"Events are logged, such as by {quoted(said[0].text)}.", said[0])
        del logs
    if facts.run:
        for finding in (facts.run.info.facts.get("findings") or [])[:5]:
            told.say(
                f"The run {quoted(facts.run.id)} warned of {finding['title']}: "
                f"{quoted(str(finding['detail']))}.",
                facts.of_run(f'"title": {json.dumps(finding["title"])}'),
            )
        for run in [run for run in facts.runs if run.status == "failed" and run.reason][:3]:
            told.say(
                f"The run {quoted(run.id)} failed: {quoted(str(run.reason).splitlines()[0])}.",
                Said(f"holdfast runs show {run.id} --json", '"status": "failed"'),
            )
    left = "how each of you debugged"
    return told.draft(left if lines else f"{left}, and whether you profiled")


def cloud_training(facts: Facts) -> Draft:
    """Jobs that are submitted, and on what the model of the workspace was trained."""
    told = Told()
    answer, lines = facts.probe(probes_cloud.cloud_training)
    if lines:
        shown = what_of(answer.seen[:3])
        told.say(f"Training is sent to the cloud by {shown}, in {quoted(lines[0].file)}.", *lines[:3])
    if facts.run:
        file = f"runs/{facts.run.id}/environment.json"
        processor = facts.environment.get("processor")
        system = (facts.environment.get("platform") or {}).get("system")
        told.say(
            f"The run {quoted(facts.run.id)} was trained on "
            f"{facts.run.info.facts.get('device', 'a device')} under "
            f"{system}, with {counted(int(facts.environment.get('processors') or 0), 'processor')} of "
            "the kind "
            f"{quoted(str(processor))}, in {facts.run.info.seconds:,.0f} seconds.",
            facts.kept(file, '"processor":'),
            facts.kept(file, '"processors":'),
            facts.of_run(f'"seconds": {json.dumps(facts.run.info.seconds)}'),
        )
    return told.draft("" if lines else "whether that was in the cloud, how, or why not")

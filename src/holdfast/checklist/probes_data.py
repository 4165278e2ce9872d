"""Versions of data, buckets, and records of experiments."""

import configparser
import re

from holdfast.checklist.answer import Answer, Seen, no, unknown, yes
from holdfast.checklist.documents import at, parts, read_yaml, texts
from holdfast.checklist.probes_code import holdfast_versions
from holdfast.checklist.repo import Repo, seen_call, seen_command
from holdfast.checklist.tree import line_of


def _remotes(repo: Repo) -> list[Seen]:
    """Remotes of DVC, each with its address."""
    text = repo.tree.text(".dvc/config") or ""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    try:
        parser.read_string(text)
    except configparser.Error:
        return []
    return [
        Seen(
            ".dvc/config", line_of(text, parser[name]["url"]), f"{name.strip(chr(39))}: {parser[name]['url']}"
        )
        for name in parser.sections()
        if "remote" in name and parser[name].get("url")
    ]


def _tracked(repo: Repo) -> list[Seen]:
    """What DVC has a digest of."""
    found = []
    for path in [*repo.tree.by_suffix.get(".dvc", []), *repo.tree.named("dvc.lock")]:
        text = repo.tree.text(path) or ""
        for document in read_yaml(text):
            digests = [
                (key, value) for key, value in parts(document) if key in ("md5", "etag", "checksum") and value
            ]
            if digests:
                found.append(Seen(path, line_of(text, digests[0][0]), f"{digests[0][0]} {digests[0][1]}"))
    return found


def data_versions(repo: Repo) -> Answer:
    """Digests of data with a remote to fetch them from, or versions in a workspace."""
    tracked, remotes, ours = _tracked(repo), _remotes(repo), holdfast_versions(repo)
    ours += [
        seen_command(one)
        for one in repo.commands
        if one.program == "holdfast" and one.args[:2] == ("data", "add")
    ]
    if ours:
        return yes(*ours)
    if tracked and remotes:
        return yes(tracked[0], *remotes)
    lfs = [
        Seen(".gitattributes", number, line)
        for number, line in enumerate(repo.tree.lines(".gitattributes"), start=1)
        if re.search(r"^[^#]*filter=lfs", line)
    ]
    if lfs:
        return yes(*lfs)
    if tracked:
        return no("DVC follows data, but no remote has an address: nobody else can fetch them", *tracked)
    if repo.tree.has(".dvc"):
        return no("there is a .dvc folder, but no .dvc file or dvc.lock has a digest of data", *remotes)
    return no("no data are under versions")


def bucket(repo: Repo) -> Answer:
    """Versions of data whose remote is a bucket."""
    cloud = [one for one in _remotes(repo) if re.search(r"(gs|gcs)://", one.what)]
    ours = [
        seen_command(one)
        for one in repo.commands
        if one.program == "holdfast"
        and one.args[:2] in (("data", "push"), ("data", "pull"))
        and "gs://" in one.text
    ]
    if ours:
        return yes(*ours)
    if cloud and (tracked := _tracked(repo)):
        return yes(*cloud, tracked[0])
    calls = repo.calls(
        r"google\.cloud\.storage\.Client\(\)\.(bucket|get_bucket)|gcsfs\.GCSFileSystem(\(\).*)?"
    )
    if cloud or calls:
        return unknown(
            "a bucket is named, but no versions of data are linked with it",
            "`gsutil ls gs://BUCKET`, or the console, Cloud Storage",
            *cloud,
            *map(seen_call, calls),
        )
    return no("no remote of data is at gs://", *_remotes(repo))


def wandb(repo: Repo) -> Answer:
    """A run of W&B that something is logged to, or a logger of it in a trainer."""
    started = repo.calls(r"wandb\.init")
    logged = repo.calls(
        r"wandb(\.init\(\))?\.(log|log_artifact|watch|summary\.update|use_artifact)|wandb\.init\(\)\.__enter__.*"
    )
    loggers = repo.calls(r"(pytorch_lightning|lightning(\.pytorch)?)\.loggers\.(wandb\.)?WandbLogger")
    ours = [one for one in repo.setting("track.to") if "wandb" in one.what]
    reports = [
        (code, call)
        for code, call in repo.calls(r"transformers\.(\w+\.)*TrainingArguments")
        if "wandb" in str(getattr(call.option("report_to"), "value", ""))
    ]
    if ours:
        return yes(*ours)
    if started and logged:
        return yes(seen_call(started[0]), *map(seen_call, logged))
    if loggers or reports:
        return yes(*map(seen_call, [*loggers, *reports]))
    if started:
        return no("wandb.init is called, but nothing is logged", *map(seen_call, started))
    return no("no run of W&B is started")


def sweep(repo: Repo) -> Answer:
    """A study, or a sweep with a method and parameters."""
    found = [
        seen_call(pair)
        for pair in repo.calls(
            r"optuna\.(study\.)?create_study\(\)\.optimize|wandb\.(sweep|agent)|ray\.(tune\.run|tune\.(tuner\.)?Tuner\(\)\.fit)"
            r"|hyperopt\.fmin|sklearn\.model_selection\.(Grid|Randomized|HalvingGrid)\w*\(\)\.fit"
        )
    ]
    for path, documents in repo.yamls.items():
        for document in documents:
            if at(document, "method") in ("grid", "random", "bayes") and isinstance(
                at(document, "parameters"), dict
            ):
                found.append(
                    Seen(
                        path,
                        line_of(repo.tree.text(path) or "", "parameters"),
                        f"a sweep, {document['method']}",
                    )
                )
    for one in repo.commands:
        if (one.program == "holdfast" and one.args[:1] == ("sweep",)) or (
            one.program.endswith(("python", "python3")) and {"-m", "--multirun"} & set(one.args[1:])
        ):
            found.append(seen_command(one))
    for path, documents in repo.yamls.items():
        for document in documents:
            if any("sweeper" in text for text in texts(at(document, "defaults"))) or isinstance(
                at(document, "hydra", "sweeper", "params"), dict
            ):
                found.append(Seen(path, line_of(repo.tree.text(path) or "", "sweeper"), "a sweeper of Hydra"))
    found += [Seen(path, None, "a sweep of Holdfast") for path in repo.tree.matching("*sweeps/*/sweep.json")]
    return yes(*found) if found else no("no study or sweep is defined")

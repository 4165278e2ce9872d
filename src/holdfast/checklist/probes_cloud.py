"""What runs in a cloud: a job, a deployment, what watches them. Consoles cannot be seen from here."""

import re

from holdfast.checklist.answer import Answer, Seen, no, unknown, yes
from holdfast.checklist.commands import Command
from holdfast.checklist.documents import at, parts
from holdfast.checklist.repo import Repo, seen_call, seen_command
from holdfast.checklist.started import started
from holdfast.checklist.tree import line_of

_DEPLOY = re.compile(r"google-github-actions/(deploy-cloudrun|deploy-cloud-functions)")
_URL = re.compile(r"https://[\w-]+(\.[\w-]+)*\.(run\.app|cloudfunctions\.net)")


def cloud_training(repo: Repo) -> Answer:
    """A job of training that something submits."""
    submitted = [seen_command(one) for one in repo.commands if _submits(one)]
    calls = repo.calls(r"google\.cloud\.aiplatform(\.\w+)?\.\w*Job(\.\w+)?\(\)\.(run|submit)")
    jobs = _jobs(repo)
    if submitted or calls:
        return yes(*submitted, *map(seen_call, calls), *jobs)
    if jobs:
        return unknown(
            "a job is described, but nothing here submits it",
            "`gcloud ai custom-jobs list --region REGION`, or the console, Vertex AI, Training",
            *jobs,
        )
    return no("no job of Vertex AI is described, and nothing makes a machine to train on")


def _submits(command: Command) -> bool:
    if command.program != "gcloud":
        return False
    return any(
        command.has(*words)
        for words in (
            ("ai", "custom-jobs", "create"),
            ("ai-platform", "jobs", "submit"),
            ("compute", "instances", "create-with-container"),
        )
    )


def _jobs(repo: Repo) -> list[Seen]:
    """Descriptions of jobs with a machine and an image."""
    found = []
    for path, documents in repo.yamls.items():
        for document in documents:
            named = dict(parts(document))
            pools = named.get("workerPoolSpecs", named.get("worker_pool_specs"))
            inside = {key.replace("_", "").lower() for key, _ in parts(pools)}
            if pools and "machinetype" in inside and inside & {"imageuri", "executorimageuri", "packageuris"}:
                found.append(
                    Seen(
                        path,
                        line_of(repo.tree.text(path) or "", "orker"),
                        "worker pools with machine and image",
                    )
                )
    return found


def deployments(repo: Repo) -> list[Seen]:
    """What puts the application into Cloud Run or Functions."""
    found = []
    for one in repo.commands:
        if one.program == "gcloud" and (
            one.has("run", "deploy")
            or one.has("functions", "deploy")
            or one.has("run", "services", "replace")
        ):
            found.append(seen_command(one))
    for flow in repo.workflows:
        for step in flow.steps():
            if _DEPLOY.match(step.uses):
                found.append(Seen(flow.path, step.line, step.uses))
    for path in repo.tree.by_suffix.get(".tf", []):
        text = repo.tree.text(path) or ""
        if resource := re.search(
            r'^[ \t]*resource[ \t]+"google_(cloud_run\w*|cloudfunctions\w*)"', text, re.MULTILINE
        ):
            found.append(Seen(path, line_of(text, resource.group().strip()), resource.group().strip()))
    return found


def deployed(repo: Repo) -> Answer:
    """A command that deploys; an address alone tells nothing of who answers."""
    if found := deployments(repo):
        return yes(*found)
    for path in [*repo.tree.named("readme*", "*.md")[:20], *(code.path for code in repo.own)]:
        text = repo.tree.text(path) or ""
        if url := _URL.search(text):
            return unknown(
                "an address is named, but nothing here deploys to it",
                f"`curl -i {url.group()}`, or `gcloud run services list`",
                Seen(path, line_of(text, url.group()), url.group()),
            )
    return no("nothing deploys to Cloud Run or Functions")


def torchserve(repo: Repo) -> Answer:
    """A model that is packed for TorchServe, or a server on one's own machine."""
    found = [
        seen_command(one) for one in repo.commands if one.program in ("torchserve", "torch-model-archiver")
    ]
    handlers = repo.classes(r"ts\.torch_handler\.(\w+\.)*\w*Handler")
    found += [Seen(code.path, one.node.lineno, f"class {one.name}") for code, one in handlers]
    found += [
        seen_command(one) for one in repo.commands if one.program == "holdfast" and one.args[:1] == ("serve",)
    ]
    return yes(*found) if found else no("no handler of TorchServe, and nothing starts it")


def drift_deployed(repo: Repo) -> Answer:
    """A route that looks for drift, in what is deployed."""
    from holdfast.checklist.probes_monitoring import drift_calls

    routes = []
    for code, function in repo.routes:
        for pair in repo.reached(code, function.name):
            if drift_calls(pair[1]):
                routes.append(
                    Seen(
                        code.path,
                        function.node.lineno,
                        f"{function.name}: {pair[1].name.replace('()', '')}(…)",
                    )
                )
    if not routes:
        return no("no route of an API looks for drift")
    files = started(repo)
    if files is not None and not any(one.file in files for one in routes):
        return unknown(
            "a route looks for drift, but no image here starts its application",
            "`gcloud run services list`",
            *routes,
        )
    if where := deployments(repo):
        return yes(*routes, *where)
    return unknown(
        "a route looks for drift, but nothing here deploys it", "`gcloud run services list`", *routes
    )


def cloud_monitoring(repo: Repo) -> Answer:
    """What collects the metrics of the deployed application."""
    found = _scrapes(repo)
    if found:
        return yes(*found)
    if where := deployments(repo):
        return unknown(
            "it is deployed, but what watches it is not in the files",
            "the console, Monitoring, Metrics explorer",
            *where,
        )
    return no("nothing collects metrics, and nothing is deployed")


def _scrapes(repo: Repo) -> list[Seen]:
    found = []
    for path, documents in repo.yamls.items():
        text = repo.tree.text(path) or ""
        for document in documents:
            jobs = at(document, "scrape_configs") or at(
                document, "receivers", "prometheus", "config", "scrape_configs"
            )
            if isinstance(jobs, list) and any(
                at(job, "static_configs") or "_sd_configs" in str(job) for job in jobs
            ):
                found.append(
                    Seen(path, line_of(text, "scrape_configs"), f"{len(jobs)} jobs that collect metrics")
                )
            kind = at(document, "kind")
            if kind in ("PodMonitoring", "RunMonitoring", "ServiceMonitor", "PodMonitor") and at(
                document, "spec"
            ):
                found.append(Seen(path, line_of(text, str(kind)), str(kind)))
    found += [
        seen_call(pair)
        for pair in repo.calls(r"google\.cloud\.monitoring_v3\.MetricServiceClient\(\)\.create_time_series")
    ]
    return found


def alerts(repo: Repo) -> Answer:
    """Rules with an expression, or policies, that alert somebody."""
    found = []
    for path, documents in repo.yamls.items():
        text = repo.tree.text(path) or ""
        for document in documents:
            groups = at(document, "groups") or at(document, "spec", "groups")
            for group in groups if isinstance(groups, list) else ():
                rules = at(group, "rules")
                for rule in rules if isinstance(rules, list) else ():
                    if at(rule, "alert") and at(rule, "expr"):
                        found.append(Seen(path, line_of(text, str(rule["alert"])), str(rule["alert"])))
            if isinstance(at(document, "conditions"), list) and at(document, "displayName"):
                found.append(Seen(path, line_of(text, "conditions"), str(document["displayName"])))
    for one in repo.commands:
        if one.program == "gcloud" and one.has("monitoring", "policies", "create"):
            found.append(seen_command(one))
    for path in repo.tree.by_suffix.get(".tf", []):
        text = repo.tree.text(path) or ""
        if re.search(r'^[ \t]*resource[ \t]+"google_monitoring_alert_policy"', text, re.MULTILINE):
            found.append(
                Seen(path, line_of(text, "google_monitoring_alert_policy"), "google_monitoring_alert_policy")
            )
    if found:
        return yes(*found)
    if where := deployments(repo):
        return unknown(
            "it is deployed, but policies that were clicked together are not in the files",
            "`gcloud alpha monitoring policies list`",
            *where,
        )
    return no("no rule or policy alerts anybody")

"""What is known of a deployed model: drift, what went in and out, metrics."""

import ast
import re

from holdfast.checklist.answer import Answer, Seen, no, yes
from holdfast.checklist.code import Call
from holdfast.checklist.repo import Repo, seen_call, seen_command

_DRIFT = re.compile(
    r"evidently(\.\w+)*\.(Report|TestSuite|Dashboard)\(\)\.(run|calculate)|scipy\.stats\.(ks_2samp|wasserstein_distance|chi2_contingency|anderson_ksamp)"
    r"|alibi_detect\.(\w+\.)+\w+\(\)(\.predict)?|nannyml\.\w+\(\)\.(fit|calculate|estimate)|frouros\..*\(\)\.(fit|compare|update)"
    r"|torchdrift\.\w+.*\(\).*|river\.drift\.\w+\(\)\.update|holdfast\.data\.(check|drift\.\w+)"
)


def drift_calls(call: Call) -> bool:
    """Whether a call computes a drift of data."""
    return bool(_DRIFT.fullmatch(call.name))


def _drift(repo: Repo) -> list[Seen]:
    found = [
        seen_call((code, call))
        for code in [*repo.own, *repo.tests]
        for call in code.calls
        if drift_calls(call)
    ]
    for one in repo.commands:
        if (
            one.program == "holdfast"
            and one.args[:2] == ("data", "check")
            and any(word.startswith("--against") for word in one.args)
        ):
            found.append(seen_command(one))
    return found


def drift(repo: Repo) -> Answer:
    """A report or a test of drift that is run."""
    if found := _drift(repo):
        return yes(*found)
    names = [
        (code, name, line)
        for code in repo.own
        for name, line in code.imported("evidently", "alibi_detect", "nannyml")
    ]
    near = [Seen(code.path, line, f"import {name}") for code, name, line in names]
    return no(
        "a library for drift is imported, but nothing is computed" if near else "nothing looks for drift",
        *near,
    )


_WRITES = re.compile(
    r"csv\.(Dict)?[wW]riter\(\)\.writerow|.*\.(to_csv|to_parquet|insert_one|upload_from_\w+|insert_rows_json|add_task|writerow|execute|write)"
    r"|json\.dump|sqlite3\..*execute"
)


_PASSING = re.compile(
    r"tempfile\..*|(\w+\.)*open\(\)\.write|io\.\w+\(\)\.write|\w*(te?mp|buffer|buf)\w*\.write"
)
"""What may hold an upload for as long as it is looked at, unless something is opened to be appended to."""


def _appends(call: Call) -> bool:
    """Whether a call opens a file to add to it."""
    mode = call.option("mode") or (call.node.args[1] if len(call.node.args) > 1 else None)
    named = call.name.rpartition(".")[2] == "open"
    return named and isinstance(mode, ast.Constant) and "a" in str(mode.value)


def collecting(repo: Repo) -> Answer:
    """A route that asks and keeps, or Holdfast's journal."""
    if ours := repo.setting("serve.journal.where", "serve.journal"):
        return yes(*ours)
    for code, function in repo.routes:
        calls = repo.reached(code, function.name)
        if not any(
            re.search(r"predict|infer|model|classif|session|run", call.name.lower()) for _, call in calls
        ):
            continue
        if not re.search(
            r"predict|infer|classif|generate|score|analy",
            function.name.lower() + str(function.node.name).lower(),
        ):
            continue
        appends = any(_appends(call) for _, call in calls)
        kept = [pair for pair in calls if _WRITES.fullmatch(pair[1].name)]
        kept = [pair for pair in kept if appends or not _PASSING.fullmatch(pair[1].name)]
        for where, call in kept:
            if call.name.endswith(".add_task") and not _task_keeps(repo, where, call):
                continue
            return yes(
                Seen(code.path, function.node.lineno, f"route {function.name}"), seen_call((where, call))
            )
    return no("no route keeps what went in and out")


def _task_keeps(repo: Repo, code: object, call: Call) -> bool:
    """Whether what is done after the answer writes something."""
    first = call.node.args[0] if call.node.args else None
    if not isinstance(first, ast.Name):
        return False
    return any(
        _WRITES.fullmatch(pair[1].name)
        for where in repo.own
        if where is code or any(one.name == first.id for one in where.functions)
        for pair in repo.reached(where, first.id)
    )


_METRIC = r"prometheus_client\.(metrics\.)?(Counter|Gauge|Histogram|Summary)"


def instruments(repo: Repo) -> list[Seen]:
    """Metrics that are counted and given out."""
    found = [
        seen_call(pair)
        for pair in repo.calls(
            r"prometheus_fastapi_instrumentator\.Instrumentator\(\)(\.\w+\(\))*\.(expose|instrument)"
        )
    ]
    if found:
        return found
    made = repo.calls(_METRIC)
    counted = repo.calls(_METRIC + r"\(\)(\.labels\(\))?\.(inc|dec|set|observe|time)")
    given = repo.calls(
        r"prometheus_client\.(\w+\.)*(make_asgi_app|start_http_server|generate_latest)|starlette_exporter\.\w+"
    )
    if made and counted and given:
        return [seen_call(made[0]), seen_call(counted[0]), seen_call(given[0])]
    opened = repo.calls(
        r"opentelemetry\.(\w+\.)*FastAPIInstrumentor(\(\))?\.instrument_app|opentelemetry\.metrics\.get_meter\(\)\.create_\w+"
    )
    ours = [one for one in repo.commands if one.program == "holdfast" and one.args[:1] == ("serve",)]
    return [*map(seen_call, opened), *(Seen(one.file, one.line, f"{one.text}: /metrics") for one in ours)]


def instrumented(repo: Repo) -> Answer:
    """Metrics that are made, counted and given out."""
    if found := instruments(repo):
        return yes(*found)
    made = [seen_call(pair) for pair in repo.calls(_METRIC)]
    return no(
        "metrics are made, but never counted or never given out" if made else "the API has no metrics", *made
    )


def telemetry(repo: Repo) -> Answer:
    """Metrics that are given out, or that something collects."""
    from holdfast.checklist.probes_cloud import cloud_monitoring

    if found := instruments(repo):
        return yes(*found)
    return cloud_monitoring(repo)


def performance(repo: Repo) -> Answer:
    """What was predicted is kept and looked at: a drift of it, or true labels that come later."""
    kept = collecting(repo)
    if kept.verdict == "no":
        return kept
    journal = [one for one in kept.seen if "journal" in one.what]
    looked = _drift(repo)
    for code in repo.own:
        for call in code.calls:
            if re.fullmatch(r"sklearn\.metrics\.\w+", call.name) and any(
                code is where for where, _ in repo.routes
            ):
                looked.append(seen_call((code, call)))
    if journal or looked:
        return yes(*kept.seen, *looked)
    return no("predictions are kept, but nothing weighs them", *kept.seen)

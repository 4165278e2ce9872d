"""Drafts about what guards a project: tests, coverage, branches, continuous integration."""

import re
from collections.abc import Iterator

from holdfast.checklist import probes_ci, probes_tests
from holdfast.checklist.ci import Job, Workflow
from holdfast.checklist.counts import KINDS
from holdfast.checklist.documents import at, texts
from holdfast.checklist.unit_tests import UnitTest
from holdfast.report.draft import Draft, FileLine, Said, counted, listed, quoted
from holdfast.workflows.filling_facts import Facts, Told, what_of

_TRIGGERS = {
    "schedule": "a schedule",
    "workflow_dispatch": "a click",
    "release": "a release",
    "repository_dispatch": "an event that is sent to the repository",
    "workflow_call": "a call of another workflow",
}
_FILTERS = (("branches", "to"), ("tags", "of the tag"), ("paths", "that changes"))


def trigger(name: str, filters: object) -> str:
    """What starts a workflow, in words, with what narrows it.

    >>> trigger("push", {"branches": ["main"]}), trigger("pull_request", None)
    ('each push to `main`', 'each pull request')
    """
    if name not in ("push", "pull_request"):
        return _TRIGGERS.get(name, quoted(name))
    told = f"each {name.replace('_', ' ')}"
    for key, word in _FILTERS:
        if only := texts(at(filters, key)):
            told += f" {word} {listed([quoted(one) for one in only], most=3).replace(' and ', ' or ')}"
        if but := texts(at(filters, f"{key}-ignore")):
            told += f" but for {listed([quoted(one) for one in but], most=3)}"
    return told


def tests(facts: Facts) -> Draft:
    """How many tests assert something, of what, and who runs them."""
    told = Told()
    good, empty = probes_tests.all_tests(facts.repo)
    if not good:
        return told.draft()
    firsts = list({test.file: test for test in reversed(good)}.values())[::-1]
    told.say(
        f"There {'is 1 test that asserts' if len(good) == 1 else f'are {len(good):,} tests that assert'} "
        f"something, in {counted(len(firsts), 'file')}.",
        facts.tally("tests that assert something"),
        facts.tally("files with such tests"),
    )
    for kind, what in KINDS.items():
        found = [test for test in good if kind in test.kinds]
        if found:
            named = listed([_name(test) for test in found], most=3)
            verb = "tests" if len(found) == 1 else "test"
            told.say(
                f"{len(found)} of them {verb} {what}: {named}.",
                facts.tally(f"tests of {what}"),
                *(facts.line(test.file, test.line) for test in found[:3]),
            )
    other = [test for test in good if not test.kinds]
    if other:
        named = listed([_name(test) for test in other], most=4)
        others = (
            "The others test other things"
            if len(other) < len(good)
            else "What they test shows in their names"
        )
        told.say(
            f"{others}: {named}.",
            *(facts.line(test.file, test.line) for test in other[:4]),
        )
    if empty:
        told.say(
            f"{counted(len(empty), 'further test')} "
            f"{'asserts nothing, and is' if len(empty) == 1 else 'assert nothing, and are'} not counted.",
            facts.tally("tests that assert nothing"),
            *(facts.line(test.file, test.line) for test in empty[:3]),
        )
    _, runs = facts.probe(probes_ci.integration)
    if runs:
        flow = next((one for one in facts.repo.workflows if one.path == runs[0].file), None)
        starts = [trigger(name, flow.triggers[name]) for name in flow.triggers] if flow else []
        when = f"on {listed(starts)}" if starts else "when the code changes"
        told.say(f"{quoted(runs[0].file)} runs them {when}: {quoted(_step(runs[0]))}.", runs[0])
    for test in good[:12]:
        told.say(f"{_name(test)} stands in {quoted(test.file)}.", facts.line(test.file, test.line))
    return told.draft()


def _step(line: FileLine) -> str:
    """The command of a step, without the YAML before it."""
    return re.sub(r"^(- )?run: ", "", line.text)


def _name(test: UnitTest) -> str:
    return quoted(test.name)


def coverage(facts: Facts) -> Draft:
    """How it is measured, and what files say that it came to; how far to trust it is left to people."""
    told = Told()
    _, seen = facts.probe(probes_tests.coverage)
    for path, part, share in _measured(facts):
        told.say(f"{quoted(path)} says that {share} of the lines were run.", facts.line(path, part=part))
    if seen:
        told.say(
            f"Coverage is measured by {quoted(_step(seen[0]))}, which is in {quoted(seen[0].file)}.", seen[0]
        )
    for part, what in (("source", "what is measured is"), ("fail_under", "the least that is allowed is")):
        line = _setting(facts, part)
        if line:
            told.say(f"As its settings say, {what} {quoted(line.text.partition('=')[2].strip())}.", line)
    left = "how far you trust it, and why"
    return told.draft(
        left if any("%" in it.text for it in told.sentences) else f"the coverage in percent; {left}"
    )


def _setting(facts: Facts, name: str) -> FileLine | None:
    inside = False
    for number, line in enumerate(facts.repo.tree.lines("pyproject.toml"), start=1):
        if line.startswith("["):
            inside = line.startswith("[tool.coverage")
        elif inside and re.match(rf"{name}\s*=", line):
            return facts.line("pyproject.toml", number)
    return None


def _measured(facts: Facts) -> list[tuple[str, str, str]]:
    """Files that hold a coverage: where it stands in them, and how much it is."""
    found = []
    for path in facts.repo.tree.named("coverage*.xml")[:2]:
        rate = re.search(r'<coverage\b[^>]*\bline-rate="(\d+(?:\.\d+)?)"', facts.repo.tree.text(path) or "")
        if rate:
            found.append((path, f'line-rate="{rate[1]}"', f"{float(rate[1]):.1%}"))
    for path in facts.repo.tree.named("coverage*.json")[:2]:
        rate = re.search(
            r'"totals":.*?"percent_covered": ?(\d+(?:\.\d+)?)', facts.repo.tree.text(path) or "", re.DOTALL
        )
        if rate:
            found.append((path, '"totals"', f"{float(rate[1]):.1f} %"))
    return found


def git(facts: Facts) -> Draft:
    """What the history shows of branches and merges."""
    told = Told()
    if not facts.has_git:
        return told.draft()
    commits = facts.counted("rev-list", "--count", "HEAD")
    merges = facts.counted("rev-list", "--count", "--merges", "HEAD")
    pulls = facts.counted("rev-list", "--count", "-E", "--grep=^Merge pull request #|\\(#[0-9]+\\)$", "HEAD")
    if not commits or not merges or not pulls:
        return told.draft()
    told.say(
        f"The history of what is checked out has {counted(commits[0], 'commit')}, of which "
        f"{merges[0]:,} {'is a merge' if merges[0] == 1 else 'are merges'}.",
        commits[1],
        merges[1],
    )
    _branches(facts, told)
    if pulls[0]:
        told.say(
            f"{counted(pulls[0], 'commit')} came by a pull request, as their subjects say with its number.",
            pulls[1],
        )
        for number, line in _subjects(facts):
            told.say(f"One of them is {quoted(number)}.", line)
    else:
        told.say("The subject of no commit names a pull request.", pulls[1])
    guards = [flow for flow in facts.repo.workflows if "pull_request" in flow.triggers]
    for flow in guards[:3]:
        steps = facts.repo.expanded(flow.commands())[:3]
        does = f", where it runs {listed([quoted(one.text) for one in steps])}" if steps else ""
        told.say(
            f"{quoted(flow.path)} looks at {trigger('pull_request', flow.triggers['pull_request'])}{does}.",
            facts.line(flow.path, part="pull_request"),
        )
    _, hooks = facts.probe(probes_ci.hooks)
    if hooks:
        told.say("Hooks look at each commit before it is made.", hooks[0])
    for path in facts.repo.tree.named("codeowners", "pull_request_template*")[:2]:
        told.say(f"{quoted(path)} says what a pull request needs.", facts.line(path))
    left = "" if pulls[0] else "why you did without pull requests, and what they would help"
    return told.draft(left)


def _branches(facts: Facts, told: Told) -> None:
    asked = ("for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/remotes")
    names = facts.git(*asked) or []
    shown = [name for name in names if name.isprintable() and "/HEAD" not in name and "'" not in name]
    if shown:
        command = "git for-each-ref '--format=%(refname:short)' refs/heads refs/remotes"
        told.say(
            f"This checkout knows {counted(len(shown), 'branch', 'branches')}: "
            f"{listed([quoted(name) for name in shown], most=8)}.",
            *(Said(command, name) for name in shown[:8]),
        )
    first = facts.git("rev-list", "--max-parents=0", "--format=%as", "HEAD")
    last = facts.git("rev-list", "-1", "--format=%as", "HEAD")
    if first and last:
        told.say(
            f"The commits were written from {first[-1]} to {last[-1]}.",
            Said("git rev-list --max-parents=0 --format=%as HEAD", first[-1]),
            Said("git rev-list -1 --format=%as HEAD", last[-1]),
        )


def _subjects(facts: Facts) -> Iterator[tuple[str, Said]]:
    asked = ("rev-list", "-E", "--grep=^Merge pull request #|\\(#[0-9]+\\)$", "--format=%s", "-3", "HEAD")
    for line in facts.git(*asked) or []:
        subject = line.strip()
        if not subject.startswith("commit ") and subject.isprintable() and len(subject) < 90:
            command = "git rev-list -E '--grep=^Merge pull request #|\\(#[0-9]+\\)$' --format=%s -3 HEAD"
            yield subject, Said(command, subject)


def ci(facts: Facts) -> Draft:
    """Each workflow: when it starts, on what, what it runs; caches."""
    told, flows = Told(), facts.repo.workflows
    if not flows:
        return told.draft()
    told.say(
        f"Continuous integration has {counted(len(flows), 'workflow')}: "
        f"{listed([quoted(flow.path.rpartition('/')[2]) for flow in flows], most=8)}.",
        facts.tally("workflows"),
        *(facts.line(flow.path) for flow in flows[:8]),
    )
    for flow in flows[:8]:
        _workflow(facts, told, flow)
    linted, checks = facts.probe(probes_ci.linting)
    if checks:
        told.say(f"Style is checked too, by {what_of(linted.seen[:3])}.", *checks[:3])
    answer = probes_ci.matrix(facts.repo)
    if answer.verdict == "no" and flows:
        several = "a cache" in answer.why
        told.say(
            f"For what runs the tests, {answer.why}." if several else f"As for the tests: {answer.why}.",
            *(facts.line(flow.path, part="runs-on") for flow in flows[:1]),
        )
    return told.draft()


def _workflow(facts: Facts, told: Told, flow: Workflow) -> None:
    name = quoted(flow.path.rpartition("/")[2])
    starts = [trigger(one, flow.triggers[one]) for one in flow.triggers]
    if starts:
        lines = [facts.line(flow.path, part=one) for one in flow.triggers]
        told.say(f"{name} is started by {listed(starts)}.", *lines[:6])
    for job in flow.jobs[:4]:
        _job(facts, told, flow, job)


def _job(facts: Facts, told: Told, flow: Workflow, job: Job) -> None:
    name = quoted(flow.path.rpartition("/")[2])
    on = [one for one in job.runs_on if "${{" not in one]
    if on:
        told.say(
            f"Its job {quoted(job.name)} runs on {listed([quoted(one) for one in on])}.",
            facts.line(flow.path, part=on[0]),
        )
    for key, values in job.matrix.items():
        shown = [str(value) for value in values]
        if len(set(shown)) > 1:
            told.say(
                f"The job {quoted(job.name)} of {name} is run once for each {quoted(key)}: "
                f"{listed([quoted(one) for one in shown])}.",
                facts.line(flow.path, part=f"{key}:"),
            )
    cached = [step for step in job.steps if step.uses.startswith("actions/cache") or "cache" in step.options]
    if cached:
        told.say(
            f"A cache spares it the downloads of the last time, by {quoted(cached[0].uses)}.",
            facts.line(flow.path, part="cache"),
        )
    actions = [step for step in job.steps if step.uses]
    if actions:
        named = listed([quoted(step.uses) for step in actions])
        are = "One of its steps is the action" if len(actions) == 1 else "Among its steps are the actions"
        told.say(
            f"{are} {named}.",
            *(facts.line(flow.path, part=step.uses) for step in actions[:6]),
        )
    commands = list(dict.fromkeys(one.text for step in job.steps for one in step.commands))[:8]
    if commands:
        told.say(
            f"{name} then runs {listed([quoted(one) for one in commands], most=8)}.",
            *(facts.line(flow.path, part=one) for one in commands),
        )

"""What people read: README, documentation, diagram, report."""

import re

from holdfast.checklist.answer import Answer, Seen, no, unknown, yes
from holdfast.checklist.documents import at, parts
from holdfast.checklist.repo import Repo, seen_command
from holdfast.checklist.tree import line_of, normal


def _words(text: str) -> int:
    return len(re.sub(r"```.*?```", " ", text, flags=re.DOTALL).split())


def readme(repo: Repo) -> Answer:
    """A README of more than a few words."""
    for path in repo.tree.named("readme", "readme.*"):
        words = _words(repo.tree.text(path) or "")
        if "/" not in path:
            seen = Seen(path, 1, f"{words} words")
            return yes(seen) if words >= 50 else no("the README has fewer than 50 words", seen)
    return no("there is no README at the root")


def documentation(repo: Repo) -> Answer:
    """Pages with words on them; a navigation must lead to files."""
    found, absent = [], []
    for path in repo.tree.named("mkdocs.y*ml"):
        for document in repo.yamls.get(path, []):
            folder = str(at(document, "docs_dir") or "docs")
            where = normal(f"{path.rpartition('/')[0]}/{folder}")
            text = repo.tree.text(path) or ""
            pages = [
                value
                for _, value in parts(at(document, "nav"))
                if isinstance(value, str) and value.endswith(".md")
            ]
            for page in pages:
                if not repo.tree.has(f"{where}/{page}"):
                    absent.append(Seen(path, line_of(text, page), f"{page} is not in {where}"))
            if repo.tree.has(f"{where}/index.md") or pages:
                found.append(
                    Seen(path, 1, f"{len(pages)} page{'' if len(pages) == 1 else 's'} in its navigation")
                )
    if absent:
        return no("the navigation names pages that do not exist", *absent)
    pages = [path for path in repo.tree.files if re.match(r"(.*/)?docs/.*\.(md|rst)$", path)]
    words = {path: _words(repo.tree.text(path) or "") for path in pages[:200]}
    if sum(words.values()) >= 100:
        longest = max(words, key=words.__getitem__)
        return yes(*found, Seen(longest, 1, f"{sum(words.values())} words on {len(words)} pages"))
    near = [Seen(path, 1, f"{count} words") for path, count in words.items()]
    return no(
        "the pages of docs/ have fewer than 100 words" if near else "there are no pages in docs/",
        *found,
        *near,
    )


def pages_published(repo: Repo) -> Answer:
    """A workflow that publishes the documentation."""
    for flow in repo.workflows:
        if not flow.by_itself:
            continue
        for step in flow.steps():
            if re.match(
                r"(actions/deploy-pages|peaceiris/actions-gh-pages|JamesIves/github-pages-deploy-action)",
                step.uses,
            ):
                return yes(Seen(flow.path, step.line, step.uses))
        for one in repo.expanded(flow.commands()):
            if (one.program == "mkdocs" and "gh-deploy" in one.args) or (
                one.program == "mike" and "deploy" in one.args
            ):
                return yes(seen_command(one))
    by_hand = [
        seen_command(one) for one in repo.commands if one.program == "mkdocs" and "gh-deploy" in one.args
    ]
    if by_hand:
        return unknown(
            "a command publishes it, but no workflow runs that", "`gh api repos/OWNER/NAME/pages`", *by_hand
        )
    return no("nothing publishes documentation to GitHub Pages")


_DIAGRAM = re.compile(r"architect|pipeline|overview|diagram|mlops|system|flow", re.IGNORECASE)

_STAGES = re.compile(r"data|train|run|model|bundle|registry|deploy|api|serv|monitor", re.IGNORECASE)


def diagram(repo: Repo) -> Answer:
    """A picture of the system that a page shows and that exists, or one drawn in text."""
    broken = []
    for path in repo.tree.named("*.md")[:300]:
        text = repo.tree.text(path) or ""
        if drawn := re.search(
            r"^```mermaid\n[ \t]*(graph|flowchart|sequenceDiagram|C4\w*|architecture)", text, re.MULTILINE
        ):
            return yes(Seen(path, line_of(text, drawn.group()), "a diagram in Mermaid"))
        for alt, target in re.findall(r"!\[([^\]\n]{0,400})\]\(([^)\s]{1,400})", text):
            named = f"{alt} {target.rpartition('/')[2]}"
            stages = {word.lower() for word in _STAGES.findall(alt)}
            if target.startswith("http") or not (_DIAGRAM.search(named) or len(stages) > 2):
                continue
            seen = Seen(path, line_of(text, f"]({target}"), f"![{alt}]({target})")
            if repo.tree.has(f"{path.rpartition('/')[0]}/{target}"):
                return yes(seen)
            broken.append(seen)
    drawn_files = repo.tree.named("*.drawio", "*.puml", "*.excalidraw")
    if drawn_files:
        return yes(*(Seen(path, None, "a drawing") for path in drawn_files))
    return no(
        "a page shows a diagram that does not exist" if broken else "no page shows a diagram of the system",
        *broken,
    )


_LEFT = re.compile(r"---\s{0,9}question \d+[^\n]{0,80}fill here\s{0,9}---", re.IGNORECASE)


def report(repo: Repo) -> Answer:
    """A report without questions that were left open."""
    for path in repo.tree.named("*.md"):
        text = repo.tree.text(path) or ""
        questions = len(re.findall(r"^#+ *Question \d+", text, re.MULTILINE))
        if questions < 10:
            continue
        left = [
            line_of(text, one.group())
            for one in re.finditer(
                r"---\s{0,9}question \d+[^\n]{0,80}fill here\s{0,9}---", text, re.IGNORECASE
            )
        ]
        if left:
            return no(f"{len(left)} of {questions} questions are open", Seen(path, left[0], "fill here"))
        return yes(Seen(path, 1, f"{questions} questions, none left as it was"))
    return no("there is no report with questions")


def revisited(_: Repo) -> Answer:
    """Only people know."""
    return unknown(
        "whether it turned out as it was wanted is in no file",
        "read the description again, and say so in the report",
    )

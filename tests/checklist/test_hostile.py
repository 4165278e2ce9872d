"""Repositories that want to do harm: links, bombs, junk. Nothing of them is run."""

import os
import time
from pathlib import Path

import pytest

from holdfast.checklist import check
from holdfast.checklist.code import read_code
from holdfast.checklist.documents import read_yaml
from holdfast.core.errors import DataError
from tests.checklist.repositories import read


def test_no_code_of_the_repository_is_run(tmp_path: Path) -> None:
    trap = f"open({str(tmp_path / 'sprung')!r}, 'w').close()\n"
    for name in (
        "setup.py",
        "conftest.py",
        "tests/conftest.py",
        "tasks.py",
        "noxfile.py",
        "yaml.py",
        "json.py",
    ):
        place = tmp_path / "repo" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(trap)
    (tmp_path / "repo" / "x.yaml").write_text(
        f"a: !!python/object/apply:os.system ['touch {tmp_path / 'sprung'}']\nb: !!python/name:os.system\n"
    )
    (tmp_path / "repo" / "Makefile").write_text(f"X := $(shell touch {tmp_path / 'sprung'})\n")

    check(tmp_path / "repo")

    assert not (tmp_path / "sprung").exists()


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside = read("tidy").write(tmp_path)
    inside = tmp_path / "inside"
    inside.mkdir()
    for name in ("src", "tests", ".github", ".git", "README.md", "LICENSE", "Dockerfile", "requirements.txt"):
        (inside / name).symlink_to(outside / name)
    (inside / "self").symlink_to(inside)

    result = check(inside)

    assert result["files"] == 0
    assert result["sums"]["yes"] == 0
    assert result["notes"] == ["9 links were not followed"]


def test_a_link_within_the_git_folder_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "main").write_text("password\n")
    git = tmp_path / "repo" / ".git"
    (git / "refs").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    (git / "config").write_text('[remote "origin"]\n\turl = x\n')
    (git / "refs" / "heads").symlink_to(tmp_path / "elsewhere")
    (git / "refs" / "remotes" / "origin").mkdir(parents=True)
    (git / "refs" / "remotes" / "origin" / "main").write_text("password\n")

    assert "password" not in str(check(tmp_path / "repo"))


@pytest.mark.parametrize(
    "text",
    [
        "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 30)),
        "a: &a [*a]\n",
        "[" * 5_000,
        "[" * 200 + "]" * 200,
        "? " * 3_000,
        "a: 2001-99-99\n",
        "a: " + "9" * 10_000,
        "? [x]\n: 1\n? {a: 1}\n: 2\n",
        "{<<: [1, 2]}",
        "x" * 1_000_000,
        "\x00\x01",
    ],
)
def test_bombs_of_yaml_are_not_read(text: str) -> None:
    started = time.process_time()

    assert read_yaml(text) == []
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    "text",
    [
        *("(" * 5_000, "-" * 100_000 + "1", "a" + ".b" * 50_000, "1" + "+1" * 50_000, "f" + "()" * 50_000),
        *("lambda:" * 20_000 + "1", "def f(:\n", "\x00", "".join(" " * i + "if 1:\n" for i in range(200))),
    ],
)
def test_code_that_no_python_reads_is_told_as_damaged(text: str) -> None:
    assert read_code("a.py", text).error


def test_junk_is_survived(tmp_path: Path) -> None:
    junk = bytes(range(256)) * 40
    for name in (
        *(
            "a.py",
            "tests/test_a.py",
            "Dockerfile",
            "Makefile",
            "x.yaml",
            "pyproject.toml",
            "requirements.txt",
        ),
        *(
            ".github/workflows/x.yml",
            ".dvc/config",
            "a.dvc",
            "docs/a.md",
            "README.md",
            "setup.cfg",
            "Pipfile",
            "x.tf",
        ),
        *(
            "mkdocs.yml",
            "environment.yml",
            ".pre-commit-config.yaml",
            "cloudbuild.yaml",
            "holdfast.yaml",
            ".git/HEAD",
        ),
        *(
            ".git/config",
            "tox.ini",
            "x.sh",
            "conf.json",
            ".gitlab-ci.yml",
            "setup.py",
            "x.html",
            "x.js",
            "latin.py",
        ),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(junk if name != "latin.py" else "# caf\xe9\n".encode("latin-1"))

    assert check(tmp_path)["sums"]["no"] > 40


@pytest.mark.parametrize("value", ["1", "[1, 2]", "text", "{a: {b: [{c: d}]}}", "[[x], {jobs: 1}]"])
def test_settings_of_another_shape_are_survived(tmp_path: Path, value: str) -> None:
    for name, keys in {
        ".github/workflows/a.yml": ("on", "jobs"),
        ".github/workflows/b.yml": ("on: push\njobs: {a: {steps: [{run", "x"),
        "cloudbuild.yaml": ("steps",),
        "mkdocs.yml": ("nav", "docs_dir"),
        ".pre-commit-config.yaml": ("repos",),
        "environment.yml": ("dependencies",),
        ".gitlab-ci.yml": ("test", "cache"),
        "rules.yaml": ("groups", "scrape_configs", "spec", "workerPoolSpecs", "conditions", "displayName"),
        "docker-compose.yml": ("services",),
        "holdfast.yaml": ("serve", "track"),
        "sweep.yaml": ("method", "parameters", "hydra", "defaults"),
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("".join(f"{key}: {value}\n" for key in keys))
    (tmp_path / "pyproject.toml").write_text(
        "project = 1\ndependency-groups = 5\n"
        "tool = {coverage = [1], pytest = 2, poetry = 'x', ruff = [1], taskipy = 3}\n"
    )

    assert check(tmp_path)["sums"]["yes"] < 8


def test_what_is_no_ordinary_file_is_left_out(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "Makefile")
    (tmp_path / "README.md").mkdir()

    assert check(tmp_path)["files"] == 0


def test_large_and_deep_things_are_left_out_and_said_so(tmp_path: Path) -> None:
    (tmp_path / "large.py").write_text("x = 1\n" * 300_000)
    deep = tmp_path.joinpath(*["d"] * 60)
    deep.mkdir(parents=True)

    notes = check(tmp_path)["notes"]

    assert any("large.py is larger" in note for note in notes)
    assert any("deeper than" in note for note in notes)


def test_a_name_that_is_no_unicode_can_be_told(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9.py"
    try:
        Path(os.fsdecode(name)).write_text("def f(:\n\n")
    except OSError:
        pytest.skip("names must be Unicode here")

    style = next(item for item in check(tmp_path)["items"] if item["id"] == "style")

    style["evidence"][0]["file"].encode()
    assert style["evidence"][0]["file"].endswith("caf\\udce9.py")


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(DataError, match="does not exist"):
        check(tmp_path / "nowhere")
    with pytest.raises(DataError, match="is a file"):
        check(tmp_path / "file")


def test_texts_that_are_slow_to_read_take_seconds(tmp_path: Path) -> None:
    many = 200_000
    for name, text in {
        "README.md": "![" * many,
        "docs/a.md": "---question 1" * many,
        "Makefile": " " * many + "\n" + "a " * many + ":\n" + "\\\n" * many,
        "run.sh": "sudo " * many + "\n" + "\\\n" * many + "'" + "x;" * many,
        "a.js": "\n" * many,
        "a.tf": "\n" * many,
        "requirements.txt": "/" * many,
        "Dockerfile": "FROM x\n" + "COPY *a*a*a*a*b .\n" * 20_000,
        ".dockerignore": "*a*a*a*\n" * 20_000,
        "tests/test_a.py": "".join(f"def test_{n}():\n    assert f({n})\n" for n in range(8_000)),
        "a.py": "import fastapi\napp = fastapi.FastAPI()\n"
        + "".join(f"@app.get('/')\ndef f{n}():\n    f{n + 1}()\n" for n in range(8_000)),
        ".git/config": '[remote "x"]' * 50_000,
        ".git/packed-refs": "0" * many,
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text[: 1 << 20])
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/main")
    started = time.process_time()

    check(tmp_path)

    assert time.process_time() - started < 20  # half an hour before each was bounded

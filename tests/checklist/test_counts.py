"""What is counted of a repository, against counts by hand."""

from pathlib import Path

from holdfast.checklist import check


def _write(folder: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def test_tests_files_and_packages_are_counted(tmp_path: Path) -> None:
    folder = _write(
        tmp_path,
        {
            "requirements.txt": "numpy==2.0\ntorch>=2\n# pandas==1\n",
            "pkg/__init__.py": "",
            "pkg/data.py": "def load_data():\n    return 1\n",
            "pkg/deep/__init__.py": "",
            "docs/a.md": "a",
            "docs/b.md": "b",
            "tests/test_a.py": "from pkg.data import load_data\n\ndef test_one():\n"
            "    assert load_data() == 1\n\ndef test_two():\n    assert len([]) == 0\n"
            "\ndef test_none():\n    assert True\n",
            "Dockerfile": "FROM python:3.12\n",
        },
    )

    found = check(folder)["counts"]

    expected = {
        "tests that assert something": 2,
        "files with such tests": 1,
        "tests that assert nothing": 1,
        "tests of the data": 1,
        "workflows": 0,
        "container files": 1,
        "files in docs": 2,
        "files in pkg": 3,
        "Python files in pkg": 3,
        "packages in requirements.txt": 2,
        "exact versions in requirements.txt": 1,
    }
    assert expected.items() <= found.items()
    assert "Python files in pkg/deep" not in found


def test_a_test_of_an_error_is_no_test_of_the_data(tmp_path: Path) -> None:
    folder = _write(
        tmp_path,
        {
            "pkg/__init__.py": "",
            "pkg/errors.py": "class DataError(Exception):\n    pass\n",
            "tests/test_a.py": "import pytest\nfrom pkg.errors import DataError\n\ndef test_refused():\n"
            "    with pytest.raises(DataError):\n        raise DataError('no')\n",
        },
    )

    result = check(folder)

    assert result["counts"]["tests that assert something"] == 1
    assert result["counts"]["tests of the data"] == 0
    assert {item["id"]: item["answer"] for item in result["items"]}["data-tests"] == "no"


def test_settings_of_a_server_are_no_settings_of_experiments(tmp_path: Path) -> None:
    folder = _write(tmp_path, {"holdfast.yaml": "serve:\n  journal:\n    where: journal\n"})
    assert _answers(folder) == {"settings": "no", "hydra": "no"}

    _write(tmp_path, {"holdfast.yaml": "serve: {port: 1}\noptim:\n  lr: 0.1\n"})
    assert _answers(folder) == {"settings": "yes", "hydra": "yes"}


def _answers(folder: Path) -> dict[str, str]:
    items = {item["id"]: item["answer"] for item in check(folder)["items"]}
    return {name: items[name] for name in ("settings", "hydra")}

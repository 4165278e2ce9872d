"""The code: data, model, style, settings, command line, logs."""

import ast
import re

from holdfast.checklist.answer import Answer, Seen, no, yes
from holdfast.checklist.code import Code
from holdfast.checklist.documents import parts, read_json, read_toml, read_yaml
from holdfast.checklist.repo import Repo, seen_call, seen_command
from holdfast.checklist.tree import line_of

_FETCHES = re.compile(
    r"pandas\.read_\w+|(polars|pl)\.(read|scan)_\w+|torchvision\.datasets\.\w+|datasets\.load_dataset"
    r"|sklearn\.datasets\.(load|fetch)_\w+|urllib\.request\.\w+|requests\.get|kaggle\.\w+.*|kagglehub\.\w+"
    r"|torchaudio\.datasets\.\w+|(tensorflow_datasets|tfds)\.load|wget\.download|gdown\.\w+|zipfile\.ZipFile"
    r"|PIL\.Image\.open|cv2\.imread|numpy\.load(txt)?|torch\.load|csv\.(DictR|r)eader|soundfile\.read|librosa\.load"
    r"|holdfast\.workflows\.datasets\.\w+|holdfast\.data\.\w+"
)
_KEEPS = re.compile(
    r".*\.(to_csv|to_parquet|to_pickle|save_to_disk|to_feather)|torch\.save|numpy\.save\w*|joblib\.dump|pickle\.dump"
    r"|json\.dump|.*\.(write_text|write_bytes|writerow|writerows|extractall|save)|torch\.utils\.data\.\w*DataLoader"
    r"|(torch\.utils\.data\.)?TensorDataset|.*\.map|.*train_test_split"
)
_DATASET = r"torch\.utils\.data\.(\w+\.)?(Dataset|IterableDataset)|.*LightningDataModule"


def data_code(repo: Repo) -> Answer:
    """Code that fetches or reads the data, and gives or keeps what it made of them."""
    found = [Seen(code.path, one.node.lineno, f"class {one.name}") for code, one in repo.classes(_DATASET)]
    for code in repo.own:
        reads = [call for call in code.calls if _FETCHES.fullmatch(call.name)]
        keeps = [call for call in code.calls if _KEEPS.fullmatch(call.name)]
        if reads and keeps and not code.imported("fastapi", "streamlit"):
            found += [seen_call((code, reads[0])), seen_call((code, keeps[0]))]
    found += [
        seen_command(one)
        for one in repo.commands
        if one.program == "holdfast" and one.args[:2] == ("data", "add")
    ]
    found += _versions(repo)
    return yes(*found) if found else no("no code reads data and prepares them")


def _versions(repo: Repo) -> list[Seen]:
    """Versions in a workspace of Holdfast."""
    return [
        Seen(path, None, "a dataset version of Holdfast")
        for path in repo.tree.by_name.get("version.json", [])
        if re.search(r"(^|/)datasets/[^/]+/versions/\d+/version\.json$", path)
        and isinstance(read_json(repo.tree.text(path) or ""), dict)
    ]


holdfast_versions = _versions
MODULE = (
    r"torch\.nn(\.modules\.module)?\.Module|(torch\.)?nn\.Module|transformers\.PreTrainedModel"
    r"|(pytorch_lightning|lightning(\.pytorch)?)\.(core\.)?LightningModule|(tensorflow\.)?keras\.(\w+\.)*Model"
)
_PREPARES = r"sklearn\.(preprocessing|impute|feature_extraction|feature_selection|decomposition|compose)\."
_MADE = re.compile(
    rf"(?!{_PREPARES})(sklearn|xgboost|lightgbm|catboost)\.(\w+\.)*[A-Z]\w*"
    r"|transformers\.(?!\w*(Tokenizer|Processor|Extractor|Config)(Fast)?\.)\w+\.from_pretrained|timm\.create_model"
    r"|torchvision\.models\.\w+|torch\.nn\.Sequential|(tensorflow\.)?keras\.(\w+\.)*(Sequential|Model)|torch\.hub\.load"
)
_FITS = re.compile(
    rf"(?!{_PREPARES}).*\(\)\.(fit|train|fit_generator)|.*\.(trainer|model|clf|pipeline)\.fit|trainer\.(fit|train)|model\.fit"
)


def model_training(repo: Repo) -> Answer:
    """A model, and a loop or a trainer that fits it."""
    models = [Seen(code.path, one.node.lineno, f"class {one.name}") for code, one in repo.classes(MODULE)]
    models += [
        seen_call((code, call)) for code in repo.own for call in code.calls if _MADE.fullmatch(call.name)
    ]
    trained: list[Seen] = []
    for code in repo.own:
        backward = [call for call in code.calls if call.name.endswith(".backward")]
        steps = [call for call in code.calls if re.fullmatch(r".*(optim\w*.*|opt)\.step", call.name)]
        fits = [call for call in code.calls if _FITS.fullmatch(call.name)]
        if backward and steps:
            trained += [seen_call((code, backward[0])), seen_call((code, steps[0]))]
        trained += [seen_call((code, call)) for call in fits]
    ours = [
        seen_command(one)
        for one in repo.commands
        if one.program == "holdfast" and one.args[:1] in (("train",), ("up",))
    ]
    runs = [
        Seen(path, None, "a model of Holdfast")
        for path in repo.tree.by_name.get("manifest.json", [])
        if repo.tree.has(path.replace("manifest.json", "model.onnx"))
    ]
    if ours or runs:
        return yes(*ours, *runs)
    if not models:
        return no("no class or call makes a model", *trained)
    return yes(models[0], *trained) if trained else no("there is a model, but nothing trains it", *models)


def style(repo: Repo) -> Answer:
    """Few faults of PEP 8 in a hundred lines."""
    codes = [code for code in repo.codes if code.lines > 1]
    broken = [code for code in codes if code.error]
    if not codes:
        return no("there is no Python code")
    if broken:
        return no("files that Python cannot read", *(Seen(one.path, None, one.error or "") for one in broken))
    limit = _line_limit(repo)
    faults = [fault for code in codes for fault in _faults(code, repo, limit)]
    lines = sum(code.lines for code in codes)
    told = f"{len(faults)} faults in {lines:,} lines"
    if len(faults) * 100 > lines:
        return no(f"{told}: more than one in a hundred", *faults)
    return yes(Seen(codes[0].path, None, f"{told} of {len(codes)} files, and no error of syntax"))


def _line_limit(repo: Repo) -> int:
    """As the project's own settings say, else 120."""
    for keys in (("ruff", "line-length"), ("black", "line-length"), ("flake8", "max-line-length")):
        table = repo.pyproject.get("tool")
        found = table.get(keys[0], {}) if isinstance(table, dict) else {}
        value = found.get(keys[1]) if isinstance(found, dict) else None
        if isinstance(value, int):
            return value
    return 120


def _faults(code: Code, repo: Repo, limit: int) -> list[Seen]:
    found = []
    for number, line in enumerate(repo.tree.lines(code.path), start=1):
        if len(line) > limit and "http" not in line:
            found.append(Seen(code.path, number, f"a line of {len(line)} characters"))
        if line.startswith("\t") or line != line.rstrip():
            found.append(Seen(code.path, number, "a tab, or space at the end"))
    for one in code.functions:
        if not re.fullmatch(r"_*[a-z0-9_]*(__)?|visit_\w+|do_[A-Z]+|setUp\w*|tearDown\w*", one.node.name):
            found.append(Seen(code.path, one.node.lineno, f"def {one.node.name}: not in lower case"))
    for kind in code.classes:
        if "_" in kind.node.name.strip("_") or kind.node.name.strip("_")[:1].islower():
            found.append(Seen(code.path, kind.node.lineno, f"class {kind.node.name}: not in capital words"))
    found.extend(Seen(code.path, line, what) for line, what in code.faults)
    return found


def typed_documented(repo: Repo) -> Answer:
    """A third of the functions have types, and a third of what is public has a docstring."""
    functions = [(code, one) for code in repo.own for one in code.functions]
    if not functions:
        return no("there are no functions")
    typed = [
        pair
        for pair in functions
        if pair[1].node.returns or any(arg.annotation for arg in pair[1].node.args.args)
    ]
    named: list[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]]
    named = [(one.node.name, one.node) for code in repo.own for one in code.functions]
    named += [(one.node.name, one.node) for code in repo.own for one in code.classes]
    public = [node for name, node in named if not name.startswith("_")]
    told = [node for node in public if ast.get_docstring(node)]
    first = (typed or functions)[0][0].path
    seen = (
        Seen(first, None, f"{len(typed)} of {len(functions)} functions have types"),
        Seen(first, None, f"{len(told)} of {len(public)} public functions and classes have a docstring"),
    )
    if len(typed) * 3 < len(functions):
        return no("fewer than a third of the functions have types", *seen)
    if len(told) * 3 < len(public):
        return no("fewer than a third of what is public has a docstring", *seen)
    return yes(*seen)


def command_line(repo: Repo) -> Answer:
    """A command line that is really made, or scripts of the project that lead to code."""
    found = repo.calls(
        r"typer\.(run|Typer\(\)(\.__call__)?)|typer\.Typer\(\)\.\w+|argparse\.ArgumentParser\(\)\.parse_(known_)?args|fire\.Fire"
        r"|docopt\.docopt|tyro\.cli|jsonargparse\.CLI"
    )
    seen = [seen_call(pair) for pair in found]
    for code in repo.own:
        for one in code.functions:
            for name in one.decorators:
                if re.fullmatch(
                    r"(click\.(command|group)|typer\.Typer\(\)\.command|invoke\.task)(\(\))?", name
                ):
                    seen.append(
                        Seen(code.path, one.node.lineno, f"@{name.replace('()', '')} on {one.node.name}")
                    )
    project = repo.pyproject.get("project")
    scripts = project.get("scripts") if isinstance(project, dict) else None
    for name, target in scripts.items() if isinstance(scripts, dict) else ():
        if repo.module_of(str(target).partition(":")[0]):
            line = line_of(repo.tree.text("pyproject.toml") or "", str(target))
            seen.append(Seen("pyproject.toml", line, f"{name} = {target}"))
    return yes(*seen) if seen else no("no typer, click, argparse or project script is used")


_DIAL = re.compile(
    r"(lr|learning_rate|batch(_?size)?|(n_|num_|max_)?epochs?|seed|dropout|hidden(_\w+)?|weight_decay|optim(izer)?"
    r"|n_estimators|max_depth|momentum|(num_)?(layers|classes)|model(_name)?|max_len\w*)"
)
_LOADS = (
    r"yaml\.\w*load\w*|omegaconf\.OmegaConf\.load|tomllib\.loads?|json\.loads?|hydra\.(main|compose|initialize\w*)(\(\))?"
    r"|configparser\.ConfigParser\(\)\.read|ml_collections\.\w+|dynaconf\.\w+|pydantic_settings\.\w+"
)


def config_files(repo: Repo) -> Answer:
    """A file of settings that holds dials of an experiment, and code that loads such files."""
    if ours := repo.experiments:
        return yes(*ours)
    found = _dials(repo)
    loads = [seen_call(pair) for pair in repo.calls(_LOADS)]
    loads += [
        Seen(code.path, one.node.lineno, "@hydra.main")
        for code in repo.own
        for one in code.functions
        if any(name.startswith("hydra.main") for name in one.decorators)
    ]
    if not found:
        return no("no YAML, TOML or JSON file holds dials such as lr, batch_size or epochs")
    return yes(*found, loads[0]) if loads else no("there are settings, but no code loads them", *found)


def _dials(repo: Repo) -> list[Seen]:
    found = []
    files = {
        path: documents
        for path, documents in repo.yamls.items()
        if not path.startswith((".github/", "mkdocs"))
    }
    for path in repo.tree.named("*.toml", "*.json"):
        if (
            path.rpartition("/")[2] in ("pyproject.toml", "package.json", "package-lock.json")
            or len(files) > 1000
        ):
            continue
        if re.search(r"conf|param|setting|experiment", path):
            text = repo.tree.text(path) or ""
            files[path] = [read_toml(text) if path.endswith(".toml") else read_json(text)]
    for path, documents in files.items():
        for document in documents:
            keys = [
                key for key, value in parts(document) if _DIAL.fullmatch(key.lower()) and value is not None
            ]
            if len(set(keys)) > 1:
                line = line_of(repo.tree.text(path) or "", keys[0])
                found.append(Seen(path, line, ", ".join(list(dict.fromkeys(keys))[:6])))
    return found


def hydra(repo: Repo) -> Answer:
    """`hydra.main` or its compose, with a folder of settings that exists; or Holdfast's own composition."""
    problems = []
    for code in repo.own:
        for one in code.functions:
            for decorator, name in zip(one.decorating, one.decorators, strict=True):
                if name.startswith("hydra.main") and isinstance(decorator, ast.Call):
                    why = _absent_config(repo, code, decorator)
                    seen = Seen(code.path, decorator.lineno, f"@hydra.main on {one.node.name}")
                    if why is None:
                        return yes(seen)
                    problems.append((why, seen))
    if composed := repo.calls(r"hydra\.compose"):
        return yes(*map(seen_call, composed))
    ours = [
        seen_command(one)
        for one in repo.commands
        if one.program == "holdfast"
        and one.args[:1] in (("train",), ("up",))
        and any("=" in word for word in one.args)
    ]
    if ours or repo.experiments:
        return yes(*ours, *repo.experiments)
    return (
        no(problems[0][0], problems[0][1])
        if problems
        else no("no function is under @hydra.main, and nothing is composed")
    )


def _absent_config(repo: Repo, code: Code, decorator: ast.Call) -> str | None:
    """Why the settings that a decorator names are not there."""
    given = {
        word.arg: word.value.value
        for word in decorator.keywords
        if isinstance(word.value, ast.Constant) and isinstance(word.value.value, str)
    }
    path, name = given.get("config_path"), given.get("config_name")
    if path is None or name is None or path.startswith(("/", "pkg://")):
        return None
    file = f"{code.path.rpartition('/')[0]}/{path}/{name.removesuffix('.yaml')}.yaml"
    if not repo.tree.has(file):
        return f"hydra.main names {path}/{name.removesuffix('.yaml')}.yaml, which does not exist"
    return None if read_yaml(repo.tree.text(file) or "") else f"{path}/{name} is empty or damaged"


def profiling(repo: Repo) -> Answer:
    """A profiler that is started."""
    found = [
        seen_call(pair)
        for pair in repo.calls(
            r"(cProfile|profile)\.(Profile|run|runctx)|torch\.(autograd\.)?profiler\.\w+|torch\.autograd\.profiler\.\w+|pyinstrument\.Profiler"
            r"|line_profiler\.\w+|memory_profiler\.\w+|.*Trainer\(\)\.profiler|(\w+\.)*(Simple|Advanced|PyTorch)Profiler|tracemalloc\.start"
        )
    ]
    found += [
        seen_command(one)
        for one in repo.commands
        if one.program in ("cProfile", "kernprof", "py-spy", "scalene", "pyinstrument", "snakeviz")
    ]
    for code in repo.own:
        for call in code.calls:
            if (
                call.name.endswith("Trainer")
                and (option := call.option("profiler")) is not None
                and not _is_none(option)
            ):
                found.append(Seen(code.path, call.line, "Trainer(profiler=…)"))
    return yes(*found) if found else no("no profiler is started")


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and not node.value


def logging(repo: Repo) -> Answer:
    """Lines of a logger, not prints."""
    found = repo.calls(
        r"(logging(\.getLogger\(\))?|loguru\.logger|structlog\.get_logger\(\)|(self\.)?_?log(ger)?)\.(debug|info|warning|error|exception|critical)"
    )
    found = [pair for pair in found if pair[0].imported("logging", "loguru", "structlog")]
    ours = repo.setting("serve.log")
    return (
        yes(*map(seen_call, found), *ours)
        if found or ours
        else no("no line is logged by logging, loguru or structlog")
    )


_LIGHTNING = ("pytorch_lightning", "lightning")


def lightning(repo: Repo) -> Answer:
    """A LightningModule with a training step, and a Trainer that fits."""
    package = r"(pytorch_lightning|lightning(\.pytorch)?)\."
    modules = [
        (code, one)
        for code, one in repo.classes(package + r"(core\.)?(module\.)?LightningModule")
        if any(function.name == f"{one.name}.training_step" for function in code.functions)
    ]
    fits = repo.calls(package + r"(\w+\.)*Trainer\(\)\.fit")
    if repo.calls(package + r"(\w+\.)*Trainer"):  # and a function may have given it
        fits = fits or [pair for pair in repo.calls(r"\w+(\(\))?\.fit") if pair[0].imported(*_LIGHTNING)]
    seen = [Seen(code.path, one.node.lineno, f"class {one.name}(LightningModule)") for code, one in modules]
    if modules and fits:
        return yes(*seen, *map(seen_call, fits))
    absent = (
        "no class is a LightningModule with a training_step"
        if not modules
        else "no Trainer of Lightning fits it"
    )
    return no(absent, *seen, *map(seen_call, fits))

"""The API and what makes it quick: routes, graphs, pages, many processors."""

import ast
import re

from holdfast.checklist.answer import Answer, Seen, no, yes
from holdfast.checklist.code import Call, Code
from holdfast.checklist.probes_code import MODULE
from holdfast.checklist.repo import Repo, seen_call, seen_command
from holdfast.checklist.tree import line_of

_INFERS = re.compile(
    r".*\.(predict|predict_proba|forward|generate|infer)|.*InferenceSession\(\)\.run|.*\b(session|sess)\.run"
    r"|(.*\.)?_?(model|net|classifier|clf|pipe(line)?|learner|predictor|engine)s?"
    r"|.*(\.load|\.pipeline|\.from_pretrained|\.create_model|torchvision\.models\.\w+)\(\)"
)


def api(repo: Repo) -> Answer:
    """A FastAPI application with a route that asks a model, or Holdfast's server."""
    ours = [
        seen_command(one)
        for one in repo.commands
        if one.program == "holdfast" and one.args[:1] in (("serve",), ("up",))
    ]
    if ours:
        return yes(*ours)
    apps = repo.calls(r"fastapi(\.applications)?\.FastAPI")
    if not apps:
        return no("no application of FastAPI is made")
    if not repo.routes:
        return no("there is an application of FastAPI, but it has no routes", *map(seen_call, apps))
    found = [seen for code, function in repo.routes for seen in _asks_model(repo, code, function.name)]
    if found:
        return yes(*found)
    return no(
        "no route of the API asks a model",
        *(Seen(code.path, one.node.lineno, one.name) for code, one in repo.routes),
    )


def _asks_model(repo: Repo, code: Code, function: str) -> list[Seen]:
    for where, call in repo.reached(code, function):
        if _infers(repo, where, call):
            return [Seen(where.path, call.line, f"{function}: {call.name.replace('()', '')}(…)")]
    return []


_NAMED = re.compile(r"_?(\w+_)?(model|net|classifier|clf|pipe|pipeline|learner|predictor)s?", re.IGNORECASE)
_MOVED = re.compile(r"(\.(to|eval|cuda|cpu|half|float|train|bfloat16)\(\))+$")


def _infers(repo: Repo, code: Code, call: Call) -> bool:
    """Whether a call asks a model: by what it is called on, else by its name."""
    target = repo.module_of(call.name) if "." in call.name else code
    if target is not None and call.name.rpartition(".")[2] in {**target.by_name, **target.class_by_name}:
        return False  # a function or a class of the repository, such as `load_model`
    made = _MOVED.sub("", call.name)
    if made.endswith("()"):  # an object is called: what is its class, or its name?
        made = made.removesuffix("()")
        where, last = repo.module_of(made) or code, made.rpartition(".")[2]
        models = repo.shared("models", lambda: {(one.path, kind.name) for one, kind in repo.classes(MODULE)})
        return (where.path, last) in models or bool(
            _INFERS.fullmatch(call.name) or _NAMED.fullmatch(_raw(call))
        )
    return bool(_INFERS.fullmatch(call.name) or _NAMED.fullmatch(_raw(call)))


def _raw(call: Call) -> str:
    """The last part of what is called, as it is written."""
    node: ast.AST = call.node.func
    while isinstance(node, ast.Subscript):
        node = node.value
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def special_server(repo: Repo) -> Answer:
    """A graph of ONNX that is exported or run, or a service of BentoML."""
    found = [
        seen_call(pair)
        for pair in repo.calls(
            r"torch\.onnx\.export|onnxruntime\.InferenceSession|.*\.to_onnx|skl2onnx\.(to_onnx|convert_sklearn)|tf2onnx\.\w+.*"
            r"|bentoml\.(Service|\w+\.save_model|\w+\.load_model)|optimum\.onnxruntime\.\w+.*"
        )
    ]
    for code, one in repo.classes(r".*"):
        found += [
            Seen(code.path, one.node.lineno, f"@bentoml.service on {one.name}")
            for name in one.decorators
            if name.startswith("bentoml.service")
        ]
    for code in repo.own:
        for kind in code.classes:
            if not kind.bases and any(name.startswith("bentoml.service") for name in kind.decorators):
                found.append(Seen(code.path, kind.node.lineno, f"@bentoml.service on {kind.name}"))
    found += [
        seen_command(one)
        for one in repo.commands
        if one.program == "bentoml" and one.args[:1] in (("serve",), ("build",))
    ]
    found += [
        seen_command(one)
        for one in repo.commands
        if one.program == "holdfast" and one.args[:1] in (("serve",), ("train",), ("up",))
    ]
    return (
        yes(*found)
        if found
        else no("nothing is exported to ONNX or run by it, and there is no service of BentoML")
    )


_MOST_PAGES = 500
_WIDGETS = (
    r"streamlit\.(title|write|file_uploader|button|text_input|text_area|selectbox|header|image|slider|form\w*"
    r"|radio|number_input)"
)


def frontend(repo: Repo) -> Answer:
    """A page by Streamlit or Gradio, or one of our own that the API gives out."""
    found = [seen_call(pair) for pair in repo.calls(_WIDGETS)]
    found += [
        seen_call(pair)
        for pair in repo.calls(
            r"gradio\.(Interface|Blocks|ChatInterface)(\(\)\.launch)?|gradio\.mount_gradio_app"
        )
    ]
    if found:
        return yes(*found)
    if given := _pages_given(repo):
        return yes(*given)
    served = repo.calls(
        r"(fastapi|starlette)\.staticfiles\.StaticFiles|(fastapi|starlette)\.responses\.(FileResponse|HTMLResponse)"
    )
    pages = _pages(repo)
    for code, call in served:
        named = [
            arg.value
            for arg in ast.walk(call.node)
            if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
        ]
        for path, seen in pages.items():
            folder = path.rpartition("/")[0]
            if any(
                folder.endswith(name.strip("/")) or path.endswith(name) for name in named if name.strip("/")
            ):
                return yes(seen_call((code, call)), seen)
        if any("<form" in name or "<input" in name for name in named):
            return yes(seen_call((code, call)))
    ours = [
        seen_command(one)
        for one in repo.commands
        if one.program == "holdfast" and one.args[:1] in (("serve",), ("up",))
    ]
    return yes(*ours) if ours else no("no page by Streamlit or Gradio, and the API gives out no page")


_CONTROL = re.compile(r"<(form|input|button|textarea|select|script)\b", re.IGNORECASE)
_ROUTE = re.compile(r".*\.(get|route|api_route)\(\)")
_GIVES = re.compile(
    r"(fastapi|starlette|flask)\.(\w+\.)*(\w*Response|render_template|send_file|send_from_directory)"
    r"|.*\.TemplateResponse"
)


def _pages(repo: Repo) -> dict[str, Seen]:
    """Pages with something to ask or to click, by path: a page of words alone is none for people to use."""
    found = {}
    for path in repo.tree.by_suffix.get(".html", [])[:_MOST_PAGES]:
        control = _CONTROL.search(repo.tree.text(path) or "")
        if control and not path.startswith(("docs/", "site/")):
            line = line_of(repo.tree.text(path) or "", control.group())
            found[path] = Seen(path, line, f"a page with {control.group()}>")
    return found


def _pages_given(repo: Repo) -> list[Seen]:
    """A route that answers with a page of the repository, also by a function that it calls."""
    by_name = {path.rpartition("/")[2]: seen for path, seen in _pages(repo).items()}
    for code in repo.own if by_name else ():
        if not (code.imported("fastapi", "starlette", "flask")):
            continue
        for function in code.functions:
            if not any(_ROUTE.fullmatch(name) for name in function.decorators):
                continue
            calls = repo.reached(code, function.name)
            names = [
                arg.value.rpartition("/")[2]
                for _, call in calls
                for arg in ast.walk(call.node)
                if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
            ]
            page = next((by_name[name] for name in names if name in by_name), None)
            if page and any(_GIVES.fullmatch(call.name) for _, call in calls):
                return [Seen(code.path, function.node.lineno, f"route {function.node.name}"), page]
    return []


def loading(repo: Repo) -> Answer:
    """Batches made by several workers."""
    found = []
    for code, call in repo.calls(r".*DataLoader|transformers\.(\w+\.)*\w*TrainingArguments"):
        maker = call.name.rpartition(".")[2]
        name = "num_workers" if maker == "DataLoader" else "dataloader_num_workers"
        option = call.option(name)
        if option is not None and not (isinstance(option, ast.Constant) and not option.value):
            found.append(Seen(code.path, call.line, f"{maker}({name}={ast.unparse(option)[:40]})"))
    found += [
        seen_call(pair)
        for pair in repo.calls(r"ray\.data\.read_\w+|torch\.utils\.data\.(distributed\.)?DistributedSampler")
    ]
    found += repo.setting("device.workers", "launch.processes")
    return yes(*found) if found else no("no loader has workers (num_workers)")


def distributed(repo: Repo) -> Answer:
    """Training by several processes or devices."""
    found = [
        seen_call(pair)
        for pair in repo.calls(
            r"torch\.nn\.(parallel\.)?DistributedDataParallel|torch\.nn\.DataParallel|torch\.distributed\.(init_process_group|fsdp\..*)"
            r"|ray\.train\.\w+.*|accelerate\.Accelerator|deepspeed\.initialize|horovod\.\w+.*"
        )
    ]
    for code in repo.own:
        for call in code.calls:
            if re.fullmatch(r"(pytorch_lightning|lightning(\.pytorch)?)\.(\w+\.)*Trainer", call.name):
                found += [
                    Seen(code.path, call.line, f"Trainer({name}={ast.unparse(value)[:40]})")
                    for name in ("strategy", "devices", "num_nodes")
                    if (value := call.option(name)) is not None and not _is_single(value)
                ]
    for one in repo.commands:
        if one.program in ("torchrun", "torch.distributed.run", "torch.distributed.launch", "deepspeed") or (
            one.program == "accelerate" and one.args[:1] == ("launch",)
        ):
            found.append(seen_command(one))
    found += [
        seen for seen in repo.setting("launch.processes") if not re.search(r"processes(: |=)1$", seen.what)
    ]
    return yes(*found) if found else no("nothing trains by several processes or devices")


def _is_single(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value in (None, 0, 1, "1", "auto", "single_device")


def faster(repo: Repo) -> Answer:
    """Quantization, compilation or pruning that is called."""
    found = [
        seen_call(pair)
        for pair in repo.calls(
            r"torch\.(ao\.)?quantization\.\w+|torch\.compile|torch\.jit\.(script|trace)|torch\.nn\.utils\.prune\.\w+"
            r"|onnxruntime\.quantization\.\w+|transformers\.BitsAndBytesConfig|torchao\.\w+.*|neural_compressor\.\w+.*|.*\.to_torchscript"
        )
    ]
    found += [
        seen_command(one)
        for one in repo.commands
        if one.program == "holdfast" and one.args[:1] == ("optimize",)
    ]
    return yes(*found) if found else no("nothing is quantized, compiled or pruned")

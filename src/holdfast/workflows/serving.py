"""Serve a registered model, or a bundle in a folder, over HTTP. Needs neither torch nor pyarrow."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from holdfast.bundle import Bundle, check_trusted, open_bundle
from holdfast.config.serve import ServeConfig, quick_settings
from holdfast.core.errors import RefError
from holdfast.core.memory import share_pools
from holdfast.core.refs import parse_ref
from holdfast.core.workspace import Workspace
from holdfast.registry import Registry


def find_bundle(ref: str, workspace: Workspace) -> tuple[str, Bundle]:
    """The bundle that a reference, or the path of a bundle's folder, speaks of; and what to call it."""
    folder = Path(ref or "''")  # nothing is no folder, and not the current one either
    if (folder / "manifest.json").is_file():
        return folder.resolve().name, open_bundle(folder)
    registry = Registry(workspace.models)
    try:
        resolved = registry.resolve(parse_ref(ref))
    except RefError:
        if folder.is_dir():
            open_bundle(folder)  # says what is missing from it
        raise
    return str(resolved), open_bundle(registry.path(resolved))


def finder(
    workspace: Workspace, trusted: Sequence[str] = ()
) -> Callable[[str], tuple[str, Callable[[], Bundle]]]:
    """Looks up what a reference, or a folder, means at the moment, and only then opens it.

    Args:
        workspace: where references are looked up.
        trusted: files of public keys; what none of them has signed is not opened.
    """
    registry = Registry(workspace.models)

    def opened(folder: Path) -> Bundle:
        bundle = open_bundle(folder)
        check_trusted(bundle, trusted)
        return bundle

    def find(ref: str) -> tuple[str, Callable[[], Bundle]]:
        folder = Path(ref)
        if (folder / "manifest.json").is_file():
            return folder.resolve().name, lambda: opened(folder)
        resolved = registry.resolve(parse_ref(ref))
        return str(resolved), lambda: opened(registry.path(resolved))

    return find


def serve_config(
    bundle: Bundle, workspace: Workspace, overrides: Sequence[str] = (), config_file: Path | None = None
) -> ServeConfig:
    """The settings of serving: defaults, the workspace's file and keys, the given file, overrides."""
    config = None if config_file or workspace.settings else quick_settings(overrides)
    if config is None:
        from holdfast.workflows.settings import settings_for

        recipe = bundle.manifest.modality
        config = settings_for(workspace, overrides, config_file, recipe=recipe).config.serve
    if config.keys is None and workspace.keys.exists():
        return config.model_copy(update={"keys": str(workspace.keys)})
    return config


def serve_model(
    ref: str,
    workspace: Workspace,
    *,
    overrides: Sequence[str] = (),
    config_file: Path | None = None,
    others: Sequence[str] = (),
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until interrupted; an alias that moves meanwhile is followed.

    Args:
        ref: a reference, such as `birds@champion`, or the path of a bundle's folder.
        overrides: settings, such as `serve.port=9000`.
        config_file: a YAML file of settings.
        others: more models, by reference or folder.
        on_ready: called with the address once requests are answered.
    """
    from holdfast.serve.engine import Engine

    share_pools()
    name, bundle = find_bundle(ref, workspace)
    config = serve_config(bundle, workspace, overrides, config_file)
    check_trusted(bundle, config.trust)
    find = finder(workspace, config.trust)
    for other in (*others, *filter(None, (config.canary.model, config.shadow.model))):
        find(other)  # what is not there is told before anything is loaded
    with ThreadPoolExecutor(1) as beside:  # the graph is loaded while the app's modules are
        loading = beside.submit(Engine, bundle, threads=config.threads, batch=config.batch)
        from holdfast.serve.app import create_app, run_server

        engine = loading.result()
    app = create_app(engine, config, ref=name, asked=ref, others=others, find=find)
    run_server(app, config, on_ready)

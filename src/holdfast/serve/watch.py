"""Following an alias: when it moves, the new version is loaded, rehearsed, and only then put in service."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from holdfast.bundle import Bundle
from holdfast.config.serve import ServeConfig
from holdfast.core.errors import HoldfastError
from holdfast.core.memory import give_back, use_large_pages
from holdfast.serve.engine import Engine
from holdfast.serve.live import Live
from holdfast.serve.metrics import Phases

Find = Callable[[str], tuple[str, Callable[[], Bundle]]]
"""From a reference to the version that it means now, and a way to open that one's bundle.

Looking is cheap and is done every few seconds; opening reads all of the bundle and checks it.
"""


@dataclass(frozen=True)
class Place:
    """Where a version answers and another can be put.

    Attributes:
        asked: the reference that it follows, such as `birds@champion`.
        live: gives the version that is there.
        put: puts another there.
        refused: versions that are not tried, and why; `follow` adds to it.
    """

    asked: str
    live: Callable[[], Live]
    put: Callable[[Live], None]
    refused: dict[str, str]


async def begin(find: Find, asked: str, config: ServeConfig, phases: Phases | None = None) -> Live:
    """Load what a reference means now, and let it answer its golden samples.

    Raises:
        HoldfastError: if there is no such model, or it cannot be served.
    """
    ref, open_it = await asyncio.to_thread(find, asked)
    engine = await asyncio.to_thread(lambda: Engine(open_it(), threads=config.threads, batch=config.batch))
    live = Live(engine, config, ref)
    try:
        await live.start(phases)
        await asyncio.to_thread(give_back)
        await asyncio.to_thread(use_large_pages)
    except BaseException:
        await live.close()
        engine.close()
        raise
    return live


async def follow(
    place: Place, find: Find, config: ServeConfig, *, phases: Phases | None, tell: Callable[[str], None]
) -> None:
    """Look now and then where a reference points, for ever, and put what it points at in its place.

    A version that cannot be served is told once and left alone, and the old one goes on.

    Args:
        place: where the version answers.
        find: see `Find`.
        config: of the server.
        phases: hears how long the items of requests took.
        tell: takes a line for whoever runs the server.
    """
    lost = False
    while True:
        await asyncio.sleep(config.follow_s)
        try:
            ref, _ = await asyncio.to_thread(find, place.asked)
            if lost:
                tell(f"{place.asked} is found again: {ref}")
            lost = False
        except (HoldfastError, OSError) as error:
            if not lost:
                said = error.message if isinstance(error, HoldfastError) else str(error)
                tell(f"{place.asked} cannot be looked up ({said}); {place.live().ref} goes on")
            lost = True
            continue
        before = place.live().ref
        if ref == before or ref in place.refused:
            continue
        try:
            place.put(await begin(find, place.asked, config, phases))
        except Exception as error:  # of any kind: the version in service must go on
            place.refused[ref] = str(error)
            tell(f"{ref} cannot be served, {before} goes on: {error}")
        else:
            tell(f"{place.asked} is {ref} now, {before} was it before")

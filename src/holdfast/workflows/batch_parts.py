"""A folder of predictions: what is to be predicted, and the parts that are done.

    predictions/
    ├── part-00000.parquet     predictions, with a row for each input
    ├── …
    └── _plan/
        ├── plan.json          of which model, from where, how many inputs a part
        └── inputs.parquet     all inputs; row group n holds those of part n

Names that begin with an underscore or a dot are not data to those who read folders of Parquet files.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow
from pyarrow import parquet

from holdfast.core.errors import DataError
from holdfast.core.files import folder_aside, publish, read_json, room_told, write_bytes, write_json
from holdfast.data.parquets import read_parquet
from holdfast.workflows.batch_inputs import Origin, difference

PLAN, INPUTS = "plan.json", "inputs.parquet"
_FOLDER = "_plan"
_PROTOCOL = 1
_FEWEST, _MOST, _PARTS = 64, 2048, 64


@dataclass(frozen=True)
class Plan:
    """What decides the predictions, fixed when they are begun.

    Attributes:
        folder: of the predictions.
        model: what the model is called.
        bundle: the digest of its bundle.
        batch: how many samples run through the graph together.
        rows: how many inputs there are.
        part_rows: how many of them a part has; the last may have fewer.
        origins: where they are.
    """

    folder: Path
    model: str
    bundle: str
    batch: int
    rows: int
    part_rows: int
    origins: tuple[Origin, ...]

    @property
    def parts(self) -> int:
        """How many parts there are."""
        return -(-self.rows // self.part_rows)

    @property
    def inputs(self) -> Path:
        """The table of the inputs."""
        return self.folder / _FOLDER / INPUTS

    def path(self, part: int) -> Path:
        """The file of a part."""
        return self.folder / f"part-{part:05}.parquet"

    def rows_of(self, part: int) -> int:
        """How many inputs a part has."""
        return min(self.part_rows, self.rows - part * self.part_rows)

    def is_done(self, part: int) -> bool:
        """Whether the file of a part is there, with all its rows."""
        try:
            return bool(parquet.read_metadata(self.path(part)).num_rows == self.rows_of(part))
        except (OSError, pyarrow.ArrowInvalid):
            return False

    def write(self, part: int, table: pyarrow.Table) -> None:
        """Store a part: whole, or not at all."""
        content = io.BytesIO()
        parquet.write_table(table, content, compression="zstd")
        with room_told(self.path(part)):
            write_bytes(self.path(part), content.getvalue())


def part_rows(rows: int) -> int:
    """How many inputs make a part: enough parts for some workers, few enough files, little lost by a kill.

    >>> part_rows(100), part_rows(20_000), part_rows(10_000_000)
    (64, 313, 2048)
    """
    return min(_MOST, max(_FEWEST, -(-rows // _PARTS)))


def begin(
    folder: Path, *, model: str, bundle: str, batch: int, origins: Sequence[Origin], inputs: pyarrow.Table
) -> Plan:
    """The plan of a folder: the one that it has if it is of the same model and inputs, else a new one.

    Call it where no other process predicts into the folder.

    Raises:
        DataError: if the folder holds other predictions, or something else.
    """
    if (folder / _FOLDER).is_dir():
        plan = read_plan(folder)
        _same(plan, model, bundle, origins, inputs)
        return plan
    if found := [path.name for path in folder.iterdir() if not path.name.startswith(".")]:
        raise DataError(
            f"{folder} holds no predictions, but {found[0]!r}",
            hint="name a folder that is empty or not there yet",
        )
    rows = part_rows(len(inputs))
    with room_told(folder), folder_aside(folder) as aside:
        parquet.write_table(inputs, aside / INPUTS, row_group_size=rows, compression="zstd")
        value = {"model": model, "bundle": bundle, "batch": batch, "rows": len(inputs), "part_rows": rows}
        told = {"protocol": _PROTOCOL, **value, "origins": [origin.to_json() for origin in origins]}
        write_json(aside / PLAN, told)
        publish(aside, folder / _FOLDER)
    return read_plan(folder)


def read_plan(folder: Path) -> Plan:
    """The plan that a folder of predictions has.

    Raises:
        DataError: if it is damaged, or of another release.
    """
    path = folder / _FOLDER / PLAN
    try:
        value: dict[str, Any] = read_json(path)
        protocol = value.pop("protocol")
        if protocol != _PROTOCOL:
            raise DataError(
                f"{path} is of protocol {protocol}; this release reads {_PROTOCOL}", hint="name another --out"
            )
        origins = tuple(Origin(**origin) for origin in value.pop("origins"))
        return Plan(folder=folder, origins=origins, **value)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is damaged: {error}", hint="name another --out, or remove the folder"
        ) from error


def _same(plan: Plan, model: str, bundle: str, origins: Sequence[Origin], inputs: pyarrow.Table) -> None:
    hint = "name another --out; or remove that folder to predict all anew"
    if plan.bundle != bundle:
        raise DataError(
            f"{plan.folder} has predictions of {plan.model}, not of {model}"
            + (", whose weights were others then" if plan.model == model else ""),
            hint=hint,
        )
    if plan.origins != tuple(origins):
        raise DataError(
            f"{plan.folder} has predictions of {_told(plan.origins)}, not of {_told(origins)}", hint=hint
        )
    if changes := difference(read_parquet(plan.inputs), inputs):
        raise DataError(f"the inputs are not those that {plan.folder} was begun with: {changes}", hint=hint)


def _told(origins: Sequence[Origin]) -> str:
    return ", ".join(
        f"{origin.ref}:{origin.split}".rstrip(":") if origin.ref else origin.head or "single files"
        for origin in origins
    )

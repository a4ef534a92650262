"""The command that looks for faults in data before a search learns from them."""

from pathlib import Path
from typing import Annotated

import typer

from cytosweep.console import err, out, print_frame, print_json, progress_bars
from cytosweep.sweep_commands import JsonOption
from spaces import AuditSpec


def audit(
    data: Annotated[str, typer.Argument(metavar="DATA", help="Labelled pictures of any source.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="A folder for what is found.")
    ],
    drop: Annotated[
        str, typer.Option(help="Reasons to drop rows for, with commas; others are suspects.")
    ] = ",".join(AuditSpec.drop),
    threshold: Annotated[
        float, typer.Option(help="How sure a wrong label must be to be replaced, 0..1.")
    ] = AuditSpec.threshold,
    seed: Annotated[int, typer.Option(help="Of the models that judge labels, and of the map.")] = 0,
    turned: Annotated[
        bool, typer.Option("--turned", help="Mirrored and turned pictures are duplicates, too.")
    ] = False,
    fast: Annotated[bool, typer.Option("--fast", help="Judge no labels and draw no map.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Find undecodable rows, junk, duplicates and wrong labels; write what to do about each row.

    A sweep applies the manifest that is named in its data.keep.

    Example: cytosweep audit cells.parquet -o audit
    """
    from analysis import audit as audit_source
    from analysis import check_audit_folder, save_audit

    check_audit_folder(output)
    spec = AuditSpec(
        drop=tuple(reason.strip() for reason in drop.split(",") if reason.strip()),
        threshold=threshold,
        seed=seed,
        fast=fast,
        turned=turned,
    )
    with progress_bars() as progress:
        found = audit_source(data, spec, progress=progress)
        save_audit(found, output)
    if as_json:
        print_json(found.summary())
        return
    table = found.frame.groupby(["reason", "verdict"]).size().rename("rows").reset_index()
    print_frame(table)
    for note in found.notes:
        err.print(f"note: {note}", markup=False)
    out.print(
        f"{output}: manifest.parquet, summary.json, audit.html; next: set data.keep to"
        f" {output / 'manifest.parquet'} in the sweep file",
        markup=False,
    )

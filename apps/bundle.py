"""``bci-stream bundle info|verify``."""

from __future__ import annotations

import json
from pathlib import Path

from rich.table import Table

from apps.choice import DEMO_BUNDLE
from apps.console import out, write_line
from bci_stream.errors import BundleCorruptError


def info(path: Path | None, as_json: bool) -> None:
    """Say what a bundle expects and where it comes from."""
    from bci_stream.model.bundle import describe_bundle, load_bundle

    described = describe_bundle(load_bundle(path or DEMO_BUNDLE))
    if as_json:
        write_line(json.dumps(described, default=str))
        return
    table = Table("what", "value", show_header=False)
    for key, value in _flat(described):
        table.add_row(key, value)
    out.print(table)


def verify(path: Path | None, trust: bool, as_json: bool) -> None:
    """Prove a bundle sound, check by check; exit code 2 when one fails."""
    from bci_stream.model.bundle import verify_bundle

    path = path or DEMO_BUNDLE
    checks = verify_bundle(path, trust=trust)
    for check in checks:
        if as_json:
            write_line(json.dumps({"check": check.name, "passed": check.passed, "detail": check.detail}))
        else:
            out.print(f"{'ok    ' if check.passed else 'FAILED'} {check.name}: {check.detail}", markup=False)
    failed = [check.name for check in checks if not check.passed]
    if failed:
        raise BundleCorruptError(f"bundle {path} fails: {', '.join(failed)}; get a fresh copy")


def _flat(value: object, prefix: str = "") -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [row for k, v in value.items() for row in _flat(v, f"{prefix}.{k}" if prefix else str(k))]
    if isinstance(value, list | tuple):
        return [(prefix, ", ".join(str(v) for v in value))]
    return [(prefix, str(value))]

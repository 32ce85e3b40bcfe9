"""``bci-stream profile``: who has a model here, which is active, and how to be forgotten."""

from __future__ import annotations

from json import dumps
from math import inf
from pathlib import Path

from rich.table import Table

from apps.console import err, out, say, write_line
from bci_stream.errors import ConfigError
from calibration.errors import ProfileError
from calibration.profile import Model, Profile, ProfileStore, as_json


def show_all(store: ProfileStore, json: bool) -> None:
    """A line for each person."""
    profiles = [store.load(name) for name in store.names()]
    if json:
        for profile in profiles:
            write_line(as_json(profile))
        return
    if not profiles:
        say(f"no profile in {store.folder} yet: bci-stream calibrate NAME makes one")
        return
    table = Table("name", "electrodes", "models", "active", "last")
    for profile in profiles:
        last = profile.models[-1].created if profile.models else profile.created
        active = "base" if profile.active is None else str(profile.active)
        table.add_row(profile.name, str(len(profile.montage)), str(len(profile.models)), active, last)
    out.print(table)


def show(store: ProfileStore, name: str, json: bool) -> None:
    """One profile, whole."""
    profile = store.load(name)
    if json:
        write_line(as_json(profile))
        return
    say(f"{profile.name}, since {profile.created}, in {store.path(name)}")
    say(f"electrodes: {', '.join(profile.montage) or 'none yet'}")
    out.print(_models(profile))


def _models(profile: Profile) -> Table:
    table = Table("model", "made", "base", "calibrated", "p", "fitted", "from", "")
    for m in profile.models:
        table.add_row(
            str(m.number),
            m.created,
            f"{m.base_accuracy:.0%}",
            f"{m.accuracy:.0%} of {m.n_test}",
            f"{m.p:.3f}",
            m.rung,
            m.base_sha256[:8],
            _said(profile, m),
        )
    return table


def _said(profile: Profile, model: Model) -> str:
    if profile.active == model.number:
        return "active"
    return "" if model.better else "not better"


def activate(store: ProfileStore, name: str, model: str) -> None:
    """Use that model, or ``base``, from now on."""
    if model != "base" and not model.isdigit():
        raise ConfigError(f"{model!r} is no model: give its number, or base")
    profile = store.activate(name, None if model == "base" else int(model))
    say(f"{name}: {'the base model' if profile.active is None else f'model {profile.active}'} is active")


def rollback(store: ProfileStore, name: str) -> None:
    """Use again what was active before."""
    profile = store.rollback(name)
    now = "the base model" if profile.active is None else f"model {profile.active}"
    say(f"{name}: {now} is active again; every model is kept")


def review(store: ProfileStore, name: str, recordings: tuple[Path, ...], json: bool) -> None:
    """Every labelled stretch of a person's recordings, by number, as the next calibration would take it."""
    from calibration.corrections import load_corrections, review

    store.load(name)
    said = load_corrections(store, name)
    table = Table("recording", "trial", "from", "for", "emotion", "")
    for path in recordings or tuple(store.recordings(name)):
        spans = review(path, said.of(path))
        first = min(span.begin for span in spans)
        for number, span in enumerate(spans):
            start_s, length_s = span.begin - first, span.end - span.begin
            if json:
                record = {"recording": str(path), "trial": number, "from_s": start_s, "for_s": length_s}
                whole = {**record, "label": span.label, "note": span.note}
                write_line(dumps({k: v if v == v and v not in (inf,) else None for k, v in whole.items()}))
                continue
            label = span.label or "left out"
            table.add_row(path.name, str(number), f"{start_s:.1f} s", f"{length_s:.1f} s", label, span.note)
    if not json:
        out.print(table)
        say(f"to correct one: bci-stream profile correct {name} RECORDING TRIAL EMOTION, or --drop")


def correct(
    store: ProfileStore, name: str, recording: Path, trial: int, label: str | None, bundle: Path | None
) -> None:
    """Keep what a person says of a stretch."""
    from datetime import UTC, datetime

    from apps.choice import DEMO_BUNDLE
    from bci_stream.model.bundle import load_bundle
    from calibration.corrections import correct

    path = recording if recording.is_file() else store.path(name) / "recordings" / recording.name
    classes = load_bundle(bundle or DEMO_BUNDLE).contract.classes
    created = datetime.now(UTC).isoformat(timespec="seconds")
    correct(store, name, path, trial, label, classes=classes, created=created)
    said = f"was {label}" if label else "is left out"
    say(f"kept: trial {trial} of {path.name} {said}; bci-stream calibrate {name} --refit fits with it")


def export(store: ProfileStore, name: str, file: Path, recordings: bool) -> None:
    """One file, for another computer."""
    say(f"written: {store.export(name, file, recordings=recordings)}")


def import_file(store: ProfileStore, file: Path, name: str | None) -> None:
    """A profile from another computer."""
    profile = store.import_from(file, name)
    say(f"profile {profile.name} with {len(profile.models)} models; their programs are rebuilt here, not run")


def forget(store: ProfileStore, name: str, folders: tuple[Path, ...], yes: bool) -> None:
    """Remove everything of a person, and prove it."""
    if not yes:
        err.print(f"remove profile, models, reports and recordings of {name}? [y/N] ", end="", markup=False)
        if input().strip().casefold() not in ("y", "yes"):
            raise ProfileError("nothing was removed")
    found = store.forget(name, folders)
    if found.left:
        raise ProfileError(
            f"{len(found.left)} files could not be removed, such as {found.left[0]}: close them"
        )
    say(f"removed {len(found.removed)} files of {name}; nothing is left in {store.folder}")

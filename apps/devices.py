"""``bci-stream devices``: which devices are known, and which stream on the network is of which."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from apps.console import out, say, warn, write_line
from apps.live_streams import configure
from bci_stream.devices import Catalogue, DeviceProfile, Match, builtin_profiles, load_catalogue, user_file
from bci_stream.devices.catalogue import with_user_profiles
from bci_stream.errors import ConfigError, StreamError
from bci_stream.messages import AUDIO, EEG, StreamInfo
from bci_stream.sources.binding import Binding, bind_audio, bind_eeg, describe_stream

UNVERIFIED = "unverified"
_RATE_TO_SHOW_HZ = 250.0  # where a header declares none: it is only measured when the stream is bound


@dataclass(frozen=True, slots=True)
class DevicesOptions:
    """The command's options. ``streams``: only the network (True), only the list (False), or both."""

    streams: bool | None
    wait_s: float
    scope: str | None
    session_id: str | None
    as_json: bool


def run(options: DevicesOptions) -> None:
    """List the profiles and match what is on the network."""
    catalogue = load_catalogue()
    if options.streams is not True:
        _list_profiles(catalogue, options.as_json)
    if options.streams is not False:
        configure(options.scope, options.session_id)
        _list_streams(catalogue, options)


def show(name: str, as_json: bool) -> None:
    """One profile whole, as a file of devices holds it."""
    profile = load_catalogue().get(name)
    if as_json:
        write_line(json.dumps({"kind": "profile", **_record(profile)}))
        return
    import yaml

    fields = _record(profile) | {"verified": profile.verified}
    key = fields.pop("name")
    text = yaml.safe_dump(
        {key: fields}, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100
    )
    out.print(text.rstrip(), markup=False)


def check(path: Path, as_json: bool) -> None:
    """Whether a file of profiles could be a user's own. Raises ConfigError with what is wrong."""
    known = {profile.name for profile in builtin_profiles()}
    profiles = with_user_profiles(builtin_profiles(), path)
    own = [profile for profile in profiles if profile.name not in known or profile.replace]
    if as_json:
        write_line(json.dumps({"kind": "check", "file": str(path), "devices": [p.name for p in own]}))
        return
    names = ", ".join(profile.name for profile in own) or "none"
    say(f"{path} is right: {len(own)} of your own ({names}); it is used when it lies at {user_file()}")


def _list_profiles(catalogue: Catalogue, as_json: bool) -> None:
    if as_json:
        for profile in catalogue.profiles:
            write_line(json.dumps({"kind": "profile", **_record(profile)}))
        return
    table = Table("name", "device (program)", "recognised by", "takes", "Hz", "unit", "")
    for profile in catalogue.profiles:
        table.add_row(*(escape(text) for text in _cells(profile)))
    out.print(table, soft_wrap=False)
    n_eeg = sum(profile.role == EEG for profile in catalogue.profiles)
    n_unverified = sum(not profile.verified for profile in catalogue.profiles)
    say(f"{n_eeg} for EEG; {n_unverified} {UNVERIFIED}: from documents, not from a program or a recording")
    say(f"your own go into {user_file()}; one whole: bci-stream devices NAME")


def _cells(profile: DeviceProfile) -> list[str]:
    rates = "/".join(f"{rate:g}" for rate in profile.sfreq)
    electrodes = profile.use or profile.channels
    several = "s" if len(electrodes) > 1 else ""
    takes = f"{len(electrodes)} electrode{several}" if electrodes else "as the header says"
    takes = {"audio": "audio", "none": "no signal"}.get(profile.role, takes)
    mark = "" if profile.verified else UNVERIFIED
    return [profile.name, profile.label, _rule_words(profile), takes, rates, profile.unit or "", mark]


def _rule_words(profile: DeviceProfile) -> str:
    rule = profile.match
    if rule is None:
        return f"--device {profile.name}"
    parts = [
        " | ".join(rule.name),
        " | ".join(rule.type),
        f"id {' | '.join(rule.source_id)}" if rule.source_id else "",
        f"{'/'.join(map(str, rule.channels))} ch" if 0 < len(rule.channels) < 4 else "",
        *(f"{path} {text}" for path, text in rule.desc.items()),
    ]
    return ", ".join(part for part in parts if part)


def _record(profile: DeviceProfile) -> dict[str, Any]:
    record: dict[str, Any] = profile.model_dump(mode="json", exclude_defaults=True)
    return {**record, "role": profile.role, "verified": profile.verified}


def _list_streams(catalogue: Catalogue, options: DevicesOptions) -> None:
    from bci_stream.sources.lsl_discovery import survey_streams

    survey = survey_streams(options.wait_s)
    for refused in survey.refused:
        warn(refused)
    infos = sorted(survey.streams, key=lambda info: (info.name, info.type, info.uid))
    if not infos and (options.streams or not options.as_json):
        say(
            f"no stream answered within {options.wait_s:g} s; "
            "start a device's connector, or `bci-stream simulate`"
        )
    for info in infos:
        match = catalogue.match(info)
        if options.as_json:
            write_line(json.dumps({"kind": "stream", **_stream_record(info, match)}))
        else:
            out.print(_stream_words(info, match), markup=False)


def _stream_record(info: StreamInfo, match: Match | None) -> dict[str, Any]:
    header = {
        name: getattr(info, name) for name in ("name", "type", "n_channels", "sfreq", "source_id", "uid")
    }
    if match is None:
        return {**header, "device": None}
    binding, problem = _bound(info, match)
    return {
        **header,
        "device": match.profile.name,
        "label": match.profile.label,
        "role": match.profile.role,
        "verified": match.profile.verified,
        "reasons": list(match.reasons),
        "electrodes": list(binding.ch_names) if binding is not None else None,
        "notes": list(binding.notes) if binding is not None else [problem] if problem else [],
    }


def _stream_words(info: StreamInfo, match: Match | None) -> str:
    if match is None:
        return f"{describe_stream(info)}\n    no device that is known"
    profile = match.profile
    mark = "" if profile.verified else f" [{UNVERIFIED}]"
    lines = [describe_stream(info), f"    {profile.name}: {profile.label}{mark}, by {match.words}"]
    binding, problem = _bound(info, match)
    if profile.role == "none":
        lines.append("    no signal to decode: not taken")
    if problem:
        lines.append(f"    cannot serve: {problem}")
    if binding is not None:
        lines.append(f"    gives {', '.join(binding.ch_names)}")
        lines += [f"    {note}" for note in binding.notes[1 if binding.role == EEG else 0 :]]
    return "\n".join(lines)


def _bound(info: StreamInfo, match: Match) -> tuple[Binding | None, str]:
    """How the stream would be bound in the role of its profile; or why it could not."""
    rate_hz = None if info.sfreq else _RATE_TO_SHOW_HZ
    try:
        if match.profile.role == EEG:
            return bind_eeg(info, sfreq=rate_hz, match=match), ""
        if match.profile.role == AUDIO:
            return bind_audio(info, rate_hz, match), ""
    except (StreamError, ConfigError) as error:
        return None, str(error)
    return None, ""

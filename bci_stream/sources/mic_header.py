"""A microphone's header, in the words of LSL and of XDF's audio metadata. Pure."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, SubElement, tostring

from bci_stream.messages import StreamInfo
from bci_stream.sources.mic_devices import MicDevice

Tree = dict[str, "str | Tree"]


def description(device: MicDevice, n_channels: int, portaudio: str, stamps: str, latency_s: float) -> Tree:
    """What goes below ``<desc>``, but for the channels: who made the samples, from what, by which clock."""
    return {
        "provider": {"api": portaudio, "host_api": device.host_api, "device": device.name},
        "acquisition": {"manufacturer": "bci_stream", "model": device.name, "type": "microphone"},
        "device": {
            "name": device.name,
            "host_api": device.host_api,
            "source": device.source,
            "channels": str(n_channels),
            "default_srate": f"{device.sfreq:g}",
        },
        "synchronization": {
            "time_source": stamps,
            "offset_mean": f"{latency_s:.6f}",
            "can_drop_samples": "true",
        },
    }


def labels(n_channels: int) -> tuple[str, ...]:
    """Names of the channels."""
    return ("voice",) if n_channels == 1 else tuple(f"voice{i + 1}" for i in range(n_channels))


def source_id(device: MicDevice, hostname: str) -> str:
    """The same for the same microphone on the same computer, so that a recorder finds it again."""
    where = re.sub(r"[^A-Za-z0-9]+", "-", f"{hostname} {device.host_api} {device.source or device.name}")
    return f"bci-stream-mic-{where.strip('-').lower()}"


def stream_info(device: MicDevice, n_channels: int, sfreq: float, hostname: str, tree: Tree) -> StreamInfo:
    """The header of a microphone that is read in this process; its document is as an outlet's would be."""
    names = labels(n_channels)
    root = Element("info")
    own_id = source_id(device, hostname)
    texts = {
        "name": device.name,
        "type": "Audio",
        "channel_count": str(n_channels),
        "nominal_srate": repr(float(sfreq)),
        "channel_format": "float32",
        "source_id": own_id,
        "hostname": hostname,
        "uid": own_id,
    }
    for tag, text in texts.items():
        SubElement(root, tag).text = text
    desc = SubElement(root, "desc")
    channels = SubElement(desc, "channels")
    for name in names:
        channel = SubElement(channels, "channel")
        for tag, text in channel_texts(name).items():
            SubElement(channel, tag).text = text
    _grow(desc, tree)
    return StreamInfo(
        key=own_id,
        name=device.name,
        type="Audio",
        n_channels=n_channels,
        sfreq=sfreq,
        dtype="float32",
        source_id=own_id,
        hostname=hostname,
        uid=own_id,
        ch_names=names,
        ch_units=("normalized",) * n_channels,
        ch_types=("Audio",) * n_channels,
        xml=tostring(root, encoding="unicode"),
    )


def channel_texts(name: str) -> dict[str, str]:
    """What a header says of one channel."""
    return {"label": name, "unit": "normalized", "type": "Audio"}


def _grow(parent: Element, tree: Tree) -> None:
    for tag, value in tree.items():
        child = SubElement(parent, tag)
        if isinstance(value, str):
            child.text = "".join(c for c in value if c.isprintable())
        else:
            _grow(child, value)

"""An LSL header for streams that have none of their own: of files, boards and buffers."""

from __future__ import annotations

from dataclasses import replace
from xml.etree.ElementTree import Element, SubElement, tostring

from bci_stream.messages import StreamInfo


def with_header(info: StreamInfo) -> StreamInfo:
    """The same stream with ``xml`` that says what is known of it, as LSL and XDF spell it."""
    root = Element("info")
    fields = {
        "name": info.name,
        "type": info.type,
        "channel_count": str(info.n_channels),
        "nominal_srate": repr(info.sfreq),
        "channel_format": info.dtype,
        "source_id": info.source_id,
        "hostname": info.hostname,
        "uid": info.uid,
    }
    _add(root, fields)
    channels = SubElement(SubElement(root, "desc"), "channels")
    blank = ("",) * len(info.ch_names)
    for label, unit, kind in zip(info.ch_names, info.ch_units or blank, info.ch_types or blank, strict=True):
        _add(SubElement(channels, "channel"), {"label": label, "unit": unit, "type": kind})
    return replace(info, xml=tostring(root, encoding="unicode"))


def _add(parent: Element, texts: dict[str, str]) -> None:
    for tag, text in texts.items():
        SubElement(parent, tag).text = "".join(c for c in text if c.isprintable())

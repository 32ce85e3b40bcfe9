"""An LSL outlet of markers of our own: for stimulus programs, recorders, and whoever follows a session."""

from __future__ import annotations

from bci_stream.errors import StreamError


class MarkerOutlet:
    """One string channel of type ``Markers``, stamped by whoever sends.

    Raises:
        StreamError: liblsl could not open it.
    """

    def __init__(self, name: str, source_id: str) -> None:
        import pylsl

        info = pylsl.StreamInfo(name, "Markers", 1, pylsl.IRREGULAR_RATE, pylsl.cf_string, source_id)
        info.desc().append_child("acquisition").append_child_value("manufacturer", "bci_stream")
        try:
            self._outlet: pylsl.StreamOutlet | None = pylsl.StreamOutlet(info)
        except RuntimeError as error:
            raise StreamError(f"liblsl could not open the outlet {name!r} ({error})") from error

    def send(self, label: str, t_s: float) -> None:
        """Push one marker, stamped ``t_s`` on the local LSL clock."""
        if self._outlet is not None:
            self._outlet.push_sample([label], t_s)

    def close(self) -> None:
        """Take the stream off the network."""
        self._outlet = None

"""Profiles of headsets, amplifiers and audio outlets: how to recognise their streams, what is true of them.

``devices.yaml`` at the top of the repository holds them; a user's own go into the configuration folder.
"""

from bci_stream.devices.catalogue import (
    NO_DEVICES,
    Catalogue,
    builtin_profiles,
    load_catalogue,
    read_profiles,
    user_file,
)
from bci_stream.devices.matching import Match, match_profile
from bci_stream.devices.profile import DeviceProfile, MatchRule

__all__ = [
    "NO_DEVICES",
    "Catalogue",
    "DeviceProfile",
    "Match",
    "MatchRule",
    "builtin_profiles",
    "load_catalogue",
    "match_profile",
    "read_profiles",
    "user_file",
]

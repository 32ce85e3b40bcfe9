"""What each connector really publishes: headers as read in their sources and in recordings of them.

Written from what is known of the connectors, not from ``devices.yaml``: that the two agree is what is tested.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pylsl


def names(text):
    return tuple(text.split())


MUSE = ("TP9", "AF7", "AF8", "TP10")
CYTON = ("Fp1", "Fp2", "C3", "C4", "P7", "P8", "O1", "O2")
DAISY = (*CYTON, "F7", "F8", "F3", "F4", "T7", "T8", "P3", "P4")
EPOC = ("AF3", "F7", "F3", "FC5", "T7", "P7", "O1", "O2", "P8", "T8", "FC6", "F4", "F8", "AF4")
INSIGHT = ("AF3", "T7", "Pz", "T8", "AF4")
UNICORN = ("Fz", "C3", "Cz", "C4", "Pz", "PO7", "Oz", "PO8")
SMARTING = names("Fp1 Fp2 F3 F4 C3 C4 P3 P4 O1 O2 F7 F8 T7 T8 P7 P8 Fz Cz Pz AFz CPz POz M1 M2")
EAV = names(
    "Fp1 Fp2 F7 F3 Fz F4 F8 FC5 FC1 FC2 FC6 T7 C3 Cz C4 T8 CP5 CP1 CP2 CP6 P7 P3 Pz P4 P8 PO9 O1 Oz O2 PO10"
)
DSI_24 = names("P3 C3 F3 Fz F4 C4 P4 Cz A1 Fp1 Fp2 T3 T5 O1 O2 F7 F8 A2 T6 T4 TRG")
EMOTIV_FIRST = ("Timestamp", "Counter", "Interpolate")
EMOTIV_LAST = ("HardwareMarker", "Markers")
UV = "microvolts"


@dataclass(frozen=True)
class Outlet:
    """A header, and what must come of it.

    ``device``: the profile that must be found, None: none. ``electrodes``: what must be delivered, () where
    the role is not EEG. ``scale``: µV per unit. ``role``: what it may serve as.
    """

    device: str | None
    name: str
    type: str
    n: int
    sfreq: float
    source_id: str = ""
    dtype: str = "float32"
    labels: tuple[str, ...] = ()
    unit: str | tuple[str, ...] = ""
    kind: str | tuple[str, ...] = ""
    label_tag: str = "label"
    wrapped: bool = True
    desc: dict[str, str] = field(default_factory=dict)
    per_channel: dict[str, str] = field(default_factory=dict)
    electrodes: tuple[str, ...] = ()
    scale: float = 1.0
    role: str = "eeg"

    def header(self) -> pylsl.StreamInfo:
        info = pylsl.StreamInfo(self.name, self.type, self.n, self.sfreq, self.dtype, self.source_id)
        for path, text in self.desc.items():
            *above, last = path.split("/")
            node = info.desc()
            for tag in above:
                node = node.child(tag) if not node.child(tag).empty() else node.append_child(tag)
            node.append_child_value(last, text)
        if self.labels:
            self._channels(info.desc())
        return info

    def _channels(self, desc):
        assert len(self.labels) == self.n, self.name
        parent = desc.append_child("channels") if self.wrapped else desc
        for i, label in enumerate(self.labels):
            channel = parent.append_child("channel").append_child_value(self.label_tag, label)
            for tag, texts in (("unit", self.unit), ("type", self.kind)):
                text = texts if isinstance(texts, str) else texts[i]
                if text:
                    channel.append_child_value(tag, text)
            for tag, text in self.per_channel.items():
                channel.append_child_value(tag, text)


def gui(name, n, sfreq, device, electrodes=(), role="eeg", kind="EEG"):
    """A stream of the OpenBCI GUI: user's name and type, no description, one id for all of them."""
    return Outlet(device, name, kind, n, sfreq, "openbcigui", electrodes=electrodes, role=role)


def numbered(n, prefix="ch", first=1):
    return tuple(f"{prefix}{i + first}" for i in range(n))


MAC = "00:55:DA:B7:E8:C3"
MUSE_DESC = {"manufacturer": "Muse"}
MUSES = [
    Outlet(
        "muse-lsl", "Muse", "EEG", 5, 256, f"Muse{MAC}", labels=(*MUSE, "Right AUX"), unit=UV, kind="EEG",
        desc=MUSE_DESC, electrodes=MUSE,
    ),
    Outlet(
        "muse-athena", "Muse", "EEG", 4, 256, f"Muse{MAC}", labels=MUSE, unit=UV, kind="EEG", desc=MUSE_DESC,
        electrodes=MUSE,
    ),
    Outlet(
        "muselsl2", "Muse", "EEG", 5, 256, f"Muse_{MAC}", labels=(*MUSE, "AUX_RIGHT"), unit=UV, kind="eeg",
        desc=MUSE_DESC, electrodes=MUSE,
    ),
    Outlet(
        "muselsl2", "Muse", "EEG", 5, 256, f"Muse_{MAC}", labels=(*MUSE, "AUX"), unit=UV, electrodes=MUSE,
    ),
    Outlet("muse-other", "Muse", "EEG", 4, 256, "sim", electrodes=MUSE),
    Outlet(
        "openmuse", f"Muse-EEG ({MAC})", "EEG", 4, 256, f"{MAC}_eeg", labels=tuple(f"EEG_{e}" for e in MUSE),
        electrodes=MUSE,
    ),
    Outlet(
        "openmuse", f"Muse-EEG ({MAC})", "EEG", 8, 256, f"{MAC}_eeg",
        labels=(*(f"EEG_{e}" for e in MUSE), *numbered(4, "AUX_")), electrodes=MUSE,
    ),
    Outlet(
        "bluemuse", f"Muse-1A2B ({MAC}) EEG", "EEG", 5, 256, "BlueMuse, Version=3.1.0.0",
        labels=(*MUSE, "Right AUX"), unit=UV, electrodes=MUSE,
    ),
    Outlet(
        "bluemuse", f"MuseS-77AA ({MAC}) EEG", "EEG", 6, 256, "BlueMuse, Version=3.1.0.0", "double64",
        labels=(*MUSE, "Secondary Timestamp (Base)", "Secondary Timestamp (Remainder)"), unit=UV,
        electrodes=MUSE,
    ),
    Outlet("petal", "PetalMetrics_EEG", "EEG", 4, 256, labels=MUSE, unit=UV, electrodes=MUSE),
    Outlet("petal-old", "PetalStream_eeg", "EEG", 5, 256, electrodes=MUSE),
    Outlet("mind-monitor", "muse_eeg", "EEG", 8, 0, electrodes=MUSE),
]  # fmt: skip

OPENBCI = [
    gui("obci_eeg1", 8, 250, "openbci-cyton", CYTON),
    gui("time_series_raw1", 8, 250, "openbci-cyton", CYTON, kind="Raw"),
    gui("butfilt", 8, 1000, "openbci-cyton", CYTON),
    gui("obci_eeg1", 16, 125, "openbci-daisy", DAISY),
    gui("obci_eeg1", 16, 1000, "openbci-daisy", DAISY),
    gui("obci_eeg1", 4, 200, "openbci-ganglion", numbered(4)),
    gui("obci_eeg1", 4, 1600, "openbci-ganglion", numbered(4)),
    gui("obci_eeg2", 125, 250, "openbci-gui-spectrum", role="none"),
    gui("obci_eeg3", 6, 250, "openbci-gui-spectrum", role="none"),
    gui("obci_eeg3", 5, 250, "openbci-gui-spectrum", role="none"),
    gui("obci_eeg3", 1, 250, "openbci-gui-spectrum", role="none"),
    gui("obci_eeg1", 16, 250, "openbci-gui-other", numbered(16)),
    Outlet(
        "openbci-lsl", "openbci_eeg", "EEG", 8, 250, "4711", unit=UV, electrodes=CYTON,
        labels=("Fp1", "Fp2", "C3", "C4", "T5", "T6", "O1", "O2"),
    ),
    Outlet(
        "openbci-lsl-daisy", "openbci_eeg", "EEG", 16, 125, "815", unit=UV, electrodes=DAISY,
        labels=names("Fp1 Fp2 C3 C4 T5 T6 O1 O2 F7 F8 F3 F4 T3 T4 P3 P4"),
    ),
    Outlet("pyopenbci", "OpenBCIEEG", "EEG", 8, 250, "OpenBCItestEEG", electrodes=CYTON),
    Outlet("pyopenbci-daisy", "OpenBCIEEG", "EEG", 16, 250, "OpenBCItestEEG", electrodes=DAISY),
]  # fmt: skip

EMOTIV = [
    Outlet(
        "emotiv-epoc", "EmotivDataStream-EEG", "EEG", 19, 256, dtype="double64",
        labels=(*EMOTIV_FIRST, *EPOC, *EMOTIV_LAST), electrodes=EPOC,
    ),
    Outlet(
        "emotiv-epoc", "EmotivDataStream-EEG", "EEG", 18, 128,
        labels=(*EMOTIV_FIRST, *EPOC, "HardwareMarker"), electrodes=EPOC,
    ),
    Outlet(
        "emotiv-insight", "EmotivDataStream-EEG", "EEG", 10, 128,
        labels=(*EMOTIV_FIRST, *INSIGHT, *EMOTIV_LAST), electrodes=INSIGHT,
    ),
    Outlet(
        "emotiv-other", "EmotivDataStream-EEG", "EEG", 9, 128,
        labels=(*EMOTIV_FIRST, "Cz", "Fz", "Pz", "Oz", *EMOTIV_LAST)[:9], electrodes=("Cz", "Fz", "Pz", "Oz"),
    ),
    Outlet("epoc-x", "Epoc X", "EEG", 14, 256, labels=EPOC, unit=UV, kind="EEG", electrodes=EPOC),
    Outlet("epoc-plus", "Epoc+", "EEG", 14, 128, labels=EPOC, unit=UV, kind="EEG", electrodes=EPOC),
    Outlet("epoc-beside", "Epoc X Motion", "SIGNAL", 6, 64, role="none"),
    Outlet("epoc-beside", "Epoc X eQuality", "Raw", 14, 2, labels=EPOC, role="none"),
]  # fmt: skip

SERIAL = "UN-2019.05.51"
GTEC = {"acquisition/manufacturer": "g.Tec", "acquisition/model": "NA-2014.07.10"}
NAUTILUS = (
    "Fz",
    "Cz",
    "Oz",
    "ACC X",
    "ACC Y",
    "ACC Z",
    "Counter",
    "Link Quality",
    "Battery Level",
    "Digital IOs",
)
NAUTILUS_KINDS = (
    *["EEG"] * 3,
    *["Accelerometer"] * 3,
    "Counter",
    "LinkQuality",
    "BatteryLevel",
    "DigitalIOs",
)
NAUTILUS_UNITS = (*["uV"] * 3, "g", "g", "g", "samples", "unknown", "unknown", "unknown")
G_TEC = [
    Outlet("unicorn", f"{SERIAL}_EEG", "EEG", 8, 250, SERIAL, electrodes=UNICORN),
    Outlet("unicorn", "mine_EEG", "EEG", 8, 250, SERIAL, electrodes=UNICORN),
    Outlet("unicorn-all", SERIAL, "Data", 17, 250, SERIAL, electrodes=UNICORN),
    Outlet(None, f"{SERIAL}_ACC", "ACC", 3, 250, SERIAL, role="none"),
    Outlet(None, f"{SERIAL}_GYR", "GYR", 3, 250, SERIAL, role="none"),
    Outlet(None, f"{SERIAL}_CNT", "CNT", 1, 250, SERIAL, role="none"),
    Outlet(
        "gnautilus", "NA-2014.07.10", "EEG", 10, 250, "NA-2014.07.10", labels=NAUTILUS, unit=NAUTILUS_UNITS,
        kind=NAUTILUS_KINDS, desc=GTEC, electrodes=("Fz", "Cz", "Oz"),
    ),
    Outlet(
        "gtec", "HA-2012.01.01", "EEG", 4, 512, "HA-2012.01.01", labels=("Fz", "Cz", "Oz", "Digital IOs"),
        unit=("uV", "uV", "uV", "unknown"), kind=("EEG", "EEG", "EEG", "DigitalIOs"), desc=GTEC,
        electrodes=("Fz", "Cz", "Oz"),
    ),
    Outlet(
        "gusbamp", "g.USBamp-2", "EEG", 3, 512, "UB-2008.05.01", labels=("C3", "Cz", "C4"), unit=UV,
        electrodes=("C3", "Cz", "C4"),
    ),
]  # fmt: skip

LIVEAMP = (
    "1",
    "2",
    "3",
    "AUX1",
    "ACC_X",
    "ACC_Y",
    "ACC_Z",
    "SampleCounter",
    "DeviceTrigger",
    "STETriggerIn",
    "STESync",
)
LIVEAMP_KINDS = (*["EEG"] * 3, "AUX", *["ACC"] * 3, "SampleCounter", *["Trigger"] * 3)
LIVEAMP_UNITS = (*[UV] * 4, *["milliGs"] * 3, "", "integer", "integer", "integer")
BRAIN_PRODUCTS = [
    Outlet(
        "liveamp", "LiveAmpSN-054211-0207", "EEG", 11, 500, "LiveAmpSN-054211-0207", labels=LIVEAMP,
        unit=LIVEAMP_UNITS, kind=LIVEAMP_KINDS, electrodes=("1", "2", "3"),
    ),
    Outlet(
        "actichamp", "actiCHamp-17010014", "EEG", 4, 1000, "17010014",
        labels=("Fz", "Cz", "AUX1", "SampleCounter"), unit=UV,
        kind=("EEG", "EEG", "AUX", "SampleCounter"), electrodes=("Fz", "Cz"),
    ),
    Outlet(
        "actichamp", "ActiChamp-0", "EEG", 3, 500, "ActiChamp_0_500", labels=("Fz", "Cz", "Pz"), unit=UV,
        electrodes=("Fz", "Cz", "Pz"),
    ),
    Outlet(
        "actichamp-eav", "actiCHamp-17010014", "EEG", 30, 500, "17010014", labels=EAV, unit=UV,
        kind="EEG", electrodes=EAV,
    ),
    Outlet(
        "actichamp-eav", "actiCHamp-17010014", "EEG", 30, 500, "17010014", labels=numbered(30, ""), unit=UV,
        electrodes=EAV,
    ),
    Outlet(
        "brainamp", "BrainAmpSeries", "EEG", 3, 500, "BrainAmpSeries_SR-500",
        labels=("Fz", "Cz", "triggerStream"), unit=(UV, UV, "code"),
        kind=("EEG", "EEG", "AUX"), electrodes=("Fz", "Cz"),
    ),
    Outlet(
        "brainamp", "BrainAmpSeries", "EEG", 2, 500, "BrainAmpSeries_SR-500", "int16", labels=("Fz", "Cz"),
        unit="INT_16", kind="EEG", per_channel={"scalingfactor": "0.5"}, electrodes=("Fz", "Cz"), scale=0.5,
    ),
    Outlet(
        "brainamp", "BrainAmpSeries-Dev_1", "EEG", 2, 5000, "BrainAmpSeries-Dev_1_SR-5000", "int16",
        labels=("Fz", "Cz"), unit=UV, kind="EEG", per_channel={"scaling_factor": "0.100000"},
        electrodes=("Fz", "Cz"), scale=0.1,
    ),
    Outlet(
        "brainvision-rda", "BrainVision RDA", "EEG", 3, 500, "RDA 127.0.0.1", labels=("Fz", "Cz", "MkIdx"),
        unit=(UV, UV, "Counts (decimal)"), electrodes=("Fz", "Cz"),
    ),
]  # fmt: skip

WEARABLE = {"manufacturer": "WearableSensing", "reference/label": "A1A2"}
OTHERS = [
    Outlet(
        "dsi-7", "WS-default", "EEG", 8, 300, "pHqghUmeaYlNlfdX", unit=UV, kind="EEG", desc=WEARABLE,
        labels=("S2", "F4", "C4", "S3", "S1", "C3", "F3", "TRG"),
        electrodes=("S2", "F4", "C4", "S3", "S1", "C3", "F3"),
    ),
    Outlet(
        "dsi-24", "my DSI", "EEG", 21, 300, "qXvBnTeRtZuIoPaS", labels=DSI_24, unit=UV, kind="EEG",
        desc=WEARABLE, electrodes=names("P3 C3 F3 Fz F4 C4 P4 Cz A1 Fp1 Fp2 T7 P7 O1 O2 F7 F8 A2 P8 T8"),
    ),
    Outlet(
        "dsi", "WS-default", "EEG", 4, 300, "aaaa", labels=("Pz", "Oz", "Fz", "TRG"), unit=UV, kind="EEG",
        desc=WEARABLE, electrodes=("Pz", "Oz", "Fz"),
    ),
    Outlet(
        "eego", "eegoSports 000477", "EEG", 8, 512, "eegoSports_000477", labels=numbered(8, "Ch", 0), unit=UV,
        kind="EEG", desc={"acquisition/manufacturer": "antneuro", "acquisition/serial_number": "000477"},
        electrodes=numbered(8, "Ch", 0),
    ),
    Outlet(
        "biosemi", "BioSemi", "EEG", 5, 512, "labpc", labels=("Fz", "Cz", "Pz", "EX1", "Trigger"), unit=UV,
        desc={"reference/label": "CMS/DRL", "reference/subtracted": "No"}, electrodes=("Fz", "Cz", "Pz"),
    ),
    Outlet(
        "smarting", "SMARTING", "EEG", 27, 500, electrodes=SMARTING,
        labels=(*SMARTING, "Gyro1", "Gyro2", "Gyro3"),
    ),
    Outlet("smarting", "SMARTING", "EEG", 27, 500, electrodes=SMARTING),
    Outlet(
        "cognionics", "Cognionics", "EEG", 3, 500, "Cognionics_CCOM7", labels=("Fz", "Cz", "ACC-X"), unit=UV,
        electrodes=("Fz", "Cz"),
    ),
    Outlet(
        "cgx", "CGX Quick-20m", "EEG", 4, 500, labels=("Fz", "Cz", "ACC-X", "Packet Counter"), unit=UV,
        electrodes=("Fz", "Cz"),
    ),
    Outlet(
        "mindwave", "Mindwave", "Gaze", 4, 0, "a6d5", "double64", kind="EEG",
        labels=("poorSignalLevel", "attention", "meditation", "rawEeg"),
        unit=("a.u.", "a.u.", "a.u.", UV), electrodes=("rawEeg",),
    ),
    Outlet(
        "enobio-nic2", "LSLOutletStreamName-EEG", "EEG", 8, 500, labels=numbered(8, "channel"),
        label_tag="name", wrapped=False, electrodes=numbered(8, "channel"), scale=1e-3,
    ),
    Outlet(
        "enobio-nic2", "lab-EEG", "EEG", 8, 500, labels=numbered(8, "channel"), label_tag="name",
        wrapped=False, unit="nV", electrodes=numbered(8, "channel"), scale=1e-3,
    ),
    Outlet(None, "LSLOutletStreamName-Quality", "Quality", 8, 1, role="none"),
    Outlet("enobio-old", "Enobio", "EEG", 8, 250, "Enobio_5y45ys", electrodes=numbered(8)),
    Outlet(
        "mentalab", "Explore_844A_ExG", "ExG", 4, 250, "Explore_844A_ExG", labels=numbered(4),
        label_tag="name", unit="uV", electrodes=numbered(4),
    ),
    Outlet(None, "Explore_844A_ORN", "ORN", 9, 20, "Explore_844A_ORN", role="none"),
    Outlet("idun", "IDUN", "EEG", 1, 250, "DD:EE:FF:00:11:22", electrodes=("IDUN_0",)),
    Outlet("bitalino", "BITalino", "EEG", 2, 1000, "BITalino_5160_EEG", electrodes=numbered(2)),
    Outlet(
        "mne-lsl-player", "replay", "eeg", 2, 160, "MNE-LSL", "double64", labels=("Oz", "Cz"), unit="0",
        kind="eeg", electrodes=("Oz", "Cz"), scale=1e6,
    ),
    Outlet(None, "obci", "EEG", 2, 250, labels=("Fz", "Cz"), unit=UV, electrodes=("Fz", "Cz")),
    Outlet(None, "BioSemi", "EEG", 8, 100, "myuid34234", electrodes=numbered(8)),  # liblsl's SendData example
]  # fmt: skip

OURS = {"acquisition/manufacturer": "bci_stream"}
AUDIO = [
    Outlet(
        "bci-stream-mic", "Microphone", "Audio", 1, 16000, "bci-stream-mic-lab-alsa-default",
        labels=("voice",), unit="normalized", kind="Audio",
        desc=OURS | {"acquisition/type": "microphone"}, role="audio",
    ),
    Outlet(
        "bci-stream-voice", "SimAudio", "Audio", 1, 16000, "Sim-audio", labels=("voice",), unit="normalized",
        kind="Audio", desc=OURS | {"acquisition/model": "simulator"}, role="audio",
    ),
    Outlet(
        "audiocapture", "MyAudioStream", "Audio", 2, 44100, "labpc", "int16",
        desc={"provider/api": "QtMultimedia", "device": "Built-in"}, role="audio",
    ),
    Outlet(
        "audiocapture-other", "MyAudioStream", "Audio", 1, 48000, "labpc", "int8",
        desc={"provider/api": "QtMultimedia", "device": "Built-in"}, role="audio",
    ),
    Outlet("audiocapturewin", "AudioCaptureWin", "Audio", 1, 44100, "", "float32", role="audio"),
]  # fmt: skip

PUBLISHED = [*MUSES, *OPENBCI, *EMOTIV, *G_TEC, *BRAIN_PRODUCTS, *OTHERS, *AUDIO]

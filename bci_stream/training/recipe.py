"""What is trained and how, in one frozen value: the contract of a bundle and the config of a run."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from bci_stream.errors import ConfigError
from bci_stream.messages import AUDIO, EEG
from bci_stream.model.contract import (
    Architecture,
    AudioContract,
    Contract,
    EegContract,
)
from bci_stream.model.eeg_fronts import EEG_FRONTS
from bci_stream.model.fusion import FUSION_MODES
from bci_stream.training.augment import Augmentation
from bci_stream.training.batches import DrawSettings
from bci_stream.training.fit import FitSettings

MAX_BYTES: Final = 2**20
N_TAPS: Final = {"learned": 63, "bandpower": 125}  # half a second; a whole one, to part delta from theta


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides a network but for the data and the split.

    ``modalities``: "eeg", "audio" or both. ``front``: of the EEG. ``aligned``: Euclidean alignment.
    ``normalized``: running normalisation of band powers and of the voice.
    """

    modalities: tuple[str, ...] = (EEG, AUDIO)
    fusion: str = "concat"
    front: str = "bandpower"
    window_s: float = 5.0
    aligned: bool = True
    normalized: bool = True
    dropout: float = 0.3
    audio_dropout: float = 0.2
    hidden: int = 256
    fit: FitSettings = field(default_factory=FitSettings)

    def __post_init__(self) -> None:
        """Refuse what cannot be built, by name."""
        _one_of("fusion mode", self.fusion, FUSION_MODES)
        _one_of("EEG front end", self.front, EEG_FRONTS)
        if not self.modalities or not set(self.modalities) <= {EEG, AUDIO}:
            raise ConfigError(f"modalities {', '.join(self.modalities) or 'none'}: use eeg, audio or both")

    @property
    def seed(self) -> int:
        """Of the start, the batches and the dropout."""
        return self.fit.seed

    def seeded(self, seed: int) -> Recipe:
        """The same with another seed everywhere."""
        draw = replace(self.fit.draw, seed=seed)
        return replace(self, fit=replace(self.fit, seed=seed, draw=draw))

    def contract(self, classes: tuple[str, ...], ch_names: tuple[str, ...]) -> Contract:
        """What the network will expect of streams."""
        running = "running" if self.normalized else "none"
        return Contract.model_validate(
            {
                "classes": classes,
                "eeg": EegContract.model_validate(
                    {
                        "channels": ch_names or ("Cz",),
                        "highpass_hz": 0.5,
                        "alignment": "euclidean" if self.aligned else "none",
                        "normalization": running if self.front == "bandpower" else "none",
                    }
                ),
                "audio": AudioContract.model_validate({"normalization": running}),
                "modalities": self.modalities,
                "fusion": self.fusion if len(self.modalities) > 1 else "late",  # its own head answers
                "window_s": self.window_s,
                "architecture": Architecture.model_validate(
                    {
                        "eeg_front": self.front,
                        "n_taps": N_TAPS[self.front],
                        "dropout": self.dropout,
                        "audio_dropout": self.audio_dropout,
                        "hidden": self.hidden,
                    }
                ),
            }
        )

    def as_dict(self) -> dict[str, Any]:
        """For ``config.json``."""
        return asdict(self)

    def fingerprint(self, *more: str) -> str:
        """Hash of the recipe and of whatever else decides a result."""
        return hashlib.sha256(json.dumps([self.as_dict(), *more], sort_keys=True).encode()).hexdigest()


def recipe_from_dict(found: dict[str, Any]) -> Recipe:
    """The inverse of :meth:`Recipe.as_dict`.

    Raises:
        ConfigError: a field is unknown or missing.
    """
    try:
        draw = dict(found["fit"]["draw"])
        draw["augmentation"] = Augmentation(**draw["augmentation"])
        fit = FitSettings(**{**found["fit"], "draw": DrawSettings(**draw)})
        return Recipe(**{**found, "modalities": tuple(found["modalities"]), "fit": fit})
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(
            f"the recipe cannot be read ({reason}); it was made by another version, or is none"
        ) from error


def read_recipe(path: Path) -> Recipe:
    """The recipe that a sweep wrote.

    Raises:
        ConfigError: it cannot be read, or is no recipe.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"--recipe {path} has over {MAX_BYTES} bytes; give the recipe.json of a sweep")
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"--recipe {path} cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"--recipe {path} is not JSON; give the recipe.json of a sweep") from error
    if not isinstance(found, dict):
        raise ConfigError(f"--recipe {path} holds no recipe; give the recipe.json of a sweep")
    return recipe_from_dict(found)


def _one_of(what: str, found: str, known: tuple[str, ...]) -> None:
    if found not in known:
        raise ConfigError(f"{what} {found!r} is not known; choose one of {', '.join(known)}")

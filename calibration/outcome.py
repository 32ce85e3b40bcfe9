"""From a person's recordings to a model in their profile: the one way, whichever face asked for it.

The bundle, the report and the profile's entry are written whole or not at all. Equal recordings, base and
settings give equal weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import safetensors.torch

from bci_stream.messages import EEG
from bci_stream.model.archive import sha256_hex
from bci_stream.model.bundle import Bundle, export_bundle, load_bundle
from bci_stream.model.contract import Contract, Training
from bci_stream.model.network import FusionNetwork
from bci_stream.training.evaluate import main_pattern
from bci_stream.training.folders import new_folder
from bci_stream.training.sessions import Session, data_sha256
from calibration.corrections import load_corrections
from calibration.drift import as_bytes, reference_of
from calibration.errors import CalibrationError, ProfileError, TooFewTrialsError
from calibration.finetune import Calibrated, FinetuneSettings, Report, Watch, calibrate
from calibration.ladder import Cancelled, never
from calibration.profile import NORMAL_FILE, Model, Profile, ProfileStore
from calibration.report import write_report
from calibration.trials import PersonTrials, read_trials
from calibration.verdict import answers_of, confidences


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What came of it: the profile as it is now, its new model, the report's folder."""

    profile: Profile
    model: Model
    report: Path
    calibrated: Calibrated
    left_out: tuple[str, ...]


def calibrate_person(
    store: ProfileStore,
    name: str,
    base: Bundle,
    recordings: Sequence[Path],
    *,
    created: str,
    device: str = "",
    later: Sequence[Path] = (),
    settings: FinetuneSettings = FinetuneSettings(),
    report: Report = lambda what, share: None,
    watch: Watch = lambda tried: None,
    cancelled: Cancelled = never,
) -> Outcome:
    """Fit the base to these recordings and keep the outcome in the person's profile.

    ``created``: ISO 8601, the time that the report bears. ``later``: recordings to test on; without them the
    last trials test. The model becomes active only if it is better.

    Raises:
        CalibrationError: the recordings do not serve, or it was cancelled.
        ProfileError: the profile cannot be written, or is of another montage.
    """
    contract = base.contract
    report("cutting the trials", 0.0)
    said = load_corrections(store, name)
    trials = read_trials(recordings, name, contract, said.of)
    profile = store.create(name, created, device, trials.ch_names)
    if profile.montage and trials.ch_names and profile.montage != trials.ch_names:
        raise ProfileError(
            f"profile {name} is of electrodes {', '.join(profile.montage)}, these recordings of "
            f"{', '.join(trials.ch_names)}: use another name for the other headset"
        )
    further = read_trials(later, name, contract, said.of) if later else None
    if further is not None and further.ch_names != trials.ch_names:
        raise CalibrationError(
            "the recordings to calibrate from and those to test on are of other electrodes"
        )
    try:
        found = calibrate(
            base.network,
            trials.sessions,
            contract.classes,
            settings,
            later=further.sessions if further is not None else None,
            report=report,
            watch=watch,
            cancelled=cancelled,
        )
    except TooFewTrialsError as error:
        left_out = "".join(f"; left out: {line}" for line in trials.left_out)
        raise TooFewTrialsError(f"{error}{left_out}", error.need) from error
    tested = set(found.test)
    test = [one for one in trials.sessions if one.trial in tested] if further is None else further.sessions
    if further is not None:
        trials = replace(trials, left_out=(*trials.left_out, *further.left_out))
    return _kept(store, profile, base, trials, found, test, created)


def _kept(
    store: ProfileStore,
    profile: Profile,
    base: Bundle,
    trials: PersonTrials,
    found: Calibrated,
    test: Sequence[Session],
    created: str,
) -> Outcome:
    number = store.next_number(profile)
    folder = store.report_path(profile.name, number)
    with new_folder(folder) as fresh:
        write_report(fresh, found, base.contract.classes, profile.name, trials.left_out, created)
        _write_normal(fresh, base, trials, found, test)
        for path in fresh.iterdir():
            path.chmod(0o600)
    path = store.bundle_path(profile.name, number)
    sha256 = export_bundle(found.network, _contract(base, trials, found, created), path)
    verdict = found.verdict
    model = Model(
        number=number,
        sha256=sha256,
        weights_sha256=weights_sha256(found.network),
        base_sha256=base.sha256,
        created=created,
        rung=found.chosen.rung,
        better=verdict.better,
        base_accuracy=verdict.base_accuracy,
        accuracy=verdict.accuracy,
        gain=verdict.gain,
        p=verdict.p,
        n_test=verdict.n_test,
        words=verdict.words,
    )
    supersedes = _supersedes(store, profile, base, found, test)
    if model.better and not supersedes:
        stays = f"{model.words}; model {profile.active} stays active: it is as likely on the same trials"
        model = model.model_copy(update={"words": stays})
    kept = store.add_model(profile, model, supersedes=supersedes)
    return Outcome(kept, model, folder, found, trials.left_out)


def _supersedes(
    store: ProfileStore, profile: Profile, base: Bundle, found: Calibrated, test: Sequence[Session]
) -> bool:
    """Whether the new model is likelier on its test trials than the calibrated one that is active now."""
    if profile.active is None or not (path := store.bundle_path(profile.name, profile.active)).is_file():
        return True
    active = load_bundle(path)
    if active.contract.classes != base.contract.classes or active.contract.eeg != base.contract.eeg:
        return True  # of another base: they cannot be compared on these trials
    pattern = main_pattern(base.network.modalities)
    now = answers_of(active.network, test).losses(found.labels, pattern).mean()
    return bool(found.verdict.nll < now)


def _write_normal(
    folder: Path, base: Bundle, trials: PersonTrials, found: Calibrated, test: Sequence[Session]
) -> None:
    """What live sessions of this person are to be compared with, where the trials say enough."""
    sure = {"base": confidences(found.base, test), "calibrated": confidences(found.network, test)}
    names = base.contract.eeg.channels if EEG in base.contract.modalities else ()
    reference = reference_of(trials.features, trials.mean_s, sure, tuple(names))
    if reference is not None:
        (folder / NORMAL_FILE).write_bytes(as_bytes(reference))


def _contract(base: Bundle, trials: PersonTrials, found: Calibrated, created: str) -> Contract:
    verdict = found.verdict
    said = Training(
        data_sha256=data_sha256(trials.sessions),
        description=f"calibrated to one person: {found.chosen.rung}, from bundle {base.sha256[:8]}",
        protocol=f"{len(found.known)} trials of one person; {verdict.n_test} later ones tested",
        seed=0,
    )
    metrics = {
        "test_accuracy": verdict.accuracy,
        "base_test_accuracy": verdict.base_accuracy,
        "test_trials": float(verdict.n_test),
        "p": verdict.p,
    }
    changed = {"training": said, "metrics": metrics, "lineage": base.sha256, "created": created}
    return base.contract.model_copy(update=changed)


def weights_sha256(network: FusionNetwork) -> str:
    """Of every weight and buffer: equal networks, to the bit, have equal ones."""
    weights = {name: tensor.detach().contiguous() for name, tensor in sorted(network.state_dict().items())}
    return sha256_hex(safetensors.torch.save(weights))

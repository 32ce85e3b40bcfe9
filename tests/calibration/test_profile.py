"""Profiles: whole or not at all, readable by the owner only, and gone when they are to be gone."""

import json
import stat
import zipfile

import pytest

from calibration.errors import ProfileError
from calibration.profile import Model, ProfileStore, check_name

WHEN = "2026-01-02T03:04:05+00:00"


def model(number, *, better=True):
    return Model(
        number=number,
        sha256="a" * 64,
        weights_sha256="c" * 64,
        base_sha256="b" * 64,
        created=WHEN,
        rung="classifier head",
        better=better,
        base_accuracy=0.5,
        accuracy=0.7,
        gain=0.2,
        p=0.01,
        n_test=20,
        words="better",
    )


@pytest.fixture
def store(tmp_path):
    return ProfileStore(tmp_path / "profiles")


def filled(store, name="anna"):
    profile = store.create(name, WHEN, "a headset", ("Cz", "Pz"))
    profile = store.add_model(profile, model(1))
    store.bundle_path(name, 1).write_bytes(b"bundle of " + name.encode())
    store.report_path(name, 1).mkdir()
    (store.report_path(name, 1) / "report.html").write_text(f"report of {name}")
    (store.path(name) / "recordings" / f"{name}-1.xdf").write_bytes(b"samples of " + name.encode())
    return profile


def test_a_profile_is_read_back(store):
    profile = filled(store)
    assert store.load("anna") == profile
    assert store.names() == ("anna",)
    assert store.active_bundle("anna") == store.bundle_path("anna", 1)


def test_only_the_owner_may_read(store):
    filled(store)
    folder = store.path("anna")
    assert stat.S_IMODE((folder / "profile.json").stat().st_mode) == 0o600
    for path in (store.folder, folder, folder / "models", folder / "recordings"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "name", ["", "../anna", "a/b", ".hidden", "-x", "CON", "a" * 65, "anna\n", "ännä", "a b", "nul"]
)
def test_unsafe_names_are_refused(name):
    with pytest.raises(ProfileError, match="cannot be"):
        check_name(name)


def test_a_model_that_is_not_better_does_not_become_active(store):
    profile = store.create("anna", WHEN)
    profile = store.add_model(profile, model(1, better=False))
    assert profile.active is None
    assert store.active_bundle("anna") is None
    profile = store.add_model(profile, model(2))
    assert profile.active == 2
    assert store.add_model(profile, model(3, better=False)).active == 2


def test_an_earlier_model_is_a_way_back(store):
    filled(store)
    store.add_model(store.load("anna"), model(2))
    assert store.load("anna").active == 2
    assert store.activate("anna", 1).active == 1
    assert store.activate("anna", None).active is None
    with pytest.raises(ProfileError, match="no model 7: there are 1, 2"):
        store.activate("anna", 7)


def test_rolling_back_goes_step_by_step_and_removes_nothing(store):
    filled(store)
    store.add_model(store.load("anna"), model(2))
    store.add_model(store.load("anna"), model(3, better=False))
    store.activate("anna", 3)
    found = [store.rollback("anna").active for _ in range(3)]
    assert found == [2, 1, None]
    assert len(store.load("anna").models) == 3
    with pytest.raises(ProfileError, match="no way back"):
        store.rollback("anna")
    store.activate("anna", 1)
    store.activate("anna", 1)  # twice is once
    assert store.rollback("anna").active is None


def test_a_profile_of_before_there_was_a_way_back_is_read(store):
    filled(store)
    path = store.path("anna") / "profile.json"
    old = json.loads(path.read_text())
    del old["before"]
    path.write_text(json.dumps(old))
    assert store.load("anna").before == ()


def test_an_absent_profile_names_those_that_are_there(store):
    filled(store)
    with pytest.raises(ProfileError, match="there is anna"):
        store.load("bert")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "anna"}', '{"version": 9}'])
def test_a_damaged_profile_is_one_line(store, text):
    filled(store)
    (store.path("anna") / "profile.json").write_text(text)
    with pytest.raises(ProfileError, match="damaged") as error:
        store.load("anna")
    assert "\n" not in str(error.value)


def test_a_missing_bundle_is_said(store):
    filled(store)
    store.bundle_path("anna", 1).unlink()
    with pytest.raises(ProfileError, match="is gone"):
        store.active_bundle("anna")


@pytest.mark.parametrize("recordings", [False, True])
def test_export_and_import_on_another_computer(store, tmp_path, recordings):
    profile = filled(store)
    path = store.export("anna", tmp_path / "anna.zip", recordings=recordings)
    other = ProfileStore(tmp_path / "elsewhere")
    found = other.import_from(path, "berta")
    assert found.models == profile.models
    assert other.bundle_path("berta", 1).read_bytes() == b"bundle of anna"
    assert bool(other.recordings("berta")) is recordings
    with pytest.raises(ProfileError, match="there already"):
        other.import_from(path, "berta")
    with pytest.raises(ProfileError, match="there already"):
        store.export("anna", path)


@pytest.mark.parametrize(
    "member",
    ["../evil.txt", "models/../../evil", "/etc/passwd", "models/1.bci", "recordings/../x.xdf", "a.py"],
)
def test_an_archive_that_names_files_outside_is_refused(store, tmp_path, member):
    filled(store)
    path = store.export("anna", tmp_path / "anna.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(member, "evil")
    other = ProfileStore(tmp_path / "elsewhere")
    with pytest.raises(ProfileError, match="no exported profile"):
        other.import_from(path)
    assert other.names() == ()
    assert not list(tmp_path.glob("**/evil*"))


@pytest.mark.parametrize("data", [b"", b"PK\x05\x06" + b"\0" * 18, b"no zip"])
def test_what_is_no_archive_is_refused(store, tmp_path, data):
    path = tmp_path / "x.zip"
    path.write_bytes(data)
    with pytest.raises(ProfileError, match="no exported profile"):
        store.import_from(path)


def test_forgetting_leaves_nothing(store, tmp_path):
    filled(store)
    filled(store, "berta")
    recordings = tmp_path / "recordings"
    (recordings / "sub-anna" / "eeg").mkdir(parents=True)
    (recordings / "sub-anna" / "eeg" / "sub-anna_task-x_eeg.xdf").write_text("anna")
    (recordings / "sub-annabel_task-x_eeg.xdf").write_text("another")
    found = store.forget("anna", (recordings,))
    assert not found.left
    assert len(found.removed) == 5
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert all(b"anna" not in path.read_bytes().replace(b"annabel", b"") for path in left)
    assert (recordings / "sub-annabel_task-x_eeg.xdf").exists()
    assert store.names() == ("berta",)
    with pytest.raises(ProfileError, match="nothing of anna"):
        store.forget("anna")


def test_a_write_that_is_cut_off_leaves_the_old_profile(store, monkeypatch):
    profile = filled(store)

    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("calibration.profile.write_atomically", full)
    with pytest.raises(ProfileError, match="No space left"):
        store.activate("anna", None)
    assert store.load("anna") == profile
    assert json.loads((store.path("anna") / "profile.json").read_text())["active"] == 1

from bci_stream.model.trust import is_trusted, trust_bundle, trust_store


def test_nothing_is_trusted_at_first_and_a_hash_only_after_it_was_named(tmp_path, monkeypatch):
    monkeypatch.setenv("BCI_STREAM_HOME", str(tmp_path / "new" / "home"))
    assert not is_trusted("a" * 64)
    trust_bundle("a" * 64)
    trust_bundle("b" * 64)
    trust_bundle("a" * 64)
    assert is_trusted("a" * 64)
    assert not is_trusted("a" * 63)
    assert trust_store().read_text().split() == ["a" * 64, "b" * 64]


def test_without_the_variable_it_is_in_the_user_s_data_folder(monkeypatch):
    monkeypatch.delenv("BCI_STREAM_HOME", raising=False)
    assert trust_store().name == "trusted-bundles.txt"
    assert "bci-stream" in trust_store().parts


def test_the_list_is_its_owners_and_one_that_others_may_write_says_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("BCI_STREAM_HOME", str(tmp_path))
    trust_bundle("a" * 64)
    assert trust_store().stat().st_mode & 0o777 == 0o600
    for mode in (0o620, 0o602):
        trust_store().chmod(mode)
        assert not is_trusted("a" * 64)
    trust_store().chmod(0o644)
    assert is_trusted("a" * 64)

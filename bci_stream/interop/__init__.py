"""Other programs' objects, made of ours: MNE's Raw and Epochs, and a client for mne-realtime."""

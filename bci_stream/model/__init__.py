"""The encoders, the fusion, the bundle that carries them, and the streaming predictor."""

"""The pages that guide a person through a calibration; what they decide is in the view models."""

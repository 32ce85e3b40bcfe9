"""Pure time: raw stamps to one grid to windows. No clocks, no threads; time is an argument."""

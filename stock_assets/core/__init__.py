"""Pure functions from frames to frames: no Dagster, no web, no clock, no environment, no network, no files."""

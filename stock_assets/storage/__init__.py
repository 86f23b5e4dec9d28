"""Where artefacts live and what their bytes mean: `artefacts` (the store), `tables`, `formats`, `models`.

No Dagster here: IO managers, the command line and a server all use this room. It knows `core` and nothing else of ours.
"""

"""Where the bytes of an artefact lie that a test is about to harm."""

from pathlib import Path


def file_of(path: Path) -> Path:
    """The file at `path`; of a table in parts its last part, which is no other session's."""
    return max(path.iterdir()) if path.is_dir() else path

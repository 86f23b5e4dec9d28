"""Disks that are full, without a real one: for the tests. No test lives here."""

import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stock_assets_tests.place import PATIENCE, PROGRAM, Done, Place


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """Files of this process can't grow beyond `size` bytes: what a full disk is, less the name of the error."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def run_on_a_disk_of(size: str, place: Place, folder: Path, *words: str) -> Done:
    """`stock-assets` with `folder` of `place` on a disk of its own; what is on it in the end is copied back.

    The disk is one in memory that only this command and its children see, so that nothing is left mounted. Skips the
    test where the system does not allow that.
    """
    folder.mkdir()
    left = folder.with_name(f"{folder.name}-left")
    inside = (
        'folder=$1; left=$2; shift 2; mount -t tmpfs -o size=$SIZE tmpfs "$folder" || exit 99; '
        '"$@"; code=$?; cp -a "$folder" "$left"; exit $code'
    )
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("needs unshare, of util-linux")
    done = subprocess.run(
        [unshare, "--user", "--map-root-user", "--mount", "sh", "-c", inside, "sh", folder, left, PROGRAM, *words],
        cwd=place.folder,
        env=place.environment(SIZE=size),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    if not left.exists():
        pytest.skip(f"needs leave to mount a disk of its own: {done.stderr.strip()}")
    folder.rmdir()
    left.rename(folder)
    return Done(done.returncode, done.stdout, done.stderr)

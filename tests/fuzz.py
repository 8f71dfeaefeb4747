"""A coverage-guided search for a file that breaks a reader, in a process of its own.

It is started by `tests/test_hostile_input.py`, where atheris is installed. libFuzzer changes the
content of a valid file, and goes on from changes that reach new lines of the reader. A large file
is not changed whole: what is searched for is then a few edits of it.
"""

from __future__ import annotations

import argparse
import gzip
import re
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from hostile import MOST_BYTES, SECONDS, digest, readers

# libraries in Python that read for us; of others only their results are seen
FOLLOWED = ["pipeline", "nibabel", "yaml", "scipy.io", "PIL"]
# a search that sees a hash compared writes it into the file: a seal is no signature
NOT_FOLLOWED = ["pipeline.seals"]
COMPRESSED = (".gz", ".mgz")
# of what is changed whole
SMALL_BYTES = 1 << 15
MOST_EDITS = 4
EXECUTED = re.compile(r"stat::number_of_executed_units:\s+(\d+)")


@dataclass(frozen=True)
class Found:
    """What a search came to.

    Attributes
    ----------
    executions : files that were read
    told : what broke the reader, the end of the search's words; empty if nothing did
    """

    executions: int
    told: str


def search(reader: str, tree: Path, path: Path, guarded: bool, seconds: int, folder: Path) -> Found:
    """Look for so many seconds; the input that broke the reader is left in the folder."""
    seeds = folder / "seeds"
    seeds.mkdir(parents=True, exist_ok=True)
    content = _inside(path)
    (seeds / "valid").write_bytes(content if len(content) <= SMALL_BYTES else b"\0")
    command = [sys.executable, __file__, reader, str(tree), str(path), *["--guarded"] * guarded]
    options = [
        *(f"-max_total_time={seconds}", f"-timeout={SECONDS}", "-print_final_stats=1"),
        *(f"-artifact_prefix={folder}/", f"-max_len={SMALL_BYTES + 64}", "-rss_limit_mb=0"),
    ]
    done = subprocess.run(
        [*command, "--", *options, str(seeds)],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=seconds + 10 * SECONDS,
    )
    executed = EXECUTED.search(done.stderr)
    # an exception is told on the one stream, a crash or a hang on the other
    ends = done.stdout[-3000:] + done.stderr[-1000:]
    told = "" if done.returncode == 0 else f"exit {done.returncode}: {ends}"
    return Found(int(executed[1]) if executed else 0, told)


def _inside(path: Path) -> bytes:
    """What is changed of a file: what is compressed in it, where checksums do not tell."""
    content = path.read_bytes()
    return gzip.decompress(content) if path.suffix in COMPRESSED else content


def edited(content: bytes, edits: bytes) -> bytes:
    """A content with a few pieces replaced, inserted or taken out, as some bytes say."""
    import atheris

    drawn = atheris.FuzzedDataProvider(edits)
    for _ in range(MOST_EDITS):
        if not drawn.remaining_bytes():
            break
        # headers decide most, and are short
        end = drawn.PickValueInList([64, 600, len(content)])
        where = drawn.ConsumeIntInRange(0, min(end, len(content)))
        taken = drawn.PickValueInList([0, 1, 2, 4, 8, 64, len(content)])
        put = drawn.ConsumeBytes(drawn.PickValueInList([0, 1, 2, 4, 8, 64]))
        content = content[:where] + put + content[where + taken :]
    return content


def main() -> None:
    import atheris

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reader")
    parser.add_argument("tree", type=Path)
    parser.add_argument("path", type=Path)
    parser.add_argument("--guarded", action="store_true")
    # the options of libFuzzer follow --
    end = sys.argv.index("--")
    arguments = parser.parse_args(sys.argv[1:end])
    with atheris.instrument_imports(include=FOLLOWED, exclude=NOT_FOLLOWED):
        read = readers()[arguments.reader]
        from pipeline.errors import InputError
    path, valid = arguments.path, _inside(arguments.path)
    # imports what is imported late, before memory is bounded
    right = digest(read(arguments.tree, path))
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MOST_BYTES,) * 2)

    def once(data: bytes) -> None:
        content = data if len(valid) <= SMALL_BYTES else edited(valid, data)
        if path.suffix in COMPRESSED:
            content = gzip.compress(content, compresslevel=1)
        path.unlink(missing_ok=True)
        path.write_bytes(content)
        try:
            found = digest(read(arguments.tree, path))
        except InputError as error:
            told = str(error)
            assert path.name in told or path.name.split(".")[0] in told, told
            return
        assert not arguments.guarded or found == right, "altered, and read as if it were not"

    atheris.Setup([sys.argv[0], *sys.argv[end + 1 :]], once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

"""A `python` for the jobs of studies in tests, forked from one that has imported the packages.

A job of a small study computes for a tenth of a second, and imports packages for half a second, or
five if it runs a network. Here a server imports them once; modules of the project are imported by
each job, from its own checkout. Anything but a stage is run by the real python.
"""

from __future__ import annotations

import array
import atexit
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import traceback
from pathlib import Path

PACKAGES = (
    *("numpy", "pandas", "scipy.stats", "scipy.linalg", "xarray", "h5py", "h5netcdf", "nibabel"),
    *("pydantic", "yaml", "tqdm", "torch", "torchvision", "matplotlib.pyplot", "PIL.Image"),
    *("transformers.models.bert.modeling_bert", "nilearn.surface", "nilearn.datasets"),
)
# -IS: without packages, in some milliseconds
CLIENT = """#!{python} -IS
import array, os, socket, sys
stages = ("pipeline.stages.", "pipeline.analyses.")
if not (sys.argv[1:2] == ["-m"] and sys.argv[2].startswith(stages)):
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
words = [os.getcwd(), str(len(sys.argv)), *sys.argv]
words += [f"{{key}}={{value}}" for key, value in os.environ.items()]
message = "\\0".join(words).encode()
streams = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))]
server.sendmsg([len(message).to_bytes(8, "big")], streams)
server.sendall(message)
code = server.recv(1)
sys.exit(code[0] if code else 1)
"""


def start(folder: Path) -> Path:
    """Start a server that ends with this process, and return a folder with its `python`."""
    address, program = folder / "socket", folder / "bin/python"
    program.parent.mkdir(parents=True)
    program.write_text(CLIENT.format(python=sys.executable, address=str(address)))
    program.chmod(0o755)
    command = [sys.executable, "-P", __file__, str(address)]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    atexit.register(server.kill)
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n"
    return program.parent


def serve(address: str) -> None:
    """Run a job in a fork of this process for each connection."""
    for package in PACKAGES:
        __import__(package)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    print("ready", flush=True)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # finished jobs need not be waited for
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listener.close()
            _run(connection)
        connection.close()


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(0)


def _run(connection: socket.socket) -> None:
    """Run a job as the client would: its folder, arguments, environment and streams."""
    streams = array.array("i")
    size, control, _, _ = connection.recvmsg(8, socket.CMSG_SPACE(3 * streams.itemsize))
    streams.frombytes(control[0][2])
    words = connection.makefile("rb").read(int.from_bytes(size, "big")).decode().split("\0")
    folder, n_arguments = words[0], int(words[1])
    _, _, module, *arguments = words[2 : 2 + n_arguments]
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(word.split("=", 1) for word in words[2 + n_arguments :])
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.argv = [module, *arguments]
    sys.path[:0] = [path for path in os.environ.get("PYTHONPATH", "").split(":") if path]
    # a job whose client was killed ends too
    threading.Thread(target=lambda: connection.recv(1) or os._exit(1), daemon=True).start()
    code = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    connection.sendall(bytes([code]))
    os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1])

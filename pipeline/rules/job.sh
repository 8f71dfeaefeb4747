# Before the command of every job.
set -euo pipefail
# What is shown of a job ends where its message begins: the run itself ends with it
# (pipeline/failed_jobs.py). The log has all.
tee() { command tee "$@" | awk '/^error: /{held = 1} !held{print; fflush()}'; }

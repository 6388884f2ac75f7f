"""What the benchmark of a sweep's first step watches is there to be watched."""

from benchmarks.watched_sweep import PLANNING, RUNNING
from sweeps import ablation, planning


def test_what_is_watched_is_there_under_its_own_name() -> None:
    for module, names in ((planning, PLANNING), (ablation, RUNNING)):
        for name in names:
            # The notes name a function as it names itself, and `first_step.py` looks for that.
            assert getattr(module, name).__name__ == name

import os

from spaces import MachineLoad
from spaces.machine_load import gpu_text, memory_text


def test_memory_is_what_linux_cannot_give_away_of_all_there_is():
    meminfo = "MemTotal: 8388608 kB\nMemFree: 1 kB\nMemAvailable: 5242880 kB\nHugePages_Free: 0\n"
    assert memory_text(meminfo) == "memory 3.0/8.0 GiB"


def test_gpu_is_told_by_its_use_and_its_memory():
    assert gpu_text("45, 3072, 81920") == "GPU 45 %, 3.0/80.0 GiB"


def test_machine_is_measured_again_once_the_line_is_old(monkeypatch):
    now, load = 0.0, 1.0
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0))
    machine = MachineLoad(clock=lambda: now)
    first = machine.text()
    assert first.startswith(f"load 1.0 on {os.cpu_count()} CPUs")
    now, load = 4.0, 2.0
    assert machine.text() == first
    now = 5.0
    assert machine.text().startswith("load 2.0 ")

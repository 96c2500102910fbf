"""``as_distributed_df`` on a cluster of processes, one of which is killed."""

from __future__ import annotations

import subprocess
import sys
import textwrap

CLUSTER = """
    import os, signal, sys, threading, time
    from pathlib import Path

    from dask.distributed import Client, LocalCluster
    from qapla.database import models
    from qapla.database.drivers import Sqlite

    class Vote(models.Model):
        votes = models.Integer()

    def slowly(frame, folder):
        Path(folder, f"{os.getpid()}-{time.monotonic_ns()}").touch()
        time.sleep(0.2)
        return frame

    def kill(folder):
        while not (begun := sorted(Path(folder).iterdir())):
            time.sleep(0.01)
        os.kill(int(begun[0].name.split("-")[0]), signal.SIGKILL)

    if __name__ == "__main__":
        folder = sys.argv[2]
        os.mkdir(folder)
        with Sqlite(sys.argv[1]) as db:
            db.create_table(Vote)
            for number in range(40):
                Vote(votes=number).save()
        with Sqlite(sys.argv[1]):
            frame = Vote.select().as_distributed_df(rows_per_partition=5)
        with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster, Client(cluster):
            killer = threading.Thread(target=kill, args=(folder,))
            killer.start()
            slow = frame.map_partitions(slowly, folder, meta=frame._meta)
            print("sum", slow.votes.sum().compute())
            killer.join()
        print("workers", len({path.name.split("-")[0] for path in Path(folder).iterdir()}))
"""


def test_worker_killed(tmp_path):
    """On a cluster of processes a worker is killed in the middle: the others read its partitions, and the answer is the same."""
    script = tmp_path / "program.py"
    script.write_text(textwrap.dedent(CLUSTER))

    done = subprocess.run(
        [sys.executable, script, tmp_path / "votes.sqlite", tmp_path / "begun"], capture_output=True, text=True, timeout=120
    )

    assert done.returncode == 0, done.stderr
    said = done.stdout.split()
    assert said[:2] == ["sum", "780"]
    assert int(said[3]) >= 2

"""PostgreSQL and its volume, which outlives containers, hosts and versions (R22)."""

import threading

from pod import VOLUMES, Pod
from specification import PARTS, Specification

# Commits before the kill: some are in the data files, some in the write-ahead log only.
COMMITS = 300


class TheDataVolume(Specification):
    """What PostgreSQL's image does with it. Only that container runs."""

    @classmethod
    def setUpClass(cls):
        cls.loaded = {part: cls.podman.load(cls.images.of(part, cls.images.native)) for part in PARTS}

    def setUp(self):
        self.pod = self.enterContext(Pod(self.podman, self.loaded))

    def killed_in_the_middle_of_writes_it_has_every_row_that_it_acknowledged(self):
        self._start()
        self.pod.sql("CREATE TABLE written (number integer PRIMARY KEY)")
        acknowledged = self._write_until_killed()
        self._start()
        kept = set(self.pod.sql("SELECT number FROM written"))
        lost = acknowledged - kept
        print(f"       {len(acknowledged)} rows were acknowledged before the kill, {len(lost)} are lost")
        self.assertEqual(lost, set())
        self.assertEqual(self.pod.stop_one("postgres"), 0)

    def a_second_container_waits_for_the_first_and_says_so(self):
        self._start()
        self.pod.sql("CREATE TABLE of_the_first ()")
        second = self.pod.container("second")
        # As another task has it: the same data, everything else its own.
        volumes = {path: self.pod.volume(path) + "-second" for path in VOLUMES["postgres"]}
        volumes["/var/lib/postgresql"] = self.pod.volume("/var/lib/postgresql")
        self.pod.create("postgres", second, "--network=none", volumes=volumes)
        try:
            self.podman.run("start", second)
            line = self.pod.await_log(second, "waiting for /var/lib/postgresql/data.lock")
            self.assertIn("another PostgreSQL uses this volume", line)
            self.assertTrue(self.pod.is_healthy("postgres"))
            self.assertEqual(self.pod.stop_one("postgres"), 0)
            self.pod.await_log(second, "the other PostgreSQL has ended")
            self.pod.await_log(second, "database system is ready to accept connections")
        finally:
            self.podman.run("rm", "--force", "--time=0", second)

    def data_of_another_major_version_is_refused_and_left_alone(self):
        self._start()
        self.assertEqual(self.pod.stop_one("postgres"), 0)
        version = self._on_the_volume("data/PG_VERSION")
        with open(version, "w", encoding="ascii") as file:
            file.write("16\n")
        self.pod.start_one("postgres")
        self.assertEqual(self.pod.await_end("postgres"), 1)
        line = self.pod.await_log(self.pod.container("postgres"), "was made by PostgreSQL 16")
        self.assertIn("nothing was changed", line)
        with open(version, encoding="ascii") as file:
            self.assertEqual(file.read(), "16\n")

    def _start(self):
        self.pod.start_one("postgres")
        self.pod.await_health("postgres")

    def _write_until_killed(self):
        """Returns the numbers that PostgreSQL said are committed."""
        acknowledged, enough = set(), threading.Event()
        psql = self.pod.start_sql(stdin=-1)

        def write():
            try:
                for number in range(1_000_000):
                    psql.stdin.write(f"INSERT INTO written VALUES ({number}) RETURNING number;\n")
            except OSError:
                pass  # it was killed, which is what this waits for

        def read():
            for line in psql.stdout:
                acknowledged.add(line.strip())
                if len(acknowledged) == COMMITS:
                    enough.set()

        threads = [threading.Thread(target=write, daemon=True), threading.Thread(target=read)]
        for thread in threads:
            thread.start()
        self.assertTrue(enough.wait(60), "PostgreSQL does not write")
        self.pod.kill("postgres")
        psql.kill()
        for thread in threads:
            thread.join()
        psql.communicate()
        return acknowledged

    def _on_the_volume(self, path):
        return self.podman.mountpoint(self.pod.volume("/var/lib/postgresql")) + "/" + path

"""What is left when a container is killed, as by a lack of memory."""

import os
import signal
import threading
import time

from pod import Pod
from specification import PARTS, Specification


class ASuddenEnd(Specification):
    """SIGKILL to each container in turn. Without limits: nothing here is about time."""

    @classmethod
    def setUpClass(cls):
        images = {part: cls.podman.load(cls.images.of(part, cls.images.native)) for part in PARTS}
        # A stop is not what this is about.
        cls.pod = cls.enterClassContext(Pod(cls.podman, images, settings={"DRAIN_SECONDS": "0"}))
        cls.pod.start()
        cls.signed_in = cls.pod.client()
        cls.signed_in.register("Ada")

    def setUp(self):
        # With a connection of its own: those of before end with the app.
        self.client = self.signed_in.copy()

    def tearDown(self):
        for part in PARTS:
            self.pod.start_one(part)
        self.pod.await_ready()

    def a_killed_app_starts_clean_on_what_it_left_behind(self):
        self.assertEqual(self.pod.kill("app"), 137)
        self.assertIsNone(self.client.get_status("/health"))
        self.pod.start_one("app")
        self.pod.await_ready()
        self.assertEqual(self.client.get("/me").status, 200)
        self.assertTrue(self.pod.is_healthy("app"))

    def the_app_ends_with_a_failure_that_names_nginx_when_nginx_is_killed(self):
        os.kill(self._process("app", "nginx: master"), signal.SIGKILL)
        self.assertEqual(self.pod.await_end("app"), 1)
        self.assertTrue(any("nginx has ended (signal 9)" in line for line in self.pod.logs("app")))

    def without_valkey_the_api_goes_on_and_says_that_it_is_not_ready(self):
        self.pod.kill("valkey")
        self.pod.await_status("/ready", 503)
        self.assertEqual(self.client.get("/health").status, 200)
        self.assertEqual(self.client.get("/me").status, 200)
        self.assertEqual(self.client.post("/refresh").status, 200)
        self.assertEqual(self.client.copy().login("Ada").status, 200)
        self.assertTrue(self.pod.is_healthy("app"))
        self.pod.start_one("valkey")
        self.pod.await_ready()
        self.assertTrue(self.pod.is_healthy("valkey"))

    def without_postgres_the_api_answers_503_and_recovers_with_every_account_that_it_acknowledged(self):
        acknowledged, stop = [], threading.Event()
        writer = threading.Thread(target=self._register_accounts, args=(self.pod.client(), acknowledged, stop))
        writer.start()
        while len(acknowledged) < 10 and writer.is_alive():
            time.sleep(0.05)
        self.pod.kill("postgres")
        stop.set()
        writer.join()
        self.pod.await_status("/ready", 503)
        answer = self.pod.client().login("Ada")
        self.assertEqual((answer.status, answer.headers.get_content_type()), (503, "application/problem+json"))
        self.assertEqual(self.client.get("/health").status, 200)
        self.pod.start_one("postgres")
        self.pod.await_ready()
        client = self.pod.client()
        lost = [name for name in acknowledged if client.login(name).status != 200]
        print(f"       {len(acknowledged)} accounts were acknowledged before the kill, {len(lost)} are lost")
        self.assertEqual(lost, [])

    def _register_accounts(self, client, acknowledged, stop):
        while not stop.is_set() and len(acknowledged) < 100:
            name = f"user-{len(acknowledged)}"
            try:
                if client.register(name).status == 201:
                    acknowledged.append(name)
            except OSError:
                pass

    def _process(self, part, title):
        for pid in self.pod.processes(part):
            with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
                if file.read().startswith(title):
                    return int(pid)
        raise AssertionError(f"{part} has no process {title}")

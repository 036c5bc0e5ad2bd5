"""The three images as one pod with the limits of the smallest Fargate task, and the API through port 8080."""

import json
import os

from pod import FARGATE_LIMITS, Pod
from specification import PARTS, Specification

# The goal is 5 s; a busy test machine must not fail for being busy.
GOAL_TO_READY, LONGEST_TO_READY = 5, 60
# What the kernel could not take back: measured 17 MB. And with the pages of programs and libraries that it maps, which it
# reads around those that are touched and takes back when memory is scarce: 49 to 51 MB from
# run to run.
KEPT_MEMORY_GOAL, MEMORY_GOAL = 20_000_000, 55_000_000
# The server and nginx, when passwords have been hashed: less than one hash takes while it is computed.
KEPT_AFTER_SIGN_INS_GOAL = 15_000_000
# The only process that has to know them; PostgreSQL's entry point becomes `postgres`, whose environment stays.
NEEDS_SECRETS = {"slipway", "postgres"}
PASSWORD = "correct horse battery"


class ThePod(Specification):
    """One pod for all scenarios, started before the first."""

    @classmethod
    def setUpClass(cls):
        images = {part: cls.podman.load(cls.images.of(part, cls.images.native)) for part in PARTS}
        cls.pod = cls.enterClassContext(Pod(cls.podman, images, FARGATE_LIMITS))
        cls.seconds = cls.pod.start()
        cls.processor_seconds = cls.pod.processor_seconds()
        cls.client = cls.pod.client()

    def it_is_ready_in_seconds_with_an_empty_database(self):
        print(f"       from pod start to 200 on /ready: {self.seconds:.2f} s (goal: {GOAL_TO_READY} s)")
        print(f"       of the processor: {self.processor_seconds:.2f} s, so {4 * self.processor_seconds:.2f} s at a quarter of one")
        self.assertLess(self.seconds, LONGEST_TO_READY)

    def idle_it_keeps_at_most_20_mb_and_takes_at_most_55_mb(self):
        kept, taken = ({part: measure(part) for part in PARTS} for measure in (self.pod.kept_memory, self.pod.memory))
        figures = ", ".join(f"{part} {kept[part] / 1e6:.1f} of {taken[part] / 1e6:.1f}" for part in PARTS)
        print(f"       PSS in MB: {figures}; together {sum(kept.values()) / 1e6:.1f} of {sum(taken.values()) / 1e6:.1f}")
        self.assertLessEqual(sum(kept.values()), KEPT_MEMORY_GOAL)
        self.assertLessEqual(sum(taken.values()), MEMORY_GOAL)

    def every_health_command_succeeds(self):
        for part in PARTS:
            with self.subTest(part):
                self.assertTrue(self.pod.is_healthy(part))

    def every_process_is_without_rights_and_holds_its_own_secrets_only(self):
        for part in PARTS:
            for pid in self.pod.processes(part):
                status = dict(line.split(":\t", 1) for line in _read(pid, "status").splitlines() if ":\t" in line)
                name = status["Name"].strip()
                with self.subTest(part, process=name):
                    self.assertEqual(status["Uid"].split(), ["1000"] * 4)
                    self.assertEqual({int(status[f"Cap{kind}"], 16) for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")}, {0})
                    self.assertEqual((status["NoNewPrivs"].strip(), status["Seccomp"].strip()), ("1", "2"))
                    self._assert_no_secret(_read(pid, "cmdline"))
                    if name not in NEEDS_SECRETS:
                        self._assert_no_secret(_read(pid, "environ"))

    def status_and_documents_are_served(self):
        self.assertEqual(self.client.get("/health").json, {"status": "ok"})
        ready = self.client.get("/ready").json
        self.assertEqual(ready, {"status": "ready", "dependencies": {"database": "ok", "cache": "ok"}, "clock": "ok"})
        self.assertEqual(self.client.get("/hello?name=Ada").json, {"message": "hello Ada"})
        with open("openapi.json", encoding="utf-8") as file:
            self.assertEqual(self.client.get("/openapi.json").json["paths"], json.load(file)["paths"])
        for path in ["/", "/docs"]:
            answer = self.client.get(path)
            self.assertEqual((answer.status, answer.headers.get_content_type()), (200, "text/html"), path)

    def an_account_lives_through_all_of_its_requests(self):
        phone, laptop = self.pod.client(), self.pod.client()
        registered = phone.register("Ada")
        self.assertEqual((registered.status, registered.json["username"]), (201, "Ada"))
        self.assertEqual(phone.cookie.split("=")[0], "__Host-refresh_token")
        self.assertEqual(laptop.login("ada").status, 200)
        self.assertEqual(laptop.get("/me").json["username"], "Ada")
        before = laptop.cookie
        self.assertEqual(laptop.post("/refresh").status, 200)
        self.assertNotEqual(laptop.cookie, before)
        self.assertEqual(laptop.get("/metrics").json["uptime_seconds"] >= 0, True)

        sessions = laptop.get("/sessions").json
        self.assertEqual(len(sessions), 2)
        (other,) = [session["id"] for session in sessions if not session["current"]]
        self.assertEqual(laptop.send("DELETE", f"/sessions/{other}").status, 200)
        self._assert_problem(phone.get("/me"), 401, "session_ended")
        self._assert_problem(phone.post("/refresh"), 401, "session_ended")

        change = {"current_password": PASSWORD, "new_password": "another horse battery"}
        self.assertEqual(laptop.post("/password", change).status, 200)
        self._assert_problem(phone.login("Ada"), 401, "invalid_credentials")
        self.assertEqual(phone.login("Ada", change["new_password"]).status, 200)
        self.assertEqual(phone.post("/logout").status, 200)
        self._assert_problem(phone.post("/refresh"), 401, "session_ended")
        self.assertEqual(laptop.post("/logout-all").status, 200)
        self._assert_problem(laptop.get("/me"), 401, "session_ended")

    def after_sign_ins_the_app_keeps_at_most_15_mb(self):
        client = self.pod.client()
        client.register("Memory")
        for _ in range(4):
            self.assertEqual(client.login("Memory").status, 200)
        kept = self.pod.kept_memory("app")
        print(f"       PSS of the app after sign-ins, in MB: {kept / 1e6:.1f} kept")
        self.assertLessEqual(kept, KEPT_AFTER_SIGN_INS_GOAL)

    def errors_have_one_shape_whether_nginx_or_the_server_answers(self):
        client = self.pod.client()
        client.register("Grace")
        self._assert_problem(client.register("grace"), 409, "username_taken")
        self._assert_problem(client.login("nobody"), 401, "invalid_credentials")
        self._assert_problem(client.post("/login", {"username": 7}), 422, "invalid_input")
        self._assert_problem(client.get("/nowhere"), 404, "not_found")
        self._assert_problem(client.send("PUT", "/hello"), 405, "method_not_allowed")
        # nginx' own.
        self._assert_problem(client.get("/.git/config"), 404, "not_found")
        self._assert_problem(client.post("/login", {"username": "a" * 70_000}), 413, "body_too_large")
        self._assert_problem(client.get("/" + "a" * 8_001), 414, "uri_too_long")

    def no_answer_tells_what_serves(self):
        for path in ["/health", "/.git/config"]:
            headers = self.client.get(path).headers
            self.assertNotRegex(headers.get("Server", ""), r"\d")
            self.assertEqual(headers["X-Content-Type-Options"], "nosniff")

    def nothing_is_written_outside_the_volumes(self):
        for part in PARTS:
            with self.subTest(part):
                changes = json.loads(self.podman.run("diff", "--format=json", self.pod.container(part)).stdout)
                written = [path for paths in changes.values() for path in paths or []]
                # What podman itself puts there, and the folders in which it mounts.
                engine = {"/dev", "/etc", "/etc/hosts", "/etc/mtab", "/proc", "/run", "/sys", "/run/.containerenv"}
                mounted = {path for path in written if path in engine or path.startswith(("/run/secrets", "/etc/"))}
                self.assertEqual(set(written) - mounted, set())

    def the_runtime_folder_holds_what_nginx_needs_and_no_request(self):
        mountpoint = self.podman.mountpoint(self.pod.volume("/run/slipway"))
        files = {os.path.join(path, name) for path, _, names in os.walk(mountpoint) for name in names}
        names = {os.path.relpath(file, mountpoint) for file in files}
        included = {"trusted-proxies.conf", "allowed-origins.conf", "exposed-headers.conf"}
        self.assertEqual(names, {"http.sock", "nginx.conf", "nginx.pid"} | included)

    def the_app_logs_one_json_object_a_line(self):
        lines = self.pod.logs("app")
        self.assertGreater(len(lines), 10)
        for line in lines:
            event = json.loads(line)
            self.assertTrue({"timestamp", "level", "message"} <= set(event), line)
        self.assertEqual([line for line in lines if '"ERROR"' in line], [])

    def no_secret_is_logged_or_kept_by_the_engine_except_as_the_environment_that_it_was_given(self):
        for part in PARTS:
            with self.subTest(part):
                self._assert_no_secret("\n".join(self.pod.logs(part)))
                (description,) = json.loads(self.podman.run("inspect", self.pod.container(part)).stdout)
                del description["Config"]["Env"]
                self._assert_no_secret(json.dumps(description))

    def it_is_ready_again_after_a_stop_and_every_container_ends_with_0(self):
        self.client.register("Joan")
        for part in PARTS:
            self.assertEqual(self.pod.stop_one(part), 0, part)
        seconds = self.pod.start()
        print(f"       from pod start to 200 on /ready, again: {seconds:.2f} s (goal: {GOAL_TO_READY} s)")
        self.assertLess(seconds, LONGEST_TO_READY)
        self.assertEqual(self.pod.client().login("Joan").status, 200)

    def _assert_problem(self, answer, status, code):
        self.assertEqual((answer.status, answer.headers.get_content_type()), (status, "application/problem+json"), answer)
        problem = answer.json
        self.assertEqual((problem["status"], problem["code"]), (status, code), answer)
        self.assertEqual(problem["request_id"], answer.headers["X-Request-Id"])
        self.assertIsNone(answer.headers["Server"], "whose server it is concerns nobody")

    def _assert_no_secret(self, text):
        for secret in [*self.pod.secrets, PASSWORD]:
            self.assertFalse(secret in text, "a secret is in there")


def _read(pid, what):
    with open(f"/proc/{pid}/{what}", encoding="utf-8", errors="replace") as file:
        return file.read()

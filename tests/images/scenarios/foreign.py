"""The images for ARM64, which AWS runs, on a machine of another kind: by qemu, which translates each program."""

import os
import subprocess
import time

from pod import Pod
from specification import PARTS, Images, Specification

BINFMT = "/proc/sys/fs/binfmt_misc"
HANDLER = f"{BINFMT}/qemu-aarch64"
REGISTRATION = "/usr/lib/binfmt.d/qemu-aarch64.conf"


class Emulation:
    """Lets the kernel run ARM64 programs, and takes back what it had to change. Use as a context manager."""

    def __enter__(self):
        self.mounted = not os.path.exists(f"{BINFMT}/register")
        if self.mounted:
            subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", BINFMT], check=True)
        self.registered = not os.path.exists(HANDLER)
        if self.registered:
            # The flag F of this line keeps the translator open: containers need no copy of it.
            with open(REGISTRATION, encoding="ascii") as line, open(f"{BINFMT}/register", "w", encoding="ascii") as register:
                register.write(line.read())

    def __exit__(self, *_):
        if self.registered:
            with open(HANDLER, "w", encoding="ascii") as handler:
                handler.write("-1")
        if self.mounted:
            subprocess.run(["umount", BINFMT], check=True)


class ThePodOnArm64(Specification):
    """What does not depend on speed, which says nothing here."""

    @classmethod
    def setUpClass(cls):
        emulated = Images.native != "arm64"
        if emulated:
            cls.podman.until_the_end.enter_context(Emulation())
        images = {part: cls.podman.load(cls.images.of(part, "arm64")) for part in PARTS}
        # Valkey looks for a bug of some kernels in a way that qemu does not know.
        commands = {"valkey": ["--ignore-warnings", "ARM64-COW-BUG"]} if emulated else {}
        cls.pod = cls.enterClassContext(Pod(cls.podman, images, commands=commands, settings={"DRAIN_SECONDS": "0"}))
        # initdb may take longer by qemu than the app waits for the database.
        begun = time.monotonic()
        cls.pod.start_one("postgres")
        cls.pod.await_health("postgres")
        database = time.monotonic() - begun
        how = "by qemu" if emulated else "natively"
        print(f"       {how}: PostgreSQL's first start {database:.1f} s, then the pod {cls.pod.start():.1f} s", flush=True)

    def every_container_is_healthy(self):
        for part in PARTS:
            self.assertTrue(self.pod.is_healthy(part), part)
        self.assertEqual(self.podman.run("exec", self.pod.container("valkey"), "/bin/valkey-cli", "ping").stdout, "PONG\n")

    def an_account_is_made_and_used_through_nginx(self):
        client = self.pod.client()
        self.assertEqual(client.register("Ada").status, 201)
        self.assertEqual(client.login("Ada").status, 200)
        self.assertEqual(client.get("/me").json["username"], "Ada")
        self.assertEqual(client.post("/refresh").status, 200)
        # From nginx itself.
        self.assertEqual(client.get("/.git/config").headers.get_content_type(), "application/problem+json")

    def every_container_stops_with_0_and_the_account_is_there_after_the_restart(self):
        for part in PARTS:
            self.assertEqual(self.pod.stop_one(part), 0, part)
        self.pod.start()
        self.assertEqual(self.pod.client().login("Ada").status, 200)

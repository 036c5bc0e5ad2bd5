"""What ECS does on each deploy: SIGTERM to the app while the load balancer still sends requests (R16)."""

import threading
import time

from load_balancer import LoadBalancer
from pod import FARGATE_LIMITS, Pod
from specification import PARTS, Specification

# 20 s of drain; then nginx and the server finish what is under way.
LONGEST_STOP = 45


class AStopUnderLoad(Specification):
    """SIGTERM to the app while requests come in."""

    def it_loses_no_request_and_ends_with_0_within_45_seconds(self):
        images = {part: self.podman.load(self.images.of(part, self.images.native)) for part in PARTS}
        with Pod(self.podman, images, FARGATE_LIMITS) as pod:
            pod.start()
            client = pod.client()
            client.register("Ada")
            with LoadBalancer(client) as load:
                load.await_served(100)
                before, begun = load.served, time.monotonic()
                exit_code = []
                stop = threading.Thread(target=lambda: exit_code.append(pod.stop_one("app")))
                stop.start()
                load.await_end()
                looked_away = time.monotonic() - begun
                stop.join()
                seconds = time.monotonic() - begun
            during = load.served - before
            print(f"       {load.served} requests served, {during} of them after SIGTERM; {len(load.failures)} failed")
            print(f"       the load balancer looked away after {looked_away:.1f} s; the app ended after {seconds:.1f} s")
            self.assertEqual(load.failures[:3], [])
            self.assertGreater(during, 100)
            self.assertEqual(exit_code, [0])
            self.assertLess(seconds, LONGEST_STOP)
            self.assertFalse(pod.is_healthy("app"))

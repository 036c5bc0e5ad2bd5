"""Requests as a load balancer sends them: until it has noticed that the target is on its way out."""

import http.client
import threading
import time

# Terraform's: healthCheckInterval and unhealthyThreshold in nix/timeouts.nix.
HEALTH_CHECK_INTERVAL = 5
UNHEALTHY_THRESHOLD = 2
# Some with connections that are kept, one with a new one for each request.
CLIENTS = 6


class LoadBalancer:
    """Sends requests from a few clients at once. Use as a context manager; at its end all of them have been answered."""

    def __init__(self, client):
        """`client` is signed in."""
        self.client = client
        self.served, self.failures = 0, []
        self._stop, self._lock, self._threads = threading.Event(), threading.Lock(), []

    def __enter__(self):
        for number in range(CLIENTS):
            self._threads.append(threading.Thread(target=self._send, args=(self.client.copy(), number == 0)))
        self._threads.append(threading.Thread(target=self._check_health, args=(self.client.copy(),)))
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self.await_end()

    def await_end(self):
        """Waits until nothing is sent any more and all is answered."""
        for thread in self._threads:
            thread.join()

    def await_served(self, count):
        """Waits until so many requests were answered."""
        while self.served < count and not self.failures:
            time.sleep(0.05)

    def _send(self, client, on_new_connections):
        requests = 0
        while not self._stop.is_set():
            path = "/me" if requests % 2 else "/hello?name=Ada"
            requests += 1
            try:
                answer = client.get(path)
                failure = None if answer.status == 200 else f"{path}: {answer}"
            except (OSError, http.client.HTTPException) as error:
                failure = f"{path}: {error!r}"
            if on_new_connections:
                client.connection.close()
            with self._lock:
                self.served += failure is None
                self.failures += [failure] if failure else []
            # Some hundred requests a second leave the quarter of a processor something to stop with.
            time.sleep(0.02)

    def _check_health(self, client):
        failed = 0
        while failed < UNHEALTHY_THRESHOLD and not self._stop.wait(HEALTH_CHECK_INTERVAL):
            failed = failed + 1 if client.get_status("/health") != 200 else 0
        self._stop.set()

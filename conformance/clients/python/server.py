"""A server process for the checks, started by the command in SERVER_COMMAND (a JSON array)."""

import json
import os
import random
import signal
import socket
import subprocess
import tempfile
import time

COMMAND = json.loads(os.environ["SERVER_COMMAND"])
CERTIFICATES = os.environ["CERTIFICATES"]
READY_WITHIN_SECONDS = 20


class PortInUse(RuntimeError):
    """Somebody else has taken the port first."""


class Server:
    """A server on a port of its own; leaving the `with` block ends it."""

    def __init__(self, config="", flags=()):
        self._folder = tempfile.TemporaryDirectory()
        self._flags = list(flags)
        if config:
            path = os.path.join(self._folder.name, "server.conf")
            with open(path, "w") as file:
                file.write(config.replace("<certs>", CERTIFICATES))
            self._flags += ["-c", path]
        self.port = free_port()
        self.process = None
        try:
            self.start()
        except PortInUse:
            self.port = free_port()
            self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        self._folder.cleanup()

    @property
    def url(self):
        return f"nats://127.0.0.1:{self.port}"

    def start(self):
        """Starts the process and waits for its word that it is ready."""
        path = os.path.join(self._folder.name, "log")
        command = COMMAND + ["-a", "127.0.0.1", "-p", str(self.port)] + self._flags
        with open(path, "w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        while True:
            with open(path) as log:
                text = log.read()
            if "Server is ready" in text:
                return
            if self.process.poll() is not None or time.monotonic() > deadline:
                kind = PortInUse if "in use" in text else RuntimeError
                raise kind(f"the server did not become ready:\n{text}")
            time.sleep(0.005)

    def stop(self):
        """Kills the process, as a crash would."""
        self.process.kill()
        self.process.wait()

    def lame_duck(self):
        self.process.send_signal(signal.SIGUSR2)


def free_port():
    """A port below those that the system hands to outgoing connections."""
    while True:
        port = random.randrange(10_000, 30_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue

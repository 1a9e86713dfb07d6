#!/usr/bin/env python3
"""Runs a real NATS server for every case of reloads.txt and writes what it logs on SIGHUP to recorded_reloads.txt.

    NATS_SERVER_BIN=/path/to/nats-server crates/config/tests/record_reloads.py

The server listens on 127.0.0.1 with a free port. Needs openssl for a certificate that lives as long as the run.
"""
import os, pathlib, re, signal, subprocess, tempfile, time

here = pathlib.Path(__file__).parent
server = os.environ["NATS_SERVER_BIN"]
START = "port: -1\nhost: 127.0.0.1\n"


def cases(text):
    for block in text.split("\n=== ")[1:]:
        name, body = block.split("\n", 1)
        before, after = f"\n{body}\n".split("\n--- then\n", 1)
        yield name, START + before, START + after


def wait_for(path, pattern):
    for _ in range(400):
        text = path.read_text() if path.exists() else ""
        if re.search(pattern, text):
            return text
        time.sleep(0.01)
    raise SystemExit(f"no {pattern} in:\n{text}")


def ask(before, after, certificate):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        write = lambda text: (folder / "c.conf").write_text(
            text.replace("CERT", f'"{certificate}.pem"').replace("KEY", f'"{certificate}.key"'))
        write(before)
        log = folder / "log"
        with open(log, "w") as err:
            run = subprocess.Popen([server, "-c", "c.conf"], cwd=folder, stderr=err)
        try:
            start = len(wait_for(log, "Server is ready"))
            write(after)
            run.send_signal(signal.SIGHUP)
            logs = lambda: [p for p in (folder / "other.log", log) if p.exists()]
            for _ in range(400):
                text = log.read_text()[start:] + "".join(p.read_text() for p in logs() if p != log)
                if re.search("Reloaded server conf|Failed to reload", text):
                    break
                time.sleep(0.01)
        finally:
            run.kill()
            run.wait()
    lines = [re.sub(r"^\[\d+\] (\S+ \S+ )?\[(...)\] ", r"\2 ", line) for line in text.split("\n") if line]
    keep = [line for line in lines if "Reloaded:" in line or "Failed to reload" in line]
    return "\n".join(keep or ["-"])


with tempfile.TemporaryDirectory() as folder, open(here / "recorded_reloads.txt", "w") as out:
    certificate = f"{folder}/c"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "2", "-subj", "/CN=localhost", "-keyout", f"{certificate}.key", "-out",
                    f"{certificate}.pem"], check=True, capture_output=True)
    for name, before, after in cases((here / "reloads.txt").read_text()):
        out.write(f"=== {name}\n{ask(before, after, certificate)}\n")
        out.flush()

#!/usr/bin/env python3
"""Asks a real NATS server about every case of configurations.txt and writes what it answers to recorded.txt.

    NATS_SERVER_BIN=/path/to/nats-server crates/config/tests/record.py

Only `-t` is run: no port is opened. The server lists several problems in random order; each case is asked some
times, and the lines of an answer are sorted. What it says of its own crashes is left out.
"""
import os, pathlib, re, subprocess, sys, tempfile

here = pathlib.Path(__file__).parent
server = os.environ["NATS_SERVER_BIN"]
environment = {"PATH": os.environ["PATH"]}


def cases(text):
    """Yields (name, files, variables). See configurations.txt for the format."""
    name, files, variables, current = None, None, None, None
    for line in text.split("\n"):
        if line.startswith("=== "):
            if name:
                yield name, files, variables
            name, files, variables, current = line[4:], {"c.conf": []}, {}, "c.conf"
        elif line.startswith("--- file ") and name:
            current = line[9:]
            files[current] = []
        elif line.startswith("--- env ") and name:
            key, value = line[8:].split("=", 1)
            variables[key] = unescape(value).decode()
        elif name:
            files[current].append(line)
    if name:
        yield name, files, variables


def unescape(text):
    """`~xHH` is a byte, `~~` a tilde, `~` at the end of a line joins it with the next."""
    out = re.sub(rb"~(x[0-9a-f]{2}|\n|~)", lambda m: {b"\n": b"", b"~": b"~"}.get(m[1]) if m[1][:1] != b"x"
                 else bytes([int(m[1][1:], 16)]), text.encode())
    return out


def ask(files, variables):
    with tempfile.TemporaryDirectory() as folder:
        for name, lines in files.items():
            path = pathlib.Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(unescape("\n".join(lines)))
        run = subprocess.run([server, "-t", "-c", "c.conf"], cwd=folder, env=environment | variables,
                             capture_output=True, timeout=20)
    text = run.stderr.decode(errors="replace").replace("\r", "~x0d").replace("\0", "~x00")
    lines = [re.sub(r"^nats-server: ", "", line) for line in text.split("\n") if line and "nil pointer" not in line]
    return "\n".join([f"exit {run.returncode}"] + sorted(set(lines)))


with open(here / "recorded.txt", "w") as out:
    for name, files, variables in cases((here / "configurations.txt").read_text()):
        answers = {ask(files, variables) for _ in range(1 if len(sys.argv) > 1 else 3)}
        out.write(f"=== {name}\n{max(answers, key=len)}\n")
        if len(answers) > 1:
            print(f"{name}: answers vary:\n" + "\n--\n".join(answers), file=sys.stderr)

// A server process for the checks, started by the command in SERVER_COMMAND (a JSON array).

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const [program, ...programArguments] = JSON.parse(process.env.SERVER_COMMAND);
export const certificates = process.env.CERTIFICATES;
const readyWithinMs = 20_000;

// A server on a port of its own.
export class Server {
  static async start({ config = "", flags = [] } = {}) {
    const server = new Server();
    server.folder = mkdtempSync(join(tmpdir(), "server-"));
    server.flags = [...flags];
    if (config) {
      const path = join(server.folder, "server.conf");
      writeFileSync(path, config.replaceAll("<certs>", certificates));
      server.flags.push("-c", path);
    }
    server.port = await freePort();
    try {
      await server.start();
    } catch (error) {
      // Somebody else may have taken the port first.
      if (!error.message.includes("in use")) throw error;
      server.port = await freePort();
      await server.start();
    }
    return server;
  }

  get url() {
    return `nats://127.0.0.1:${this.port}`;
  }

  // Starts the process and waits for its word that it is ready.
  async start() {
    const path = join(this.folder, "log");
    const log = openSync(path, "w");
    const args = [...programArguments, "-a", "127.0.0.1", "-p", `${this.port}`, ...this.flags];
    this.process = spawn(program, args, { stdio: ["ignore", log, log] });
    this.exited = once(this.process, "exit");
    const deadline = Date.now() + readyWithinMs;
    while (!readFileSync(path, "utf8").includes("Server is ready")) {
      if (this.process.exitCode !== null || Date.now() > deadline) {
        throw new Error(`the server did not become ready:\n${readFileSync(path, "utf8")}`);
      }
      await sleep(5);
    }
  }

  // Kills the process, as a crash would.
  async stop() {
    this.process.kill("SIGKILL");
    await this.exited;
  }

  lameDuck() {
    this.process.kill("SIGUSR2");
  }

  async end() {
    await this.stop();
    rmSync(this.folder, { recursive: true });
  }
}

// A port below those that the system hands to outgoing connections.
async function freePort() {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    const probe = createServer();
    const bound = await new Promise((resolve) => {
      probe.once("error", () => resolve(false));
      probe.listen(port, "127.0.0.1", () => resolve(true));
    });
    if (bound) {
      await new Promise((resolve) => probe.close(resolve));
      return port;
    }
  }
}

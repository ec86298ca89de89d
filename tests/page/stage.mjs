// What the tests of the status page stand on: providers that do as they are told, the real binary, and a browser that
// notes everything a page should not do.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

/// Nothing takes this long unless something hangs, milliseconds.
export const PATIENCE = 20_000;

/// Waits until `check` gives something; says what was awaited where it never does.
export async function eventually(what, check) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const found = await check();
    if (found) {
      return found;
    }
    if (end < Date.now()) {
      throw new Error(`waited in vain for ${what}`);
    }
    await new Promise((done) => setTimeout(done, 25));
  }
}

/// A provider on a loopback port that answers every request as `answer(request)` says: a status and a body.
export async function provider(answer) {
  const server = createServer((request, response) => {
    request.resume();
    request.on("end", () => {
      const [status, body] = answer(request);
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify(body));
    });
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

/// A good answer.
export const good = () => [
  200,
  {
    id: "msg_1",
    type: "message",
    role: "assistant",
    model: "claude-sonnet-5",
    content: [{ type: "text", text: "hello" }],
    stop_reason: "end_turn",
    stop_sequence: null,
    usage: { input_tokens: 1200, output_tokens: 34 },
  },
];

/// An error of a provider.
export const bad = (status, type, message) => () => [status, { type: "error", error: { type, message } }];

/// The real binary with a configuration, or with none.
export class Pointsman {
  static async start(yaml, env = {}) {
    const it = new Pointsman();
    it.directory = mkdtempSync(join(tmpdir(), "page-"));
    it.config = join(it.directory, "config.yaml");
    const words = [];
    if (yaml) {
      writeFileSync(it.config, yaml);
      words.push("--config", it.config);
    }
    it.lines = [];
    // Whatever becomes of the tests, it ends with them.
    process.on("exit", () => it.process.kill("SIGKILL"));
    it.process = spawn(process.env.POINTSMAN_BIN, words, {
      cwd: it.directory,
      env: { PATH: process.env.PATH, HOME: it.directory, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [it.process.stdout, it.process.stderr]) {
      createInterface({ input: stream }).on("line", (line) => it.lines.push(line));
    }
    const line = await eventually("the program to listen", () =>
      it.lines.find((line) => /(listening on|demo at) http/.test(line)),
    );
    it.url = line.match(/https?:\/\/[\d.:]+\d/)[0];
    return it;
  }

  /// One request of a client.
  async ask(model = "claude-sonnet-5", headers = {}) {
    const body = JSON.stringify({ model, max_tokens: 9, messages: [{ role: "user", content: "hi" }] });
    const answer = await fetch(`${this.url}/v1/messages`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body,
    });
    return [answer.status, await answer.text()];
  }

  rewrite(yaml) {
    writeFileSync(this.config, yaml);
  }

  read() {
    return readFileSync(this.config, "utf8");
  }

  async stop() {
    const ended = new Promise((done) => this.process.on("exit", done));
    this.process.kill("SIGKILL");
    await ended;
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/// A page that notes what it should not do: errors, broken policies, requests to anywhere else.
export async function open(browser, url, { scheme = "light", width = 1280, height = 900, script = true, ...more } = {}) {
  const context = await browser.newContext({
    colorScheme: scheme,
    viewport: { width, height },
    javaScriptEnabled: script,
    locale: "en-GB",
    timezoneId: "Europe/Berlin",
    ...more,
  });
  const page = await context.newPage();
  const faults = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) {
      faults.push(`console: ${message.text()}`);
    }
  });
  page.on("pageerror", (error) => faults.push(`script: ${error.message}`));
  page.on("dialog", (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== new URL(url).origin) {
      faults.push(`request: ${request.url()}`);
    }
  });
  const answer = await page.goto(url);
  return { page, context, faults, answer };
}

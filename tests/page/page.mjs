// The status page as a person meets it: with and without a script, light and dark, narrow and wide, while providers come
// and go and strangers choose names.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";

import { chromium } from "playwright-core";

import { Pointsman, bad, eventually, good, open, provider } from "./stage.mjs";

const PICTURES = "pictures";
mkdirSync(PICTURES, { recursive: true });

// As root, which continuous integration often is, Chromium has no sandbox to offer.
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM_BIN,
  args: ["--no-sandbox", "--disable-dev-shm-usage"],
});

const HOSTILE = 'two "quotes" <b>bold</b>';

/// A configuration of providers by name: their lines, and what else there is.
const yaml = (providers, rest = "") => `providers:
${providers.map(([name, line]) => `  - {name: '${name}', ${line}}`).join("\n")}
settings: {port: 0, watch_config: 0, unhealthy_threshold: 2}
ledger: {path: usage.db}
${rest}`;

const keyed = (url) => `base_url: "${url}", auth_value: sk-page-0123456789`;
const everything = (names) =>
  `model_routes: {"*": [${names.map((it, index) => `{provider: '${it}', priority: ${index + 1}}`).join(", ")}]}`;

/// Pictures of a state, and what must hold however it is looked at.
async function pictures(name, url) {
  for (const scheme of ["light", "dark"]) {
    for (const width of [360, 1600]) {
      const seen = await open(browser, url, { scheme, width });
      await seen.page.getByText("up to date").waitFor();
      await seen.page.screenshot({ path: `${PICTURES}/${name}-${scheme}-${width}.png`, fullPage: true });
      const wide = await seen.page.evaluate(() => document.documentElement.scrollWidth);
      assert(wide <= width, `${name} at ${width} is ${wide} wide`);
      assert.deepEqual(await seen.page.evaluate(pale), [], `${name}, ${scheme}: contrast below 4.5`);
      assert.deepEqual(seen.faults, []);
      await seen.context.close();
    }
  }
}

/// Texts that stand out too little from what is behind them (WCAG 2: 4.5 to 1). Runs in the page.
function pale() {
  const numbers = (color) => color.match(/[\d.]+/g).map(Number);
  const light = ([red, green, blue]) => {
    const [r, g, b] = [red, green, blue].map((it) => {
      const part = it / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = numbers(getComputedStyle(at).backgroundColor);
      if (color.length < 4 || color[3] === 1) {
        return color;
      }
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest("noscript")) {
      continue;
    }
    const two = [light(numbers(getComputedStyle(element).color)), light(behind(element))].sort((a, b) => b - a);
    if ((two[0] + 0.05) / (two[1] + 0.05) < 4.5) {
      found.push(walker.currentNode.data);
    }
  }
  return found;
}

const cases = {
  async "an empty demo says what to try, without a script"() {
    const demo = await Pointsman.start("", { PORT: "0" });
    const { page, context, faults, answer } = await open(browser, `${demo.url}/`, { script: false });
    assert.match(answer.headers()["content-security-policy"], /^default-src 'none'; style-src 'self'; script-src 'self';/);
    assert(!answer.headers()["content-security-policy"].includes("unsafe"));
    assert.equal(await page.locator("h1").textContent(), "pointsman");
    const commands = await page.locator("pre").allTextContents();
    assert.equal(commands.length, 3);
    assert(commands.every((it) => it.includes(demo.url)), commands.join("\n"));
    assert.match(await page.locator(".verdict").textContent(), /Both providers serve/);
    assert.match(await page.locator("#providers").textContent(), /ready, not asked yet/);
    assert.match(await page.locator("body").innerText(), /Reload this page/);
    assert.deepEqual(faults, []);
    await context.close();
    // It is for people to look at, and others get what they always got.
    const plain = await fetch(`${demo.url}/`);
    assert.equal(plain.headers.get("content-type"), "application/json");
    assert.equal((await plain.json()).status, "healthy");
    await pictures("empty", `${demo.url}/`);
    await demo.stop();
  },

  async "a provider that goes down is seen without reloading, and nothing else moves"() {
    let mood = good;
    const first = await provider((request) => mood(request));
    const second = await provider(good);
    const names = ["first", "second"];
    const it = await Pointsman.start(
      yaml([["first", keyed(first.url)], ["second", keyed(second.url)]], everything(names)),
    );
    await it.ask();
    const { page, context, faults } = await open(browser, `${it.url}/`, { height: 300 });
    await page.getByText("Both providers serve").waitFor();
    await page.locator("#providers tr", { hasText: "first" }).getByText("serving", { exact: true }).waitFor();
    const place = () => page.evaluate(() => document.querySelector("#providers").getBoundingClientRect().top);
    await page.evaluate(() => {
      document.querySelector("#providers").scrollIntoView();
      document.querySelector("#config p").kept = true;
      document.querySelector("h1").kept = true;
    });
    const before = await place();
    mood = bad(500, "api_error", "boom");
    for (let asked = 0; asked < 3; asked += 1) {
      assert.equal((await it.ask())[0], 200);
    }
    await page.getByText("1 of 2 providers serve.").waitFor();
    const row = page.locator("#providers tbody tr", { hasText: "first" });
    assert.match(await row.textContent(), /circuit open until \d\d:\d\d:\d\d after 2 server errors/);
    const failover = page.locator("#failovers tbody tr").first();
    assert.match(await failover.textContent(), /claude-sonnet-5.*first: 500 upstream_status.*second/);
    // What to try has come in above it.
    assert.equal(await page.locator("#next h3").count(), 1);
    assert(Math.abs((await place()) - before) <= 2, "what somebody reads stays where it is");
    const kept = await page.evaluate(() => [document.querySelector("#config p").kept, document.querySelector("h1").kept]);
    assert.deepEqual(kept, [true, true], "what did not change was not touched");
    // Moments are those of the place where the browser is.
    const [written, shown] = await row.locator("time").first().evaluate((time) => [time.dateTime, time.textContent]);
    const zone = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium", timeZone: "Europe/Berlin" });
    assert.equal(shown, zone.format(new Date(written)));
    assert.deepEqual(faults, []);
    await context.close();
    await it.stop();
    first.close();
    second.close();
  },

  async "names of strangers are only text, with and without a script"() {
    const failing = await provider(bad(500, "api_error", "<img src=x onerror=alert(1)>"));
    const serving = await provider((request) => {
      const refused = request.headers["x-api-key"] === "sk-page-two-0123456789";
      return refused ? bad(401, "authentication_error", "invalid x-api-key")() : good();
    });
    const keys = "api_keys: [sk-page-one-0123456789, sk-page-two-0123456789, sk-page-six-0123456789]";
    const names = ["broken", "proxied", HOSTILE];
    const text = yaml(
      [
        ["broken", keyed(failing.url)],
        ["proxied", `base_url: "https://provider.example", auth_value: sk-p, proxy: "http://me:hunter2@127.0.0.1:1"`],
        [HOSTILE, `base_url: "${serving.url}", ${keys}`],
        ["later", `${keyed(serving.url)}, enabled: false`],
      ],
      everything(names),
    );
    const it = await Pointsman.start(text);
    const hostile = "claude-<script>alert(1)</script>\u202e'\"&";
    for (let asked = 0; asked < 4; asked += 1) {
      assert.equal((await it.ask(hostile))[0], 200);
    }
    it.rewrite(`${text}\nsettingz: {}\n`);
    assert.equal((await fetch(`${it.url}/providers/reload`, { method: "POST" })).status, 500);
    for (const script of [true, false]) {
      const { page, context, faults } = await open(browser, `${it.url}/`, { script });
      const body = page.locator("body");
      await page.getByText("1 of 3 providers serve.").waitFor();
      const said = await body.innerText();
      for (const wanted of [
        "claude-<script>alert(1)</script>\ufffd'\"&",
        HOSTILE,
        "key 2 of 3 benched: refused with status 401",
        "after 2 failures of its proxy",
        "through http://***@127.0.0.1:1",
        "<img src=x onerror=alert(1)>",
        "disabled",
        "The configuration on disk is not in force",
        "did you mean `settings`?",
        "Requests today",
      ]) {
        assert(said.includes(wanted), `${wanted} is not in:\n${said}`);
      }
      assert(!said.includes("hunter2"));
      assert.equal(await page.locator("body script, body img, body b").count(), 0);
      assert.deepEqual(faults, []);
      await context.close();
    }
    await pictures("failing", `${it.url}/`);
    await it.stop();
    failing.close();
    serving.close();
  },

  async "with an admin key a browser is asked for it, and nobody else is shown anything"() {
    const only = await provider(good);
    const rest = `${everything(["only"])}\nadmin: {key: admin-0123456789}`;
    const it = await Pointsman.start(yaml([["only", keyed(only.url)]], rest));
    const stranger = await open(browser, `${it.url}/`, { script: false });
    assert.equal(stranger.answer.headers()["content-type"], "application/json");
    const refused = await fetch(`${it.url}/admin/status`, { headers: { accept: "text/html" } });
    assert.equal(refused.status, 401);
    assert.match(refused.headers.get("www-authenticate"), /^Basic realm="Pointsman/);
    const live = await fetch(`${it.url}/admin/status/live`);
    assert.deepEqual([live.status, live.headers.get("www-authenticate")], [401, null]);
    await stranger.context.close();

    const httpCredentials = { username: "anybody", password: "admin-0123456789" };
    const { page, context, answer } = await open(browser, `${it.url}/admin/status`, { httpCredentials });
    assert.equal(answer.status(), 200);
    await page.getByText("up to date").waitFor();
    await it.ask();
    await page.getByText("serving", { exact: true }).waitFor();
    // What the browser remembers is of no use to pages of others.
    const basic = `Basic ${Buffer.from("anybody:admin-0123456789").toString("base64")}`;
    for (const [headers, status] of [
      [{}, 200],
      [{ origin: "https://evil.example" }, 401],
      [{ "sec-fetch-site": "cross-site" }, 401],
    ]) {
      const reload = { method: "POST", headers: { authorization: basic, ...headers } };
      assert.equal((await fetch(`${it.url}/providers/reload`, reload)).status, status);
    }
    await context.close();
    await it.stop();
    only.close();
  },

  async "it rests while nobody looks, and says so when it is out of reach"() {
    const only = await provider(good);
    const it = await Pointsman.start(yaml([["only", keyed(only.url)]], everything(["only"])));
    const { page, context, faults } = await open(browser, `${it.url}/`);
    await page.getByText("up to date").waitFor();
    let asked = 0;
    page.on("request", () => (asked += 1));
    const look = (hidden) =>
      page.evaluate((hidden) => {
        Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
      }, hidden);
    await look(true);
    await page.getByText("paused").waitFor();
    const before = asked;
    await new Promise((done) => setTimeout(done, 2500));
    assert.equal(asked, before, "it asks although nobody looks");
    await look(false);
    await page.getByText("up to date").waitFor();
    assert(before < asked);
    assert.deepEqual(faults, []);
    await it.stop();
    await page.getByText("not reachable since").waitFor();
    assert.match(await page.locator("#providers").textContent(), /only/, "what was known stays");
    await context.close();
    only.close();
  },

  async "tables stay tables for those who cannot see them"() {
    const only = await provider(good);
    const it = await Pointsman.start(yaml([["only", keyed(only.url)]], everything(["only"])));
    await it.ask();
    for (const width of [360, 1280]) {
      const { page, context } = await open(browser, `${it.url}/`, { width });
      await page.getByRole("heading", { level: 1, name: "pointsman" }).waitFor();
      const headings = await page.getByRole("heading", { level: 2 }).allTextContents();
      assert.deepEqual(headings, ["Providers", "Last failovers", "Figures", "Configuration"]);
      await page.getByRole("columnheader", { name: "First content" }).waitFor();
      await page.getByRole("rowheader", { name: "only" }).waitFor();
      assert.equal(await page.getByRole("row").count(), 2);
      await page.getByRole("status").filter({ hasText: "The provider serves." }).waitFor();
      await context.close();
    }
    await pictures("well", `${it.url}/`);
    await it.stop();
    only.close();
  },
};

let failed = 0;
const began = Date.now();
for (const [name, run] of Object.entries(cases)) {
  try {
    await run();
    console.log(`ok      ${name}`);
  } catch (fault) {
    failed += 1;
    console.log(`FAILED  ${name}\n${fault.stack}`);
  }
}
await browser.close();
console.log(`${Object.keys(cases).length - failed} passed, ${failed} failed, in ${((Date.now() - began) / 1000).toFixed(0)} s`);
process.exit(failed === 0 ? 0 : 1);

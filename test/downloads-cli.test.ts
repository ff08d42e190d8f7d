import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, test } from "node:test";
import { startCommand } from "./harness/command.ts";
import { droverOf } from "./harness/drover.ts";
import { eventually } from "./harness/self-hosted.ts";

/** How the fake answers for what a file holds. */
let content: "whole" | "cut" | "slow" = "whole";
let filename = "made.txt";
const server = createServer((request, answer) => {
  if (!request.url?.includes("/content")) {
    answer
      .writeHead(200, { "content-type": "application/json" })
      .end(JSON.stringify({ id: "file_1", filename }));
    return;
  }
  answer.writeHead(200, { "content-type": "text/plain", "content-length": "8" }).write("half");
  if (content === "whole") answer.end("half");
  if (content === "cut") setImmediate(() => answer.destroy());
}).listen(0, "127.0.0.1");
await once(server, "listening");
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const drover = droverOf({ url, key: "any" });
after(() => {
  drover.close();
  server.close();
  server.closeAllConnections();
});
const at = (path: string) => join(drover.folder, path);
const download = ["files", "download", "file_1"];

test("a file is saved whole or not at all, and one that it was to replace stays", async () => {
  mkdirSync(at("whole"));
  content = "cut";
  for (const args of [
    ["-o", "whole/new"],
    ["-o", "whole/old", "--force"],
  ]) {
    writeFileSync(at("whole/old"), "precious");
    const { code, err } = await drover([...download, ...args]);
    assert.deepEqual([code, err], [5, `The server at ${url} broke off its answer.\n`]);
    assert.deepEqual(readdirSync(at("whole")), ["old"]);
    assert.equal(readFileSync(at("whole/old"), "utf8"), "precious");
  }
  const printed = await drover([...download, "-o", "-"]);
  assert.equal(printed.code, 5);

  content = "whole";
  execFileSync("chmod", ["600", at("whole/old")]);
  await drover.done([...download, "-o", "whole/old", "--force"]);
  assert.equal(readFileSync(at("whole/old"), "utf8"), "halfhalf");
  assert.equal(statSync(at("whole/old")).mode & 0o777, 0o600);
  assert.equal(await drover.done([...download, "-o", "-"]), "halfhalf");
});

test("Ctrl-C leaves nothing of a file that has not come whole", async () => {
  mkdirSync(at("stopped"));
  content = "slow";
  const { child, ended } = startCommand([...download, "-o", at("stopped/new")], drover.env);
  await eventually(
    async () => readdirSync(at("stopped")),
    (names) => names.length > 0,
  );
  child.kill("SIGINT");
  await ended;
  content = "whole";
  assert.equal(child.exitCode, 130);
  assert.deepEqual(readdirSync(at("stopped")), []);
});

test("what is no file is written to, and stays what it is", async () => {
  // Root's would be gone where it were removed.
  const device = process.getuid?.() === 0 ? at("full") : "/dev/full";
  if (device !== "/dev/full") execFileSync("mknod", [device, "c", "1", "7"]);
  const full = await drover([...download, "-o", device, "--force"]);
  assert.deepEqual([full.code, full.err], [1, "There is no room left on the disk.\n"]);
  assert.ok(statSync(device).isCharacterDevice());
  writeFileSync(at("target"), "before");
  symlinkSync("target", at("link"));
  assert.match(
    (await drover([...download, "-o", "link"])).err,
    /^link is there already: --force replaces it\n$/,
  );
  await drover.done([...download, "-o", "link", "--force"]);
  assert.equal(readFileSync(at("target"), "utf8"), "halfhalf");
  mkdirSync(at("folder"));
  for (const args of [[], ["--force"]])
    assert.equal(
      (await drover([...download, "-o", "folder", ...args])).err,
      "folder is a folder: name a file\n",
    );
});

test("a name that the server gives leads nowhere else", async () => {
  for (const name of ["../escaped", "/tmp/../etc/escaped", "", ".", "a/../../escaped"]) {
    filename = name;
    const { code, out } = await drover([...download, "--force"]);
    assert.equal(code, name.startsWith("/") ? 0 : 1, name);
    assert.equal(out, "");
  }
  filename = "made.txt";
  assert.ok(!existsSync(join(drover.folder, "..", "escaped")));
  assert.ok(!existsSync("/etc/escaped"));
});

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import {
  userNamespacesForbidden,
  withoutUserNamespaces,
} from "../../src/hands/drivers/testing-namespaces.ts";
import { others } from "./drivers.ts";
import { tryToLeave } from "./try-to-leave.ts";

const battery = fileURLToPath(import.meta.resolve("./escapes.test.ts"));
const skip =
  (process.getuid?.() !== 0 && "needs root") ||
  (userNamespacesForbidden && "this is such a place, or needs them");

test("where user namespaces are forbidden, nothing gets out of a sandbox either", { skip }, async () => {
  const { code, output } = await withoutUserNamespaces([process.execPath, battery]);
  assert.equal(code, 0, output);
});

test("nothing gets out of the sandboxes of an ordinary user", { skip }, async (t) => {
  const nobody = { uid: 65534, gid: 65534, cwd: "/", env: { PATH: process.env.PATH, TMPDIR: "/tmp" } };
  const reach = spawn(process.execPath, ["-e", "0"], { ...nobody, stdio: "ignore" });
  const reached = await Promise.race([once(reach, "exit"), once(reach, "error")]);
  if (reached[0] !== 0) return t.skip("nobody cannot reach this node binary");
  const run = spawn(process.execPath, [battery], { ...nobody, stdio: ["ignore", "pipe", "pipe"] });
  const [output, errors, [code]] = await Promise.all([text(run.stdout), text(run.stderr), once(run, "exit")]);
  assert.equal(code, 0, output + errors);
});

for (const driver of others) tryToLeave(driver);

import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import {
  userNamespacesForbidden as forbidden,
  withoutUserNamespaces,
} from "../src/hands/drivers/testing-namespaces.ts";

const asRoot = process.getuid?.() === 0;

for (const name of ["drivers/programs", "images/images"]) {
  const skip = (!asRoot && "needs root") || (forbidden && "this is such a place");
  test(`where user namespaces are forbidden, root has the same sandboxes: ${name}`, { skip }, async () => {
    const file = fileURLToPath(import.meta.resolve(`../src/hands/${name}.test.ts`));
    const { code, output } = await withoutUserNamespaces([process.execPath, file]);
    assert.equal(code, 0, output);
  });
}

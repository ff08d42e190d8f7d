import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { describe, test } from "node:test";
import type { Start } from "../../src/hands/drivers/bubblewrap.ts";
import { skip as hostSkip } from "../../src/hands/layers/testing-host.ts";
import { tryAsPackage } from "./installers-rig.ts";
import { python } from "./rig.ts";
import { type Change, changing, replaced, uncovered, without } from "./walls.ts";

const skip = hostSkip || (!existsSync(python) && `the attempts need ${python}`);

test("nothing that the code of a package tries gets out of where it is installed", { skip }, async () => {
  const failed = (await tryAsPackage()).filter(({ was }) => was !== "held");
  assert.deepEqual(
    failed.map(({ group, attempt, said, was }) => `${was}: ${group}: ${attempt.name}: ${said}`),
    [],
  );
});

/** Where a package is installed, and not the sandbox that has it later. */
const forInstallers = (...changes: Change[]) => {
  const weaken = changing(...changes);
  return (start: Start) => (start.args.includes("CAP_FSETID") ? weaken(start) : start);
};

const weakenings: { name: string; weaken(start: Start): Start; falls: string[] }[] = [
  {
    name: "a filter of system calls, and with capabilities",
    weaken: forInstallers(
      ...[without("--seccomp", 1), without("--disable-userns")],
      replaced(["--cap-drop", "ALL"], ["--cap-add", "ALL"]),
    ),
    falls: ["exhaustion", "network", "privileges"],
  },
  { name: "what covers /proc", weaken: forInstallers(uncovered("/proc/")), falls: ["/proc"] },
  {
    name: "a root of its own",
    weaken: forInstallers((args) => {
      const at = args.indexOf("--chdir");
      return [...args.slice(0, at), "--ro-bind", "/", "/mnt/host", ...args.slice(at)];
    }),
    falls: ["the host's disk"],
  },
  {
    name: "sizes of what is memory",
    weaken: forInstallers(without("--size", 1)),
    falls: ["exhaustion"],
  },
];

describe("where packages are installed without one of the walls, one gets through", { skip }, () => {
  for (const { name, weaken, falls } of weakenings) {
    test(`without ${name}`, async () => {
      const escaped = (await tryAsPackage(weaken)).filter(({ was }) => was === "escaped");
      assert.deepEqual([...new Set(escaped.map(({ group }) => group))].sort(), falls);
    });
  }
});

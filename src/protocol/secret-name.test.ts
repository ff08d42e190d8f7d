import assert from "node:assert/strict";
import { test } from "node:test";
import { trustEnvironment } from "../hands/drivers/trust.ts";
import { environment } from "../hands/drivers/variables.ts";
import { proxyEnvironment } from "../hands/network/inside.ts";
import { secretNameProblem } from "./secret-name.ts";

test("a name that programs can use is taken", () => {
  for (const name of ["API_KEY", "token", "_x", "GIT_TOKEN", "GITHUB_TOKEN", "A1", "x".repeat(255)])
    assert.equal(secretNameProblem(name), null, name);
});

test("one that no shell could set is refused", () => {
  for (const name of ["", "1A", "A-B", "A B", "A=B", "A\n", "Ä", "A.B", "$A", "x".repeat(256), "A\0"])
    assert.match(secretNameProblem(name) ?? "", /^must be the name of an environment variable/, name);
});

test("one that the sandbox or its programs need is refused by its name", () => {
  const set = { ...environment({}), ...proxyEnvironment, ...trustEnvironment };
  const others = ["_", "IFS", "LD_PRELOAD", "LD_AUDIT", "BASH_ENV", "BASH_FUNC_ls", "ENV", "LC_ALL", "PWD"];
  for (const name of [...Object.keys(set), ...others, "http_proxy", "ftp_proxy", "GIT_SSL_NO_VERIFY"])
    assert.match(secretNameProblem(name) ?? "", new RegExp(`^${name} is a variable that`), name);
});

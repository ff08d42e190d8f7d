import type { Namespace } from "../driver.ts";
import { proxyEnvironment } from "../network/inside.ts";
import type { SandboxSpec } from "../wire.ts";
import { inside } from "./root-filesystem.ts";
import { trustEnvironment } from "./trust.ts";

/**
 * All that the programs of a sandbox have in their environment. What its session's secrets are called comes first: nothing that
 * the sandbox itself needs can be replaced by it.
 */
export const variablesOf = (
  { credentials }: Pick<SandboxSpec, "credentials">,
  env: Readonly<Record<string, string>>,
  network: Namespace | undefined,
): Record<string, string> => ({
  ...placeholders(credentials?.placeholders ?? {}),
  ...environment(env),
  ...(network && proxyEnvironment),
  ...(credentials && trustEnvironment),
});

const placeholders = (named: Readonly<Record<string, string>>) =>
  Object.fromEntries(
    Object.entries(named).filter(([name]) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !beginsOtherwise(name)),
  );

export const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** By these an image would have a say in what the first process does, which has them too. */
export const beginsOtherwise = (name: string) =>
  /^(LD_|BASH_|(BASHOPTS|SHELLOPTS|ENV|IFS|PS4|PROMPT_COMMAND|GCONV_PATH|GLIBC_TUNABLES)$)/.test(name);

/** With what the programs of its root filesystem expect. */
export const environment = ({ PATH = systemPath, ...others }: Readonly<Record<string, string>>) => ({
  LANG: "C.UTF-8",
  ...Object.fromEntries(Object.entries(others).filter(([name]) => !beginsOtherwise(name))),
  PATH: `${inside.home}/.local/bin:${PATH}`,
  HOME: inside.home,
  USER: inside.user,
  LOGNAME: inside.user,
  SHELL: "/bin/bash",
  TERM: "dumb",
});

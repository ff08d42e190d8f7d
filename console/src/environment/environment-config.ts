import { type Environment, packageManagers } from "../../../src/protocol/environments.ts";
import { resourceNames } from "../../../src/protocol/sandbox-resources.ts";
import { type Body, bodyOf, updateOf } from "../config/checked.ts";
import { isObject } from "../config/merge.ts";

/** What an environment is made with, and how one becomes another. */

export const environmentFields = ["name", "description", "config", "metadata"];

export const firstEnvironment: Body = { name: "default", config: { type: "cloud" } };

export const listOf = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((entry) => typeof entry === "string") : [];
export const objectOf = (value: unknown): Body => (isObject(value) ? value : {});

/** As a client would write it: without the packages of managers that have none. */
export function environmentBody(environment: Environment): Body {
  const body = bodyOf(environment, environmentFields);
  if (environment.config.type !== "cloud") return body;
  const { packages, ...config } = environment.config;
  const some = packageManagers.filter((manager) => packages[manager].length > 0);
  return {
    ...body,
    config: {
      ...config,
      ...(some.length > 0 && {
        packages: Object.fromEntries(some.map((manager) => [manager, packages[manager]])),
      }),
    },
  };
}

/** The server keeps what an update does not name, within `config` too: what is not in `after` any more is named, as empty. */
export function environmentUpdate(before: Body, after: Body): Body {
  const update = updateOf(before, after);
  if (!("config" in update)) return update;
  const config = after.config ?? { type: "cloud" };
  if (!isObject(config) || config.type !== "cloud") return update;
  const packages = objectOf(config.packages);
  const resources = objectOf(config.resources);
  return {
    ...update,
    config: {
      ...config,
      networking: config.networking ?? { type: "unrestricted" },
      packages: {
        ...packages,
        ...Object.fromEntries(packageManagers.map((manager) => [manager, packages[manager] ?? []])),
      },
      resources: {
        ...resources,
        ...Object.fromEntries(resourceNames.map((name) => [name, resources[name] ?? null])),
      },
      image: config.image ?? null,
      setup: config.setup ?? null,
    },
  };
}

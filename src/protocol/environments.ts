import { z } from "zod";
import { limits } from "../limits.ts";
import { isAllowedHost } from "./domains.ts";
import { invalid } from "./errors.ts";
import { type Metadata, metadata, metadataParams, metadataPatch, patchedMetadata } from "./metadata.ts";
import { pageQuery, queryBoolean } from "./page.ts";
import {
  mergedResources,
  type ResourceLimits,
  requireWithin,
  resourceParams,
  resources,
} from "./sandbox-resources.ts";

/** An *environment* says where the tools of a session run, and what they may reach. */

export const packageManagers = ["apt", "cargo", "gem", "go", "npm", "pip"] as const;
export type PackageManager = (typeof packageManagers)[number];

const packageParams = z
  .array(
    z
      .string()
      .min(1)
      .max(256)
      .regex(/^[^-\s][^\s]*$/, "must be a package name without spaces that does not start with a hyphen"),
  )
  .max(256)
  .nullish();

const unrestricted = z.strictObject({ type: z.literal("unrestricted") });
const allowedHosts = z
  .array(
    z
      .string()
      .min(1)
      .max(255)
      .refine(isAllowedHost, 'must be a hostname, or one under "*.", without scheme, port or path'),
  )
  .max(256);

const setup = z.array(z.string().min(1).max(limits.setup_command_chars_max)).max(limits.setup_commands_max);

export const imageName = z
  .string()
  .max(200)
  .regex(/^[a-z0-9][a-z0-9._/:@-]*$/, "must be the name of an image, such as debian or python:3.13");

const cloudParams = z.strictObject({
  type: z.literal("cloud"),
  /** Beyond the official API, as are `image` and `setup`. */
  resources: resourceParams.nullish(),
  /** The root filesystem: the name of an image of the sandbox hosts. */
  image: imageName.nullish(),
  /** Commands of bash that are run once in each new workspace, before the first call of a tool. */
  setup: setup.nullish(),
  networking: z
    .discriminatedUnion("type", [
      unrestricted,
      z.strictObject({
        type: z.literal("limited"),
        allowed_hosts: allowedHosts.nullish(),
        allow_mcp_servers: z.boolean().nullish(),
        allow_package_managers: z.boolean().nullish(),
      }),
    ])
    .nullish(),
  packages: z
    .strictObject({
      type: z.literal("packages").optional(),
      apt: packageParams,
      cargo: packageParams,
      gem: packageParams,
      go: packageParams,
      npm: packageParams,
      pip: packageParams,
    })
    .nullish(),
});
type CloudParams = z.infer<typeof cloudParams>;

const selfHosted = z.strictObject({ type: z.literal("self_hosted") });
const configParams = z.discriminatedUnion("type", [cloudParams, selfHosted]);
export type EnvironmentConfigParams = z.infer<typeof configParams>;

const name = z.string().min(1).max(256);
const description = z.string().max(2048).nullish();
const scope = z
  .enum(["organization", "account"])
  .refine((value) => value === "organization", 'only "organization" is supported')
  .nullish();

export const createEnvironmentBody = z.strictObject({
  name,
  description,
  config: configParams.nullish(),
  metadata: metadataParams.optional(),
  scope,
});
export type CreateEnvironment = z.infer<typeof createEnvironmentBody>;

export const updateEnvironmentBody = z.strictObject({
  name: name.nullish(),
  description,
  config: configParams.nullish(),
  metadata: metadataPatch.optional(),
  scope,
});
export type UpdateEnvironment = z.infer<typeof updateEnvironmentBody>;

export const listEnvironmentsQuery = pageQuery().extend({ include_archived: queryBoolean.default(false) });
export type ListEnvironments = z.infer<typeof listEnvironmentsQuery>;

const packageList = z.array(z.string());
const cloud = z.object({
  type: z.literal("cloud"),
  resources: resources.optional(),
  image: z.string().optional(),
  setup: z.array(z.string()).optional(),
  networking: z.discriminatedUnion("type", [
    z.object({ type: z.literal("unrestricted") }),
    z.object({
      type: z.literal("limited"),
      allowed_hosts: z.array(z.string()),
      allow_mcp_servers: z.boolean(),
      allow_package_managers: z.boolean(),
    }),
  ]),
  packages: z.object({
    type: z.literal("packages"),
    apt: packageList,
    cargo: packageList,
    gem: packageList,
    go: packageList,
    npm: packageList,
    pip: packageList,
  }),
});
export type CloudConfig = z.infer<typeof cloud>;

export const environmentConfig = z.discriminatedUnion("type", [cloud, selfHosted]);
export type EnvironmentConfig = z.infer<typeof environmentConfig>;

/** What a client can set. */
const settable = {
  name: z.string(),
  description: z.string().nullable(),
  config: environmentConfig,
  metadata,
  scope: z.literal("organization"),
};
export const environment = z.object({
  id: z.string(),
  type: z.literal("environment"),
  ...settable,
  created_at: z.string(),
  updated_at: z.string(),
  archived_at: z.string().nullable(),
});
export type Environment = z.infer<typeof environment>;
export type EnvironmentSettings = Pick<Environment, keyof typeof settable>;

export const deletedEnvironment = z.object({ id: z.string(), type: z.literal("environment_deleted") });

export const cloudDefault: CloudConfig = {
  type: "cloud",
  networking: { type: "unrestricted" },
  packages: { type: "packages", apt: [], cargo: [], gem: [], go: [], npm: [], pip: [] },
};

/** `maximum`: what the server gives a sandbox. */
export function createdEnvironment(params: CreateEnvironment, maximum: ResourceLimits): EnvironmentSettings {
  const config = params.config ?? { type: "cloud" };
  if (config.type === "cloud") requireWithin(config.resources, maximum);
  return {
    name: params.name,
    description: params.description ?? null,
    config: config.type === "cloud" ? mergedCloud(cloudDefault, config) : config,
    metadata: params.metadata ?? {},
    scope: "organization",
  };
}

/** Omitted fields keep their value, inside `config` too. */
export function updatedEnvironment(
  current: EnvironmentSettings,
  params: UpdateEnvironment,
  maximum: ResourceLimits,
): EnvironmentSettings {
  if (params.config?.type === "cloud") requireWithin(params.config.resources, maximum);
  return {
    name: params.name ?? current.name,
    description: params.description === undefined ? current.description : params.description,
    config: params.config ? mergedConfig(current.config, params.config) : current.config,
    metadata: params.metadata
      ? patchedEnvironmentMetadata(current.metadata, params.metadata)
      : current.metadata,
    scope: current.scope,
  };
}

/** Here an empty string removes a key too. */
const patchedEnvironmentMetadata = (current: Metadata, patch: Record<string, string | null>) =>
  patchedMetadata(
    current,
    Object.fromEntries(Object.entries(patch).map(([key, value]) => [key, value === "" ? null : value])),
  );

function mergedConfig(current: EnvironmentConfig, params: EnvironmentConfigParams): EnvironmentConfig {
  if (current.type === "cloud" && params.type === "cloud") return mergedCloud(current, params);
  if (current.type === params.type) return current;
  throw invalid(`config.type: is "${current.type}" and cannot change`, {
    code: "invalid_config_type_change",
  });
}

function mergedCloud(current: CloudConfig, params: CloudParams): CloudConfig {
  const merged: CloudConfig = {
    type: "cloud",
    networking: mergedNetworking(current.networking, params.networking),
    packages: mergedPackages(current.packages, params.packages),
    ...present({
      resources: mergedResources(current.resources, params.resources),
      image: params.image === undefined ? current.image : (params.image ?? undefined),
      setup: params.setup === undefined ? current.setup : params.setup?.length ? params.setup : undefined,
    }),
  };
  const { networking, packages } = merged;
  if (
    networking.type === "limited" &&
    !networking.allow_package_managers &&
    packageManagers.some((manager) => packages[manager].length > 0)
  ) {
    throw invalid("config.packages: under limited networking, packages need allow_package_managers: true");
  }
  return merged;
}

/** What an environment does not say itself is not in its config, which then is the official API's. */
const present = (extra: Pick<CloudConfig, "resources" | "image" | "setup">) =>
  Object.fromEntries(Object.entries(extra).filter(([, value]) => value !== undefined)) as typeof extra;

function mergedNetworking(
  current: CloudConfig["networking"],
  params: CloudParams["networking"],
): CloudConfig["networking"] {
  if (!params) return current;
  if (params.type === "unrestricted") return params;
  const base = current.type === "limited" ? current : undefined;
  return {
    type: "limited",
    allowed_hosts: params.allowed_hosts ?? base?.allowed_hosts ?? [],
    allow_mcp_servers: params.allow_mcp_servers ?? base?.allow_mcp_servers ?? false,
    allow_package_managers: params.allow_package_managers ?? base?.allow_package_managers ?? false,
  };
}

function mergedPackages(
  current: CloudConfig["packages"],
  params: CloudParams["packages"],
): CloudConfig["packages"] {
  const over = (manager: PackageManager) => params?.[manager] ?? current[manager];
  return {
    type: "packages",
    apt: over("apt"),
    cargo: over("cargo"),
    gem: over("gem"),
    go: over("go"),
    npm: over("npm"),
    pip: over("pip"),
  };
}

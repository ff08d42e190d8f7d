import { isAbsolute } from "node:path";
import { z } from "zod";

/** By what the sandboxes of this machine are made. */
export interface DriverSettings {
  name: (typeof driverNames)[number];
  docker: DockerSettings;
}

export interface DockerSettings {
  /** The engine's unix socket. */
  socket: string;
  /** What sandboxes are made of whose environment names no image. Null: there are none. */
  image: string | null;
  /** Null: the engine's default. */
  runtime: string | null;
}

export const driverNames = ["bubblewrap", "gvisor", "docker"] as const;

const driverName = z.enum(driverNames, `must be one of ${driverNames.join(", ")}`);
const image = z.string().min(1, "must be the name of an image");
const runtime = z.string().min(1, "must be the name of a runtime that the engine knows");
const isSocket = (host: string) => host.startsWith("unix://") && isAbsolute(host.slice("unix://".length));
const host = z
  .string()
  .refine(isSocket, "must be unix:// and a path, for the files of sandboxes are on the engine's machine");

export const dockerShape = z.strictObject({
  host: host.optional(),
  image: image.optional(),
  runtime: runtime.optional(),
});

export const driverShape = { driver: driverName.optional(), docker: dockerShape.optional() };
type DriverFile = z.infer<z.ZodObject<typeof driverShape>>;

export const driverVariables = {
  DROVER_DRIVER: driverName.optional(),
  DROVER_DOCKER_HOST: host.optional(),
  DROVER_DOCKER_IMAGE: image.optional(),
  DROVER_DOCKER_RUNTIME: runtime.optional(),
};
type DriverVariables = z.infer<z.ZodObject<typeof driverVariables>>;

const defaultHost = "unix:///var/run/docker.sock";

/** Each variable holds before what the file says. */
export function driverSettings(env: DriverVariables, { driver, docker = {} }: DriverFile): DriverSettings {
  return {
    name: env.DROVER_DRIVER ?? driver ?? "bubblewrap",
    docker: {
      socket: (env.DROVER_DOCKER_HOST ?? docker.host ?? defaultHost).slice("unix://".length),
      image: env.DROVER_DOCKER_IMAGE ?? docker.image ?? null,
      runtime: env.DROVER_DOCKER_RUNTIME ?? docker.runtime ?? null,
    },
  };
}

/** For a process that is not given the file. */
export const driverEnvironment = ({ name, docker }: DriverSettings): Record<string, string> => ({
  DROVER_DRIVER: name,
  DROVER_DOCKER_HOST: `unix://${docker.socket}`,
  ...(docker.image !== null && { DROVER_DOCKER_IMAGE: docker.image }),
  ...(docker.runtime !== null && { DROVER_DOCKER_RUNTIME: docker.runtime }),
});

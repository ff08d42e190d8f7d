import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import type { MountSource } from "../bring-mounts.ts";
import type { HostConnection } from "../client.ts";
import { createFleet, type Fleet } from "../fleet.ts";
import type { Placements } from "../placement.ts";
import type { Mount, MountList } from "../wire.ts";

export const shaOf = (data: Buffer | string): string => createHash("sha256").update(data).digest("hex");

export interface TestSource extends MountSource {
  /** What all sessions mount from now on: the content by its path; a program's with an asterisk. */
  change(files: Record<string, Buffer | string>): void;
  version(): number;
  /** How often the list was asked for, and where each reading of a content began. */
  listed(): number;
  opened: { sha256: string; start: number }[];
  /** In place of how contents are read. */
  open: ((content: Buffer) => Readable | Promise<Readable>) | null;
}

/** What sessions mount, and its contents, in memory. */
export function testSource(): TestSource {
  const contents = new Map<string, Buffer>();
  let list: MountList = { version: 0, mounts: [] };
  let listed = 0;
  const source: TestSource = {
    opened: [],
    open: null,
    version: () => list.version,
    listed: () => listed,
    change(files) {
      const mounts = Object.entries(files).map(([name, text]): Mount => {
        const data = Buffer.from(text);
        const sha256 = shaOf(data);
        contents.set(sha256, data);
        return { path: name.replace(/\*$/, ""), sha256, bytes: data.length, executable: name.endsWith("*") };
      });
      list = { version: list.version + 1, mounts };
    },
    async listMounts() {
      listed += 1;
      return list;
    },
    async openContent(sha256, { start, end }) {
      source.opened.push({ sha256, start });
      const content = contents.get(sha256)?.subarray(start, end) ?? Buffer.alloc(0);
      return source.open ? source.open(content) : Readable.from([content]);
    },
  };
  return source;
}

/** A connection that notes which requests are made over it. */
export function noted(host: HostConnection): HostConnection & { asked: string[] } {
  const asked: string[] = [];
  return {
    ...host,
    asked,
    ask(request, ...rest) {
      asked.push(request.type);
      return host.ask(request, ...rest);
    },
  };
}

/** As one server has it, where every session is at that host. */
export function fleetOf(host: HostConnection, mounts: MountSource, troubles: unknown[] = []): Fleet {
  const at = { host_id: host.facts()?.host_id ?? "", generation: 0, moved_seq: 0 };
  const placements: Placements = {
    place: async () => at,
    move: async () => null,
    abandonedOn: async () => [],
    freed: async () => {},
  };
  const trouble = (message: string, error: unknown) => troubles.push(message, error);
  return createFleet({ hosts: [host], placements, mounts, gone_ms: 5_000, trouble });
}

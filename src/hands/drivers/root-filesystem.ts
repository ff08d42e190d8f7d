import { lstatSync, mkdirSync, readdirSync, readlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { resolvConf } from "../network/inside.ts";
import type { EtcFolder } from "./host-etc.ts";
import type { Overlay } from "./joining.ts";

/** Who the sandbox believes to be, whatever its host uid. */
export const inside = { uid: 1000, gid: 1000, user: "agent", home: "/home/agent" } as const;

/** What programs need of /etc, and holds nothing of the host's own. */
export const sharedEtc: readonly string[] = [
  "alternatives",
  "ca-certificates",
  "ca-certificates.conf",
  "fonts",
  "java-11-openjdk",
  "java-17-openjdk",
  "java-21-openjdk",
  "ld.so.cache",
  "ld.so.conf",
  "ld.so.conf.d",
  "localtime",
  "magic",
  "magic.mime",
  "mime.types",
  "perl",
  "php",
  "pki/ca-trust/extracted",
  "pki/tls/certs",
  "protocols",
  "python3",
  "R",
  "services",
  "ssl/certs",
  "ssl/openssl.cnf",
  "terminfo",
  "timezone",
];

/** What beside that the package managers of a host need to install more: theirs, and no secret of the host's. */
export const packagingEtc: readonly string[] = [
  "adduser.conf",
  "apt/preferences.d",
  "apt/sources.list",
  "apt/sources.list.d",
  "apt/trusted.gpg.d",
  "apt/keyrings",
  "debconf.conf",
  "debian_version",
  "deluser.conf",
  "dpkg",
  "emacs",
  "gai.conf",
  "gemrc",
  "login.defs",
  "os-release",
  "pam.conf",
  "pam.d",
  "profile.d",
  "rpc",
  "security",
  "shells",
  "skel",
  "ucf.conf",
  "xdg",
];

const ownEtc: Record<string, string> = {
  hosts: "127.0.0.1 localhost sandbox\n::1 localhost\n",
  hostname: "sandbox\n",
  "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
  "host.conf": "multi on\n",
};

/** Writes the files of /etc that every sandbox has in place of the host's. */
export function writeEtc(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const names = Object.entries(resolvConf).map(
    ([network, text]) => [`resolv.conf.${network}`, text] as const,
  );
  for (const [name, text] of [...Object.entries(ownEtc), ...names])
    writeFileSync(join(folder, name), text, { mode: 0o644 });
  writeUsers(folder, inside);
}

/** Who its users are: the one that it runs as, and those that systems expect. */
export function writeUsers(folder: string, { uid, gid }: { uid: number; gid: number }): void {
  const passwd = `root:x:0:0:root:/root:/usr/sbin/nologin
${inside.user}:x:${uid}:${gid}:${inside.user}:${inside.home}:/bin/bash
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
`;
  const group = `root:x:0:
${inside.user}:x:${gid}:
nogroup:x:65534:
`;
  for (const [name, text] of Object.entries({ passwd, group }))
    writeFileSync(join(folder, name), text, { mode: 0o644 });
}

export const users = (folder: string): string[] =>
  ["passwd", "group"].flatMap((name) => ["--ro-bind", join(folder, name), `/etc/${name}`]);

/** Arguments of bwrap for what the host has installed. */
export const hostPrograms = (): string[] => ["--ro-bind", "/usr", "/usr", ...hostFolders()];

const besideUsr = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/** Those beside /usr. */
export const hostFolders = (): string[] => besideUsr.flatMap((path) => topLevelFolder(path));

/** Whether those are links into it. */
export const isUsrMerged = (): boolean =>
  besideUsr.every((path) => lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? true);

/** What the root of a sandbox is made of, beside what is its own. */
export interface Root {
  /** What is mounted before the sandbox begins, where only it sees that. */
  overlays: Overlay[];
  /** Arguments of bwrap for what is read-only. */
  folders: string[];
  /** An /etc with what every sandbox has of its own. Null: its folders have one, over which that is put. */
  etc: EtcFolder | null;
  /** Variables that the programs there expect. */
  env: Readonly<Record<string, string>>;
  /** Its programs are the host's own. Others are begun with as little as possible. */
  isHosts: boolean;
}

/** The programs of the host, and what they need of its /etc. */
export const hostRoot = (etc: EtcFolder): Root => ({
  overlays: [],
  folders: [...hostPrograms(), ...openFolders(["/var/tmp"]), "--symlink", "/tmp", "/var/tmp"],
  etc,
  env: {},
  isHosts: true,
});

/** Those that every sandbox has of its own, or not at all. */
const ownFolders = ["dev", "home", "mnt", "proc", "run", "sys", "tmp", "workspace"];

/** What the folders of an image are. */
export const imageRoot = ({ rootfs, env }: { rootfs: string; env: Record<string, string> }): Root => ({
  overlays: [],
  folders: topLevelFolders(rootfs),
  etc: null,
  env,
  isHosts: false,
});

/** Arguments of bwrap for the folders in one that stands for the root; `shown` is where they are found then. */
export const topLevelFolders = (folder: string, shown = folder, names = readdirSync(folder)): string[] =>
  names
    .filter((name) => !ownFolders.includes(name))
    .flatMap((name) => topLevelFolder(`/${name}`, join(folder, name), join(shown, name)));

/** Files of /etc that must be there, for a sandbox's own to be put over them. */
export const ownEtcNames: readonly string[] = ["passwd", "group", ...Object.keys(ownEtc), "resolv.conf"];

export type NetworkKind = keyof typeof resolvConf;

/** Arguments of bwrap for what every sandbox of such a network has in /etc. */
export const etcOf = ({ etc }: Root, own: string, network: NetworkKind): string[] =>
  etc ? ["--ro-bind", etc(network), "/etc"] : ownEtcNames.flatMap((name) => ownEtcFile(own, name, network));

/** Its files, by their names. */
export const ownEtcPaths = (etcFolder: string, network: NetworkKind): Record<string, string> =>
  Object.fromEntries(ownEtcNames.map((name) => [name, ownEtcPath(etcFolder, name, network)]));

/** Arguments of bwrap for one of them. */
export const ownEtcFile = (etcFolder: string, name: string, network: NetworkKind): string[] => {
  return ["--ro-bind", ownEtcPath(etcFolder, name, network), `/etc/${name}`];
};

const ownEtcPath = (etcFolder: string, name: string, network: NetworkKind): string =>
  join(etcFolder, name === "resolv.conf" ? `${name}.${network}` : name);

/** The folders above what is shown, which would be closed to all but whoever begins the sandbox. */
export function openFolders(paths: string[]): string[] {
  const above = (path: string): string[] => (path === "/" ? [] : [...above(dirname(path)), path]);
  return [...new Set(paths.flatMap((path) => above(dirname(path))))].flatMap((path) => ["--dir", path]);
}

/** A link into /usr where the two are merged, else the folder itself. */
function topLevelFolder(inside: string, path = inside, shown = path): string[] {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found?.isSymbolicLink()) return ["--symlink", readlinkSync(path), inside];
  return found?.isDirectory() ? ["--ro-bind", shown, inside] : [];
}

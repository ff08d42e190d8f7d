import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { packagingEtc, sharedEtc } from "../drivers/root-filesystem.ts";
import { tar } from "../images/archive/testing-archives.ts";
import { type FakeEgress, fakeEgress } from "../network/testing-egress.ts";

/** Registries of packages behind a fake egress process, which answers for every host: what is asked for by its URL. */
export interface Registries {
  egress: FakeEgress;
  /** Where managers find them. */
  variables: Record<string, string>;
  /** With the apt repository in place of the host's. */
  host_etc: string;
  deb(options: Deb): void;
  npm(name: string, version: string, files: Record<string, string>): void;
  pip(name: string, version: string, code: string): void;
  close(): Promise<void>;
}

export interface Deb {
  name: string;
  version: string;
  files: Record<string, string>;
  /** Script that is run as root once it is unpacked. */
  postinst?: string;
}

export async function fakeRegistries(socket_path: string): Promise<Registries> {
  const folder = mkdtempSync(join(tmpdir(), "drover-registries-"));
  execFileSync("chmod", ["755", folder]);
  const served = new Map<string, Buffer>();
  const packages: string[] = [];
  const host_etc = join(folder, "etc");
  for (const name of [...sharedEtc, ...packagingEtc].filter((each) => !each.startsWith("apt/")))
    if (existsSync(`/etc/${name}`)) {
      mkdirSync(dirname(join(host_etc, name)), { recursive: true });
      // What only root may read stays out.
      spawnSync("cp", ["-r", "-P", `/etc/${name}`, join(host_etc, name)]);
    }
  mkdirSync(join(host_etc, "apt"));
  writeFileSync(join(host_etc, "apt/sources.list"), "deb [trusted=yes] http://apt.test/debian ./\n");

  const egress = await fakeEgress(socket_path, (socket, _line, begun) => {
    let head = begun.toString("latin1");
    const hear = (chunk: Buffer) => {
      head += chunk.toString("latin1");
      for (let end = head.indexOf("\r\n\r\n"); end !== -1; end = head.indexOf("\r\n\r\n")) {
        const url = head.split(" ", 2)[1] ?? "";
        head = head.slice(end + 4);
        const body = served.get(url);
        const said = body ?? Buffer.from(`there is no ${url}\n`);
        const status = body ? "200 OK" : "404 Not Found";
        const type = url.endsWith("/") ? "text/html" : "application/octet-stream";
        socket.write(`HTTP/1.1 ${status}\r\ncontent-type: ${type}\r\ncontent-length: ${said.length}\r\n\r\n`);
        socket.write(said);
      }
    };
    socket.on("data", hear);
    socket.resume();
    hear(Buffer.alloc(0));
  });

  return {
    egress,
    host_etc,
    variables: {
      NPM_CONFIG_REGISTRY: "http://npm.test/",
      NPM_CONFIG_FETCH_RETRIES: "0",
      PIP_INDEX_URL: "http://pip.test/simple",
      PIP_TRUSTED_HOST: "pip.test",
      PIP_RETRIES: "0",
    },
    deb({ name, version, files, postinst }) {
      const root = join(folder, `${name}-${version}`);
      const control = `Package: ${name}\nVersion: ${version}\nArchitecture: all\nMaintainer: a <a@b.test>\nDescription: test\n`;
      for (const [path, content] of Object.entries({ ...files, "DEBIAN/control": control })) {
        mkdirSync(dirname(join(root, path)), { recursive: true });
        writeFileSync(join(root, path), content, { mode: path.includes("bin/") ? 0o755 : 0o644 });
      }
      if (postinst !== undefined)
        writeFileSync(join(root, "DEBIAN/postinst"), `#!/bin/bash\n${postinst}\n`, { mode: 0o755 });
      execFileSync("dpkg-deb", ["--root-owner-group", "-b", root, `${root}.deb`], { stdio: "ignore" });
      const deb = readFileSync(`${root}.deb`);
      const sha256 = createHash("sha256").update(deb).digest("hex");
      packages.push(`${control}Filename: ./${name}.deb\nSize: ${deb.length}\nSHA256: ${sha256}\n`);
      served.set(`http://apt.test/debian/./${name}.deb`, deb).set(`http://apt.test/debian/${name}.deb`, deb);
      served.set("http://apt.test/debian/./Packages", Buffer.from(packages.join("\n")));
    },
    npm(name, version, files) {
      const manifest = JSON.stringify({ name, version, bin: { [name]: "cli.js" }, main: "index.js" });
      const entries = Object.entries({ ...files, "package.json": manifest });
      const packed = gzipSync(
        tar(entries.map(([path, content]) => ({ path: `package/${path}`, content, mode: 0o755 }))),
      );
      const tarball = `http://npm.test/${name}/-/${name}-${version}.tgz`;
      const integrity = `sha512-${createHash("sha512").update(packed).digest("base64")}`;
      const versions = { [version]: { ...JSON.parse(manifest), dist: { tarball, integrity } } };
      served.set(tarball, packed);
      served.set(
        `http://npm.test/${name}`,
        Buffer.from(JSON.stringify({ name, "dist-tags": { latest: version }, versions })),
      );
    },
    pip(name, version, code) {
      const info = `${name}-${version}.dist-info`;
      const root = join(folder, `wheel-${name}`);
      mkdirSync(join(root, info), { recursive: true });
      writeFileSync(join(root, `${name}.py`), code);
      writeFileSync(
        join(root, info, "METADATA"),
        `Metadata-Version: 2.1\nName: ${name}\nVersion: ${version}\n`,
      );
      writeFileSync(
        join(root, info, "WHEEL"),
        "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
      );
      writeFileSync(
        join(root, info, "RECORD"),
        `${name}.py,,\n${info}/METADATA,,\n${info}/WHEEL,,\n${info}/RECORD,,\n`,
      );
      const file = `${name}-${version}-py3-none-any.whl`;
      execFileSync("python3", ["-m", "zipfile", "-c", join(folder, file), `${name}.py`, info], { cwd: root });
      served.set(
        `http://pip.test/simple/${name.replaceAll("_", "-")}/`,
        Buffer.from(`<a href="http://pip.test/${file}">${file}</a>`),
      );
      served.set(`http://pip.test/${file}`, readFileSync(join(folder, file)));
    },
    async close() {
      await egress.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { tar } from "../images/archive/testing-archives.ts";

/** What registries of packages serve. A package of each kind is made with the tools of its own kind. */
export interface Packages {
  /** By URL. */
  files: ReadonlyMap<string, Buffer>;
  deb(options: Deb): void;
  /** A crate of one program, which says `words`; it is a library too, whose `words()` those are. */
  crate(name: string, version: string, words: string): void;
  /** A gem with a program and a library of its name, which say `words`. */
  gem(name: string, version: string, words: string): void;
  /** A Go module: a program that says `words`. */
  module(path: string, version: string, words: string): void;
  npm(name: string, version: string, files: Record<string, string>): void;
  pip(name: string, version: string, code: string): void;
}

export interface Deb {
  name: string;
  version: string;
  files: Record<string, string>;
  /** Script that is run as root once it is unpacked. */
  postinst?: string;
}

/** URLs without a closing slash. */
export interface RegistryAddresses {
  apt: string;
  /** The sparse index; and where it says that crates are. */
  cargo: string;
  crates: string;
  gem: string;
  go: string;
  npm: string;
  pip: string;
  wheels: string;
}

/** `folder` is what they are made in. */
export function packagesAt(at: RegistryAddresses, folder: string): Packages {
  const files = new Map<string, Buffer>();
  const debs: string[] = [];
  const serveText = (url: string, text: string) => files.set(url, Buffer.from(text));

  return {
    files,
    deb({ name, version, files: content, postinst }) {
      const root = join(folder, `${name}-${version}`);
      const control = `Package: ${name}\nVersion: ${version}\nArchitecture: all\nMaintainer: a <a@b.test>\nDescription: test\n`;
      for (const [path, text] of Object.entries({ ...content, "DEBIAN/control": control })) {
        mkdirSync(dirname(join(root, path)), { recursive: true });
        writeFileSync(join(root, path), text, { mode: path.includes("bin/") ? 0o755 : 0o644 });
      }
      if (postinst !== undefined)
        writeFileSync(join(root, "DEBIAN/postinst"), `#!/bin/bash\n${postinst}\n`, { mode: 0o755 });
      execFileSync("dpkg-deb", ["--root-owner-group", "-b", root, `${root}.deb`], { stdio: "ignore" });
      const deb = readFileSync(`${root}.deb`);
      debs.push(`${control}Filename: ./${name}.deb\nSize: ${deb.length}\nSHA256: ${sha256(deb)}\n`);
      files.set(`${at.apt}/./${name}.deb`, deb).set(`${at.apt}/${name}.deb`, deb);
      files.set(`${at.apt}/./Packages`, Buffer.from(debs.join("\n")));
    },
    crate(name, version, words) {
      const manifest = `[package]\nname = "${name}"\nversion = "${version}"\nedition = "2021"\n`;
      const said = JSON.stringify(words);
      const packed = gzipSync(
        tar([
          { path: `${name}-${version}/Cargo.toml`, content: manifest },
          { path: `${name}-${version}/src/lib.rs`, content: `pub fn words() -> &'static str { ${said} }\n` },
          { path: `${name}-${version}/src/main.rs`, content: `fn main() { println!("{}", ${said}); }\n` },
        ]),
      );
      const known = { name, vers: version, deps: [], cksum: sha256(packed), features: {}, yanked: false };
      serveText(`${at.cargo}/config.json`, JSON.stringify({ dl: at.crates }));
      serveText(`${at.cargo}/${name.slice(0, 2)}/${name.slice(2, 4)}/${name}`, `${JSON.stringify(known)}\n`);
      files.set(`${at.crates}/${name}/${version}/download`, packed);
    },
    gem(name, version, words) {
      const root = join(folder, `gem-${name}`);
      const said = JSON.stringify(words);
      for (const path of ["bin", "lib"]) mkdirSync(join(root, path), { recursive: true });
      writeFileSync(join(root, "bin", name), `#!/usr/bin/env ruby\nputs ${said}\n`, { mode: 0o755 });
      writeFileSync(join(root, "lib", `${name}.rb`), `Words = ${said}\n`);
      execFileSync("ruby", ["-rrubygems/package", "-e", packGem, name, version], { cwd: root });
      const packed = readFileSync(join(root, `${name}-${version}.gem`));
      serveText(`${at.gem}/`, "");
      serveText(`${at.gem}/info/${name}`, `---\n${version} |checksum:${sha256(packed)}\n`);
      files.set(`${at.gem}/gems/${name}-${version}.gem`, packed);
      files.set(
        `${at.gem}/quick/Marshal.4.8/${name}-${version}.gemspec.rz`,
        readFileSync(join(root, "gemspec.rz")),
      );
    },
    module(path, version, words) {
      const manifest = `module ${path}\n\ngo 1.18\n`;
      const code = `package main\n\nimport "fmt"\n\nfunc main() { fmt.Println(${JSON.stringify(words)}) }\n`;
      const zip = join(folder, "module.zip");
      const inside = `${path}@${version}`;
      execFileSync("python3", ["-c", packZip, zip, `${inside}/go.mod`, manifest, `${inside}/main.go`, code]);
      const known = JSON.stringify({ Version: version, Time: "2026-01-01T00:00:00Z" });
      const of = `${at.go}/${path}`;
      serveText(`${of}/@latest`, known);
      serveText(`${of}/@v/list`, `${version}\n`);
      serveText(`${of}/@v/${version}.info`, known);
      serveText(`${of}/@v/${version}.mod`, manifest);
      files.set(`${of}/@v/${version}.zip`, readFileSync(zip));
    },
    npm(name, version, content) {
      const manifest = JSON.stringify({ name, version, bin: { [name]: "cli.js" }, main: "index.js" });
      const entries = Object.entries({ ...content, "package.json": manifest });
      const packed = gzipSync(
        tar(entries.map(([path, text]) => ({ path: `package/${path}`, content: text, mode: 0o755 }))),
      );
      const tarball = `${at.npm}/${name}/-/${name}-${version}.tgz`;
      const integrity = `sha512-${createHash("sha512").update(packed).digest("base64")}`;
      const versions = { [version]: { ...JSON.parse(manifest), dist: { tarball, integrity } } };
      files.set(tarball, packed);
      files.set(
        `${at.npm}/${name}`,
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
      files.set(
        `${at.pip}/simple/${name.replaceAll("_", "-")}/`,
        Buffer.from(`<a href="${at.wheels}/${file}">${file}</a>`),
      );
      files.set(`${at.wheels}/${file}`, readFileSync(join(folder, file)));
    },
  };
}

const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

const packGem = `
  name, version = ARGV
  spec = Gem::Specification.new do |made|
    made.name, made.version, made.summary, made.authors = name, version, "test", ["a"]
    made.files = ["bin/#{name}", "lib/#{name}.rb"]
    made.executables = [name]
  end
  Gem::Package.build(spec, true)
  File.binwrite("gemspec.rz", Gem.deflate(Marshal.dump(spec)))
`;

/** Names and contents by turns: nothing but files, which is what Go takes. */
const packZip = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as made:
    for name, text in zip(sys.argv[2::2], sys.argv[3::2]):
        made.writestr(name, text)
`;

import { after, before, describe, test } from "node:test";
import { without } from "../src/hands/layers/testing-host.ts";
import { type LimitedSession, limitedSession } from "./harness/limited-session.ts";
import { skipPublicHosts } from "./harness/public-hosts.ts";

describe("in a sandbox with a limited network, told of no proxy", {
  skip: skipPublicHosts,
}, () => {
  let session: LimitedSession;
  before(async () => {
    session = await limitedSession();
  });
  after(() => session?.close());

  test("cargo adds a crate from its own index, and builds with it", { skip: without("cargo") }, async () => {
    session.packages.crate("drover-crate", "1.2.0", "of a crate");
    const main = `echo 'fn main() { println!("{}", drover_crate::words()); }' >src/main.rs`;
    await session.says(
      `{ cargo init -q --vcs none --name app crate && cd crate && ${main} && cargo add -q drover-crate && cargo fetch -q; } 2>&1; cargo run -q 2>&1; cd ..`,
      "of a crate",
    );
  });

  test("go downloads a module from its own proxy, and runs it", { skip: without("go") }, async () => {
    session.packages.module("drover.test/module", "v1.2.0", "of a module");
    // What the database of checksums says has to be signed by those who keep it.
    const checks = "export GONOSUMDB=drover.test GOFLAGS=-mod=mod";
    await session.says(
      `mkdir module; cd module; ${checks}; { go mod init app && go mod download drover.test/module@v1.2.0; } >said 2>&1 || cat said; go run drover.test/module@v1.2.0 2>&1; cd ..`,
      "of a module",
    );
  });

  test("gem installs from its own index", { skip: without("gem") }, async () => {
    session.packages.gem("drover_gem", "1.2.0", "of a gem");
    await session.says(
      `gem install --silent --user-install --no-document drover_gem 2>&1; ruby -e 'require "drover_gem"; puts Words'`,
      "of a gem",
    );
  });

  test("apt updates its lists and downloads, as far as one who is not root can", {
    skip: without("apt-get"),
  }, async () => {
    session.packages.deb({ name: "drover-hello", version: "1.2", files: { "usr/share/hello": "hello\n" } });
    const source = "deb [trusted=yes] http://deb.debian.org/debian ./";
    const folders =
      "-o Dir::State=$PWD/state -o Dir::Cache=$PWD/cache -o Dir::Etc::SourceList=$PWD/sources.list -o Dir::Etc::SourceParts=-";
    await session.says(
      `mkdir -p apt/state/lists/partial apt/cache/archives/partial; cd apt; echo '${source}' >sources.list; { apt-get ${folders} update && apt-get ${folders} download drover-hello; } >said 2>&1 || cat said; dpkg-deb -x *.deb out; cat out/usr/share/hello; cd ..`,
      "hello",
    );
  });
});

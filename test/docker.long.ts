import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { type Sandbox, Unavailable } from "../src/hands/driver.ts";
import { findProgram } from "../src/hands/drivers/bwrap.ts";
import { type DockerOptions, docker } from "../src/hands/drivers/docker/docker.ts";
import { connectEngine } from "../src/hands/drivers/docker/engine.ts";
import { engineMissing, startEngine, type TestEngine } from "../src/hands/drivers/docker/testing-engine.ts";
import { runIn, sh, type TestFolder, testFolder, testSpec } from "../src/hands/testing.ts";

const skip = engineMissing() ?? false;

test("says how an engine is had where there is none", async () => {
  const folder = testFolder();
  const driver = docker({
    ...{ data_dir: folder.path, socket: `${folder.path}/none.sock`, image: "some", runtime: null },
  });
  assert.match((await driver.check()) ?? "", /no container engine answers at .*none\.sock: install/);
  await driver.close();
  folder.remove();
});

describe("a container engine", { skip }, () => {
  let engine: TestEngine;
  let folder: TestFolder;
  before(async () => {
    engine = await startEngine();
  });
  after(() => engine.close());
  const made = (options: Partial<DockerOptions> = {}) => {
    folder = testFolder();
    const { socket, image } = engine;
    return docker({ data_dir: folder.path, socket, image, runtime: null, ...options });
  };
  afterEach(() => folder.remove());

  test("may end under its sandboxes, be away, and come back", async () => {
    const driver = made();
    const sandbox = await driver.provision("sbx_engine", testSpec);
    await sh(sandbox, "echo kept >kept");
    await engine.stop();
    await sandbox.ended;
    await assert.rejects(sandbox.spawn(["true"], { control: false }), Unavailable);
    await assert.rejects(driver.provision("sbx_engine", testSpec), /no container engine answers/);
    await sandbox.destroy().catch(() => {});
    await engine.start();
    const again = await driver.provision("sbx_engine", testSpec);
    assert.equal(await sh(again, "cat kept"), "kept");
    await again.destroy();
    await driver.forget("sbx_engine");
    await driver.close();
  });

  test("that does not answer is not waited for without end, and used when it does", async () => {
    const driver = made({ answer_ms_max: 2_000 });
    assert.equal(await driver.check(), null);
    engine.freeze();
    await assert.rejects(driver.provision("sbx_slow", testSpec), /does not answer in time/);
    engine.thaw();
    const sandbox = await driver.provision("sbx_slow", testSpec);
    engine.freeze();
    await assert.rejects(sandbox.destroy(), /does not answer in time/);
    engine.thaw();
    await sandbox.destroy();
    await driver.close();
  });

  test("is asked for containers of this host alone, and rid of those that were left behind", async () => {
    const driver = made();
    const { path } = folder;
    const left = await driver.provision("sbx_left", testSpec);
    await sh(left, "exec 8<>/proc/1/fd/0; sleep 1000 >/dev/null 2>&1 & disown");
    const next = docker({ ...{ data_dir: path, socket: engine.socket, image: engine.image, runtime: null } });
    const others = made();
    const other = await others.provision("sbx_left", testSpec);
    assert.equal(await next.check(), null);
    await left.ended;
    assert.equal(await sh(other, "echo lives"), "lives");
    await other.destroy();
    await others.close();
    await next.close();
    folder.remove();
    folder = { path, remove: () => {} };
  });

  test("may have an image that asks for more than a root filesystem", async () => {
    const hostile = [
      ...['ENTRYPOINT ["/bin/false"]', 'CMD ["-x"]', "USER root", "WORKDIR /mnt"],
      ...["VOLUME /data", "VOLUME /workspace/", "VOLUME /usr/share/more"],
      ...["ENV LD_PRELOAD=/workspace/a.so BASH_ENV=/workspace/b.sh LD_LIBRARY_PATH=/workspace KEPT=1"],
      ...[
        "ENV HOME=/root USER=root",
        "HEALTHCHECK --interval=1s CMD echo sick >>/workspace/sick",
        "LABEL dev.drover.hands=x",
      ],
    ];
    await engine.importImage("hostile:1", hostile);
    const driver = made();
    const sandbox = await driver.provision("sbx_hostile", { ...testSpec, image: "hostile:1" });
    const said = async (script: string) => sh(sandbox, script);
    assert.equal(await said("echo $((UID > 0)) $HOME $USER $KEPT $PWD"), "1 /home/agent agent 1 /workspace");
    const variables = "cat /proc/[0-9]*/environ | tr '\\0' '\\n' | grep -cE '^(LD_|BASH_ENV)'";
    assert.equal(await said(variables), "0");
    const folders = "/data /usr/share/more";
    assert.equal(
      await said(`for d in ${folders}; do : >$d/x || echo closed; done 2>/dev/null`),
      "closed\nclosed",
    );
    assert.equal(await said("echo mine >mine; cat mine"), "mine");
    const about = JSON.stringify(await containers(sandbox));
    assert.match(about, /"Healthcheck":\{"Test":\["NONE"\]/);
    await sandbox.destroy();
    await driver.forget("sbx_hostile");
    await driver.close();
  });

  test("may make them by gVisor", { skip: !findProgram("runsc") && "needs the package runsc" }, async () => {
    const driver = made({ runtime: "runsc" });
    assert.equal(await driver.check(), null);
    assert.match(await driver.describe(), /\(runsc\)/);
    const sandbox = await driver.provision("sbx_gvisor", testSpec);
    assert.equal(
      await sh(sandbox, "echo mine >mine; cat mine; (: >/run/drover/x) 2>/dev/null; echo $?"),
      "mine\n1",
    );
    assert.match(await sh(sandbox, "cat /proc/version"), /Linux version 4\.4\.0/);
    const bombed = await runIn(sandbox, ["bash", "-c", "exec tail /dev/zero"]);
    assert.notEqual(bombed.code, 0);
    await sandbox.ended;
    await driver.forget("sbx_gvisor");
    await driver.close();
    folder.remove();
    assert.match((await made({ runtime: "shut" }).check()) ?? "", /"runtimeArgs": .*--host-fifo=open/);
  });

  /** What the engine says of the one that it has. */
  async function containers({ id }: Sandbox): Promise<unknown> {
    const asked = connectEngine(engine.socket);
    const all = (await asked.ask("GET", "/containers/json?all=true")) as { Id: string; Names: string[] }[];
    const found = all.find(({ Names }) => Names.some((name) => name.endsWith(`-${id}`)));
    assert.ok(found);
    return asked.ask("GET", `/containers/${found.Id}/json`);
  }

  test("without the runtime that is asked for, or the image, is no use", async () => {
    assert.match((await made({ runtime: "kata" }).check()) ?? "", /has no runtime kata \(it has .*runc/);
    folder.remove();
    assert.match((await made({ image: "absent:1" }).check()) ?? "", /absent:1 is not on this host/);
    folder.remove();
    assert.match((await made({ image: null }).check()) ?? "", /need an image/);
  });
});

import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import { type AddressInfo, createServer, type Server } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { openBlobs } from "./blobs/blobs.ts";
import type { Driver, LimitName, Sandbox } from "./driver.ts";
import { createMounts } from "./mounts/mounts.ts";
import { shaOf } from "./mounts/testing-mounts.ts";
import { createNetwork } from "./network/network.ts";
import { fakeEgress } from "./network/testing-egress.ts";
import { listOutputs } from "./outputs/list.ts";
import { readOutput } from "./outputs/read.ts";
import { runIn, sh, type TestFolder, testFolder, testSpec } from "./testing.ts";
import { mountRoots, type SandboxSpec } from "./wire.ts";

const portOf = (server: Server) => (server.address() as AddressInfo).port;

/** Regular files beneath a folder that hold the text. */
const filesWith = (folder: string, text: string): string[] =>
  globSync("**/*", { cwd: folder, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => readFileSync(path).includes(text));

/** What every driver must do. */
export function driverSpec(make: (dataDir: string) => Driver): void {
  describe("a driver", () => {
    let folder: TestFolder;
    let driver: Driver;
    let sandbox: Sandbox;

    /** Whether a sandbox ends that goes beyond it. */
    async function endsWithout(name: LimitName): Promise<boolean> {
      const { [name]: enforced } = await driver.enforces();
      return enforced.scope === "sandbox" && enforced.ends === true;
    }

    before(async () => {
      folder = testFolder();
      driver = make(folder.path);
      assert.equal(await driver.check(), null);
      sandbox = await driver.provision("sbx_spec", testSpec);
    });

    after(async () => {
      await sandbox.destroy();
      await driver.forget("sbx_spec");
      await driver.close();
      folder.remove();
    });

    test("passes stdin, stdout, stderr and the exit code of a process", async () => {
      const result = await runIn(sandbox, ["bash", "-c", "cat; echo err >&2; exit 7"], "in\n");
      assert.deepEqual(result, { code: 7, stdout: "in\n", stderr: "err\n" });
    });

    test("passes arguments as they are", async () => {
      const odd = ["a b", "it's", "two\nlines", "", "$HOME", "*", "ü", "-n", "\\"];
      const { stdout } = await runIn(sandbox, ["printf", "%s|", ...odd]);
      assert.equal(stdout, odd.map((each) => `${each}|`).join(""));
    });

    test("says 127 for a program that does not exist, and runs no shell builtin in its place", async () => {
      assert.equal((await runIn(sandbox, ["no-such-program"])).code, 127);
      assert.equal((await runIn(sandbox, ["run", "1", "2"])).code, 127);
    });

    test("refuses an argument with a NUL byte", async () => {
      await assert.rejects(sandbox.spawn(["echo", "a\0b"], { control: false }), /NUL/);
    });

    test("carries megabytes both ways", async () => {
      const { stdout } = await runIn(sandbox, ["bash", "-c", "cat"], "x".repeat(3 << 20));
      assert.equal(stdout.length, 3 << 20);
    });

    test("does not mind a process that leaves its input unread", async () => {
      assert.equal((await runIn(sandbox, ["true"], "x".repeat(1 << 20))).code, 0);
    });

    test("gives a control pipe when asked", async () => {
      const process = await sandbox.spawn(["bash", "-c", "echo report >&3"], { control: true });
      const [report] = process.control ? await once(process.control, "data") : [];
      assert.equal(String(report), "report\n");
      assert.equal(await process.exited, 0);
    });

    test("sees a process end although its child holds the output open", async () => {
      const { stdout, code } = await runIn(sandbox, ["bash", "-c", "sleep 1000 & echo done"]);
      assert.deepEqual({ stdout, code }, { stdout: "done\n", code: 0 });
      await runIn(sandbox, ["pkill", "-x", "sleep"]);
    });

    test("signals a process with its children, and spares who is to be spared", async () => {
      const process = await sandbox.spawn(["bash", "-c", "sleep 1001 & echo $!; sleep 1002"], {
        control: false,
      });
      const [pid] = await once(process.stdout, "data");
      await process.kill("SIGKILL", [Number(pid)]);
      assert.equal(await process.exited, 137);
      assert.equal(await sh(sandbox, "pgrep -f 'sleep 100[12]'"), String(pid).trim());
      await runIn(sandbox, ["pkill", "-x", "sleep"]);
    });

    test("outlives a process that kills everything it can", async () => {
      await runIn(sandbox, ["bash", "-c", "kill -9 -1"]);
      await runIn(sandbox, ["bash", "-c", "kill -9 1; kill -TERM 1; kill -INT 1; kill -HUP 1; kill -QUIT 1"]);
      assert.equal(await sh(sandbox, "echo alive"), "alive");
    });

    test("runs processes side by side", async () => {
      const names = Array.from({ length: 20 }, (_, n) => String(n));
      const results = await Promise.all(names.map((name) => sh(sandbox, `echo ${name}`)));
      assert.deepEqual(results, names);
    });

    test("shows what is written to its outputs, to the byte, and whenever it changes", async () => {
      const outputs = driver.keptFolders("sbx_spec")?.find(({ name }) => name === "outputs");
      assert.ok(outputs);
      const versions = new Set<string>();
      for (const write of [
        "printf 1 > a",
        "printf 2 > a",
        "printf 3 >> a",
        "printf 4 1<>a",
        "touch -d @1 a",
      ]) {
        const { code } = await runIn(sandbox, ["bash", "-c", `cd /mnt/session/outputs; ${write}`]);
        assert.equal(code, 0, write);
        const list = await listOutputs(outputs, { rest_ms: 0 });
        const [output] = list.files;
        assert.ok(output, JSON.stringify(list));
        versions.add(output.version);
        const data = readOutput(outputs, { ...output, offset: 0, length: 10 });
        assert.equal(data?.length, output.bytes);
        assert.equal(String(data), await sh(sandbox, "cat /mnt/session/outputs/a"));
      }
      assert.equal(versions.size, 5);
      await runIn(sandbox, ["rm", "/mnt/session/outputs/a"]);
    });

    test("has a workspace, outputs and a home that can be written, and little else", async () => {
      const writable = await sh(
        sandbox,
        `for d in /workspace /mnt/session/outputs "$HOME" /tmp /dev/shm / /usr /etc /usr/bin /run /mnt /mnt/session ${Object.values(mountRoots).join(" ")} /mnt/session/tool_results; do
           touch "$d/probe" 2>/dev/null && echo "$d"
         done; rm -f /workspace/probe`,
      );
      assert.deepEqual(writable.split("\n"), [
        "/workspace",
        "/mnt/session/outputs",
        "/home/agent",
        "/tmp",
        "/dev/shm",
      ]);
      assert.equal(await sh(sandbox, "pwd"), "/workspace");
    });

    test("shows what the host has mounted as it is at the moment, for its programs to read and run and nothing else", async () => {
      const path = join(folder.path, "mounting");
      const blobs = await openBlobs({ folder: join(path, "blobs") });
      const mounts = createMounts({ blobs, folderOf: driver.mounts });
      async function mount(version: number, files: Record<string, string>): Promise<void> {
        const list = Object.entries(files).map(([name, text]) => {
          const about = { sha256: shaOf(text), bytes: Buffer.byteLength(text) };
          return { ...about, path: name.replace("*", ""), executable: name.endsWith("*") };
        });
        for (const text of Object.values(files)) {
          const data = Buffer.from(text);
          await blobs.put({ sha256: shaOf(text), bytes: data.length, offset: 0, data });
        }
        assert.deepEqual(await mounts.mount("sbx_mounts", { version, mounts: list }), []);
      }
      const [a, run] = [`${mountRoots.uploads}/deep/a`, `${mountRoots.skills}/s/run`];
      await mount(1, { [a]: "first", [`${run}*`]: "#!/bin/sh\necho ran\n" });
      const first = await driver.provision("sbx_mounts", testSpec);
      assert.equal(await sh(first, `cat ${a}; echo; ${run}`), "first\nran");

      const shell = await first.spawn(["bash"], { control: false });
      shell.stdin.write(`cd $(dirname ${a}); exec 9<a; cat a; echo\n`);
      const lines = createInterface(shell.stdout)[Symbol.asyncIterator]();
      assert.equal((await lines.next()).value, "first");
      await mount(2, { [a]: "second", [`${mountRoots.uploads}/deep/b`]: "more" });
      shell.stdin.end("cat a b <&9; cat <&9; echo\n");
      assert.equal((await lines.next()).value, "secondmorefirst");
      assert.equal(await sh(first, `ls -A ${mountRoots.skills}`), "");

      const attacks = [
        "echo >$f",
        "echo >>$f",
        ": >$d/new",
        "rm -f $f; test ! -e $f",
        "mv $f $f.old",
        "mv /etc/hostname $f",
        "chmod 777 $f",
        "chmod 777 $d",
        "chown $(id -u) $f",
        "touch -d 2001-01-01 $f",
        "truncate -s 0 $f",
        "ln $f $d/link",
        "ln $f /workspace/link",
        "ln -s /etc/passwd $d/link",
        "mkdir $d/new",
        "rm -rf $d; test ! -e $d",
        "mount -o remount,rw $r",
        "umount $r",
        "mount -t tmpfs none $r",
        "mv $r $r.old",
        "rmdir /mnt/skills",
      ];
      const tried = attacks
        .map(
          (attack) =>
            `(f=${a}; d=$(dirname $f); r=${mountRoots.uploads}; ${attack}) 2>/dev/null && echo '${attack}'`,
        )
        .join("\n");
      assert.equal(await sh(first, `${tried}\ncat ${a}`), "second");
      const kept = (await blobs.file(shaOf("second"), { executable: false })) ?? assert.fail();
      assert.equal(readFileSync(kept, "utf8"), "second");
      assert.equal(statSync(kept).mode & 0o7777, 0o444);

      await first.destroy();
      const second = await driver.provision("sbx_mounts", testSpec);
      assert.equal(await sh(second, `cat ${a}`), "second");
      await second.destroy();
      await driver.forget("sbx_mounts");
      assert.ok(!existsSync(driver.mounts("sbx_mounts")));
      blobs.close();
    });

    test("keeps outputs where the sandbox can read them and do nothing else, for as long as the workspace", async () => {
      const first = await driver.provision("sbx_outputs", testSpec);
      const file = first.keepOutput("call_1");
      file.write(Buffer.from("all "));
      file.write(Buffer.from("of it"));
      const kept = await file.end();
      assert.deepEqual(kept, { path: "/mnt/session/tool_results/call_1.txt", bytes: 9, complete: true });
      const attacks = [
        "echo >$f",
        "rm -f $f",
        "mv $f $f.old",
        "chmod 777 $f",
        "ln -s /etc/passwd $f.link",
        "rm -rf $(dirname $f)",
      ];
      const tried = attacks
        .map((attack) => `(f=${kept?.path}; ${attack}) 2>/dev/null && echo '${attack}'`)
        .join("\n");
      assert.equal(
        await sh(first, `${tried}\ncat ${kept?.path}; cd /mnt/session/tool_results; echo *`),
        "all of itcall_1.txt",
      );
      await first.destroy();
      const second = await driver.provision("sbx_outputs", testSpec);
      assert.equal(await sh(second, `cat ${kept?.path}`), "all of it");
      await second.destroy();
      await driver.forget("sbx_outputs");
      const third = await driver.provision("sbx_outputs", testSpec);
      assert.equal(await sh(third, "find /mnt/session/tool_results -mindepth 1"), "");
      await third.destroy();
      await driver.forget("sbx_outputs");
    });

    test("keeps the workspace when it ends, and drops it when it is forgotten", async () => {
      const kept =
        "cat /workspace/a /mnt/session/outputs/b ~/c 2>/dev/null | tr '\\n' ' '; find /tmp -mindepth 1";
      const write = "echo 1 >/workspace/a; echo 2 >/mnt/session/outputs/b; echo 3 >~/c; echo 4 >/tmp/d";
      const first = await driver.provision("sbx_kept", testSpec);
      await sh(first, write);
      await first.destroy();
      const second = await driver.provision("sbx_kept", testSpec);
      assert.equal(await sh(second, kept), "1 2 3");
      await second.destroy();
      await driver.forget("sbx_kept");
      const third = await driver.provision("sbx_kept", testSpec);
      assert.equal(await sh(third, kept), "");
      await third.destroy();
      await driver.forget("sbx_kept");
    });

    test("comes up over a workspace that was closed to itself and is full of oddities", async () => {
      const first = await driver.provision("sbx_odd", testSpec);
      await sh(
        first,
        `mkfifo fifo; ln -s /etc link; mkdir shut; touch shut/x; chmod 0 shut
         long=$(printf '%0250d' 0); (for i in $(seq 20); do mkdir $long; cd $long; done); chmod 0 /workspace`,
      );
      await first.destroy();
      const second = await driver.provision("sbx_odd", testSpec);
      assert.equal(await sh(second, "test -d shut -a -L link && echo there"), "there");
      await second.destroy();
      await driver.forget("sbx_odd");
    });

    test("tells processes that run that the sandbox ended", async () => {
      const other = await driver.provision("sbx_ended", testSpec);
      const process = await other.spawn(["sleep", "1000"], { control: false });
      await other.destroy();
      await other.ended;
      assert.equal(await process.exited, null);
      await assert.rejects(other.spawn(["true"], { control: false }), { name: "Unavailable" });
      await driver.forget("sbx_ended");
    });

    test("has no network but its own loopback", async () => {
      assert.equal(
        await sh(
          sandbox,
          "{ (cd /sys/class/net && printf '%s\\n' *) 2>/dev/null; tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '; } | sort -u",
        ),
        "lo",
      );
      assert.equal((await runIn(sandbox, ["bash", "-c", "echo >/dev/tcp/192.0.2.1/80"])).code, 1);
    });

    test("has with a network a way out through its host, and no other", async (t) => {
      const id = "sbx_open";
      const spec: SandboxSpec = { ...testSpec, network: { type: "unrestricted" } };
      const egress = await fakeEgress(join(folder.path, "egress.sock"));
      const network = createNetwork({
        egress_socket: join(folder.path, "egress.sock"),
        data_dir: folder.path,
      });
      const way = await network.attach({ session_id: "sesn_open", sandbox_id: id, spec });
      const neighbour = createServer((socket) => socket.end("host")).listen(0, "127.0.0.1");
      const abstract = createServer((socket) => socket.end("host")).listen(`\0${folder.path}`);
      await Promise.all([once(neighbour, "listening"), once(abstract, "listening")]);
      const open = await driver.provision(id, spec, way?.namespace);
      way?.joined();
      t.after(async () => {
        await open.destroy();
        way?.close();
        neighbour.close();
        abstract.close();
        await network.close();
        await egress.close();
        await driver.forget(id);
      });
      const said = (script: string) => sh(open, `${script} 2>&1`);

      assert.equal(await said("curl -sS http://a.example/x"), "proxy GET http://a.example/x HTTP/1.1");
      assert.equal(await said("curl -sS --noproxy '*' http://a.example/x"), "http GET /x HTTP/1.1");
      assert.deepEqual(egress.carried[0], {
        type: "carry",
        session_id: "sesn_open",
        sandbox_id: id,
        network: { type: "unrestricted" },
        pass: null,
        as: "proxy",
        refuse: null,
      });
      assert.equal(await said("tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '"), "lo");
      assert.equal(await said("cat /etc/resolv.conf"), "nameserver 127.0.0.1");
      const elsewhere = ["192.0.2.1/80", "169.254.169.254/80", `127.0.0.1/${portOf(neighbour)}`];
      for (const place of elsewhere)
        assert.equal((await runIn(open, ["bash", "-c", `echo >/dev/tcp/${place}`])).code, 1, place);
      const attempts: Record<string, string> = {
        "an abstract socket": `connect(S, pack_sockaddr_un("\\0${folder.path}"))`,
        "a packet socket": "socket(S, 17, SOCK_RAW, 768)",
        "a raw socket": "socket(S, AF_INET, SOCK_RAW, 1)",
        "a port below 1024": `bind(S, pack_sockaddr_in(81, inet_aton("127.0.0.1")))`,
        "the proxy port": `bind(S, pack_sockaddr_in(3128, inet_aton("127.0.0.1")))`,
      };
      for (const [what, attempt] of Object.entries(attempts)) {
        const family = what.includes("abstract") ? "AF_UNIX" : "AF_INET";
        const program = `use Socket; socket(S, ${family}, SOCK_STREAM, 0) or die; setsockopt(S, SOL_SOCKET, SO_REUSEADDR, 1); print ${attempt} ? "yes" : "no";`;
        assert.equal(await said(`perl -e '${program}'`), "no", what);
      }
      assert.match(await said("grep -h ^Cap /proc/self/status | sort -u -k2"), /^CapInh:\t0000000000000000$/);
      assert.notEqual((await runIn(open, ["ip", "address", "add", "10.9.8.7/8", "dev", "lo"])).code, 0);
      assert.equal(await said("ls /proc/1/fd | wc -l"), await sh(sandbox, "ls /proc/1/fd | wc -l"));
    });

    describe("of a session with credentials", () => {
      const pass = "a-pass-that-no-program-ever-sees";
      const certificateOf = (name: string) =>
        `-----BEGIN CERTIFICATE-----\n${Buffer.from(name).toString("base64")}\n-----END CERTIFICATE-----\n`;
      const credentials = {
        pass,
        certificate: certificateOf("of the session"),
        placeholders: {
          API_KEY: "what-stands-for-the-key",
          HOME: "/nowhere",
          SSL_CERT_FILE: "/nowhere",
          LD_PRELOAD: "/nowhere",
          "A=B": "x",
          "": "x",
        },
      };
      let trusting: Sandbox;
      before(async () => {
        trusting = await driver.provision("sbx_trust", { ...testSpec, credentials });
      });
      after(async () => {
        await trusting.destroy();
        await driver.forget("sbx_trust");
      });

      test("has in its environment what stands for the secrets, and all else as before", async () => {
        const names = "API_KEY HOME LD_PRELOAD A";
        const shown = `for name in ${names}; do echo "$name=\${!name-}"; done`;
        assert.equal(
          await sh(trusting, shown),
          "API_KEY=what-stands-for-the-key\nHOME=/home/agent\nLD_PRELOAD=\nA=",
        );
        assert.equal(
          await sh(sandbox, `${shown}; echo "\${SSL_CERT_FILE-}"; ls -d /run/trust 2>/dev/null`),
          "API_KEY=\nHOME=/home/agent\nLD_PRELOAD=\nA=",
        );
      });

      test("trusts the session's authority beside all others, by the system's list and by variables", async () => {
        const session = Buffer.from("of the session").toString("base64");
        const lists = "$SSL_CERT_FILE $GIT_SSL_CAINFO $REQUESTS_CA_BUNDLE";
        const counts = await sh(
          trusting,
          `for each in ${lists}; do grep -c BEGIN $each; grep -c ${session} $each; done`,
        );
        for (const [i, count] of counts.split("\n").entries())
          assert.ok(i % 2 === 0 ? Number(count) > 10 : count === "1", counts);
        assert.equal(await sh(trusting, "cat $NODE_EXTRA_CA_CERTS"), credentials.certificate.trim());
        const system = "/etc/ssl/certs/ca-certificates.crt";
        const there = await sh(sandbox, `[ -e ${system} ] && echo there`);
        if (there === "there") {
          assert.equal(await sh(trusting, `cmp ${system} $SSL_CERT_FILE && echo same`), "same");
          assert.equal(await sh(sandbox, `grep -c ${session} ${system}`), "0");
        }
      });

      test("can change nothing of what it trusts", async () => {
        const tries = [
          "echo x >> $SSL_CERT_FILE",
          "rm -f $SSL_CERT_FILE",
          "mv $NODE_EXTRA_CA_CERTS /tmp/",
          "echo x > /run/trust/more",
          "mkdir /run/trust/more",
          "chmod 777 /run/trust",
          "umount /run/trust",
          "mv /run/trust /run/other",
          "[ -e /etc/ssl/certs/ca-certificates.crt ] && echo x >> /etc/ssl/certs/ca-certificates.crt",
        ];
        const all = tries.map(
          (each) => `{ ${each}; } 2>/dev/null && echo done: ${JSON.stringify(each).replaceAll("$", "")}`,
        );
        assert.equal(await sh(trusting, all.join("\n")), "");
      });

      test("shows the pass to none of its programs, and keeps it nowhere on the host", async () => {
        const places =
          "/proc/[0-9]*/environ /proc/[0-9]*/cmdline /run /etc /tmp /workspace /home /mnt /dev/shm";
        const search = ["bash", "-c", `exec grep -rlsa -D skip -f - ${places}`];
        assert.equal((await runIn(trusting, search, `${pass}\n`)).stdout, "");
        assert.match((await runIn(trusting, search, "what-stands-for-the-key\n")).stdout, /environ/);
        assert.deepEqual(filesWith(folder.path, pass), []);
      });

      test("leaves nothing of it behind on the host", async () => {
        assert.notDeepEqual(filesWith(folder.path, credentials.certificate.split("\n")[1] ?? ""), []);
        await trusting.destroy();
        assert.deepEqual(filesWith(folder.path, credentials.certificate.split("\n")[1] ?? ""), []);
        const certificate = certificateOf("of another one");
        const placeholders = { OTHER_KEY: "what-stands-for-another" };
        trusting = await driver.provision("sbx_trust", {
          ...testSpec,
          credentials: { pass, certificate, placeholders },
        });
        assert.equal(
          await sh(trusting, 'echo "$(printenv API_KEY || echo none) $OTHER_KEY"'),
          "none what-stands-for-another",
        );
        assert.equal(await sh(trusting, "cat $NODE_EXTRA_CA_CERTS"), certificate.trim());
        await trusting.destroy();
        trusting = await driver.provision("sbx_trust", testSpec);
        assert.equal(
          await sh(trusting, "printenv OTHER_KEY SSL_CERT_FILE; ls /run"),
          await sh(sandbox, "ls /run"),
        );
      });
    });

    test("limits the size of a file, of /tmp and of /dev/shm", async () => {
      const fill = (path: string) =>
        `head -c 40000000 /dev/zero >${path} 2>/dev/null; wc -c <${path}; rm ${path}`;
      const sizes = await sh(
        sandbox,
        [fill("/workspace/big"), fill("/tmp/big"), fill("/dev/shm/big")].join("; "),
      );
      const { file_bytes, tmp_bytes } = testSpec.limits;
      assert.deepEqual(sizes.split("\n").map(Number), [file_bytes, tmp_bytes, tmp_bytes]);
    });

    test("contains a fork bomb", async () => {
      const bombed = await driver.provision("sbx_bomb", testSpec);
      const bomb = await bombed.spawn(["bash", "-c", "f() { f | f & }; f; sleep 1000"], { control: false });
      const { stdout } = await runIn(bombed, ["bash", "-c", "set -- /proc/[0-9]*; echo $#"]);
      assert.ok(Number(stdout) <= testSpec.limits.processes + 32, `${stdout} processes`);
      await bombed.destroy();
      assert.equal(await bomb.exited, null);
      await driver.forget("sbx_bomb");
    });

    test("contains a memory bomb", async () => {
      const bombed = await driver.provision("sbx_memory_bomb", testSpec);
      const { code } = await runIn(bombed, ["bash", "-c", "exec tail /dev/zero"]);
      assert.notEqual(code, 0);
      if (await endsWithout("memory_bytes")) await bombed.ended;
      else assert.equal(await sh(bombed, "echo alive"), "alive");
      await bombed.destroy();
      await driver.forget("sbx_memory_bomb");
      assert.equal(await sh(sandbox, "echo alive"), "alive");
    });

    describe("what is demanded", () => {
      const demand = (name: LimitName, more: Partial<SandboxSpec["limits"]>): SandboxSpec => ({
        ...testSpec,
        limits: { ...testSpec.limits, ...more },
        demanded: [name],
      });

      /** Null where the driver says that it cannot, and then has to refuse it. */
      async function demanding(
        name: LimitName,
        more: Partial<SandboxSpec["limits"]>,
      ): Promise<Sandbox | null> {
        const id = `sbx_${name}`;
        const { [name]: enforced } = await driver.enforces();
        if (enforced.scope === "sandbox") return driver.provision(id, demand(name, more));
        const refusal = { name: "Unavailable", message: /cannot be limited here, without/ };
        await assert.rejects(driver.provision(id, demand(name, more)), refusal);
        return null;
      }

      async function end(demanded: Sandbox): Promise<void> {
        await demanded.destroy();
        await driver.forget(demanded.id);
      }

      test("is a share of the processors for all processes together", async () => {
        const slow = await demanding("cpu", { cpu: 0.2 });
        if (!slow) return;
        const spin = "timeout 1 bash -c 'while :; do :; done'";
        const { stderr } = await runIn(slow, [
          "bash",
          "-c",
          `TIMEFORMAT='%R %U %S'; time (${spin} & ${spin} & wait)`,
        ]);
        const [real = 0, user = 0, system = 0] = stderr.trim().split(" ").map(Number);
        // Not all kernels count it to the hundredth.
        assert.ok(user + system < real, `${stderr.trim()}: all of it, of two processors`);
        await end(slow);
      });

      test("is memory for all processes together", async () => {
        const small = await demanding("memory_bytes", { memory_bytes: 256 << 20 });
        if (!small) return;
        const bytes = 160 << 20;
        const holding = sh(
          small,
          `mkfifo a b; tail -n 1 <a | wc -c >m & tail -n 1 <b | wc -c >n & exec 5>a 6>b
           (head -c ${bytes} /dev/zero >&5); (head -c ${bytes} /dev/zero >&6); exec 5>&- 6>&-; wait; cat m n; echo alive`,
        );
        if (await endsWithout("memory_bytes")) {
          await small.ended;
          await holding;
          return end(small);
        }
        const held = await holding;
        const [m, n, alive] = held.split("\n");
        assert.ok(Number(m) + Number(n) < 2 * bytes, held);
        assert.equal(alive, "alive");
        await end(small);
      });

      test("is disk space also where nobody demands it, if it can be limited", async () => {
        const { disk_bytes: enforced } = await driver.enforces();
        const limits = { ...testSpec.limits, disk_bytes: 48 << 20 };
        const limited = await driver.provision("sbx_undemanded", { ...testSpec, limits });
        const fill = "for n in 1 2 3 4; do head -c 14000000 /dev/zero >$n || exit; done; echo it fits";
        assert.equal(await sh(limited, fill), enforced.scope === "sandbox" ? "" : "it fits");
        await end(limited);
      });

      test("is disk space for workspace, home and outputs together, and deleting gives it back", async () => {
        const full = await demanding("disk_bytes", { disk_bytes: 48 << 20 });
        if (!full) return;
        const said = await sh(
          full,
          `for d in /workspace ~ /mnt/session/outputs; do for n in 1 2; do head -c 10000000 /dev/zero >$d/$n || break; done; done 2>&1
           du -scb /workspace ~ /mnt/session/outputs | tail -n 1 | cut -f 1; echo more >/tmp/more && cat /tmp/more`,
        );
        const [error, bytes, more] = said.split("\n");
        assert.match(error ?? "", /No space left on device/);
        assert.ok(Number(bytes) < 48 << 20, said);
        assert.equal(more, "more");
        assert.equal(
          await sh(full, "rm /workspace/*; echo again >/workspace/a && cat /workspace/a"),
          "again",
        );
        await end(full);
      });

      test("is processes and their threads", async () => {
        const few = await demanding("processes", { processes: 40 });
        if (!few) return;
        const { stdout } = await runIn(few, [
          "bash",
          "-c",
          "for i in $(seq 60); do sleep 100 & done 2>/dev/null & sleep 0.1; set -- /proc/[0-9]*; echo $#; kill $!",
        ]);
        assert.ok(Number(stdout) <= 40 + 32, `${stdout} processes`);
        await end(few);
      });
    });

    test("refuses what it cannot enforce", async () => {
      const spec = { ...testSpec, image: "no-such-image:12" };
      await assert.rejects(driver.provision("sbx_image", spec), { name: "Unavailable", message: /image/ });
    });
  });
}

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";
import type { Sandbox } from "../driver.ts";
import { runIn, type TestFolder, testFolder, testSpec } from "../testing.ts";
import { bubblewrap } from "./bubblewrap.ts";

/** What agents use must work under the filter and the limits, each by a part of it that asks much of the kernel. */
const programs: { name: string; needs: string; script: string; says: string }[] = [
  {
    name: "coreutils",
    needs: "/usr/bin/install",
    script: `mkdir -p a/b && seq 1000 >a/n && cp -a --reflink=auto a c && mv c d && ln -s a/n l && mkfifo f &&
      (cat f >g & echo x >f; wait) && install -m 755 a/n e && touch -d 2020-01-01 e && chmod u+s e && split -l 100 a/n p. &&
      sort -R a/n | sort -n | cmp - a/n && tail -n 1 l && nice -n 5 timeout 5 stat -c %Y e && truncate -s 1G h && df . >/dev/null`,
    says: "1000\n1577836800\n",
  },
  {
    name: "git",
    needs: "/usr/bin/git",
    script: `export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
      git init -q r && cd r && echo 1 >f && git add f && git commit -qm one && git branch x && git gc -q &&
      git worktree add -q ../w x && git clone -q --no-local . ../c && git -C ../c log --format=%s`,
    says: "one\n",
  },
  {
    name: "tar and compressors",
    needs: "/usr/bin/xz",
    script: `mkdir t && seq 10000 >t/n && for z in gzip bzip2 "xz -T2"; do tar -I "$z" -cf t.tar t && tar -xf t.tar -C /tmp &&
      cmp t/n /tmp/t/n && echo ok; done`,
    says: "ok\nok\nok\n",
  },
  {
    name: "perl",
    needs: "/usr/bin/perl",
    script: `perl -MIO::Socket::INET -MTime::HiRes=usleep -e '
      my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1") or die $!;
      if (!fork) { my $c = IO::Socket::INET->new("127.0.0.1:" . $s->sockport); usleep 10; print $c "hello\\n"; exit }
      print scalar readline $s->accept; wait'`,
    says: "hello\n",
  },
  {
    name: "python",
    needs: "/usr/bin/python3",
    script: `cat >m.py <<'END'
import asyncio, multiprocessing, mmap, os, signal, socket, subprocess, tempfile, threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import shared_memory
def square(n): return n * n
async def talk():
    server = await asyncio.start_server(lambda r, w: (w.write(b"hi"), w.close()), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    child = await asyncio.create_subprocess_exec("echo", "child", stdout=subprocess.PIPE)
    return await reader.read(), (await child.communicate())[0]
if __name__ == "__main__":
    with ProcessPoolExecutor(3) as pool: print(sum(pool.map(square, range(10))))
    with multiprocessing.Pool(2) as pool: print(sum(pool.map(square, range(10))))
    lock = multiprocessing.Lock(); lock.acquire(); lock.release()
    memory = shared_memory.SharedMemory(create=True, size=4096); memory.unlink()
    threads = [threading.Thread(target=square, args=(2,)) for _ in range(20)]
    [t.start() for t in threads]; [t.join() for t in threads]
    print(asyncio.run(talk()))
    m = mmap.mmap(-1, 4096); m.madvise(mmap.MADV_DONTNEED)
    print(os.memfd_create("x") > 0, os.pidfd_open(os.getpid()) > 0, os.sched_getaffinity(0) != set())
    os.posix_spawnp("true", ["true"], os.environ); os.copy_file_range
    signal.pthread_sigmask(signal.SIG_BLOCK, []); signal.setitimer(signal.ITIMER_REAL, 100)
END
      python3 m.py && python3 -m venv --without-pip v && v/bin/python -c 'print("venv")'`,
    says: "285\n285\n(b'hi', b'child\\n')\nTrue True True\nvenv\n",
  },
  {
    name: "node",
    needs: "/usr/bin/node",
    script: `cat >m.mjs <<'END'
import { execFileSync, fork } from "node:child_process";
import { watch, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import http from "node:http";
import { Worker, isMainThread } from "node:worker_threads";
import zlib from "node:zlib";
const worker = new Worker("require('node:worker_threads').parentPort.postMessage(6 * 7)", { eval: true });
console.log(await new Promise((resolve) => worker.on("message", resolve)));
const server = http.createServer((_, response) => response.end("served")).listen(0, "127.0.0.1");
await new Promise((resolve) => server.on("listening", resolve));
console.log(await (await fetch("http://127.0.0.1:" + server.address().port)).text());
server.close();
const seen = new Promise((resolve) => { const w = watch(".", () => { w.close(); resolve("watched"); }); });
writeFileSync("seen", ""); console.log(await seen);
console.log(execFileSync("echo", ["child"], { encoding: "utf8" }).trim());
console.log(zlib.gunzipSync(zlib.gzipSync(await readFile("m.mjs"))).length > 100);
process.exit();
END
      node m.mjs`,
    says: "42\nserved\nwatched\nchild\ntrue\n",
  },
  {
    name: "a C compiler and make",
    needs: "/usr/bin/gcc",
    script: `printf '#include <pthread.h>\\n#include <stdio.h>\\nvoid *f(void *x) { return x; }
int main(void) { pthread_t t; pthread_create(&t, 0, f, 0); pthread_join(t, 0); puts("built"); }' >m.c
      printf 'm: m.o\\n\\tgcc -o m m.o -pthread\\nm.o: m.c\\n\\tgcc -O2 -pipe -c m.c\\n' >Makefile
      make -s -j4 && ./m`,
    says: "built\n",
  },
  {
    name: "sqlite",
    needs: "/usr/bin/sqlite3",
    script: `sqlite3 d 'pragma journal_mode = wal; create table t (n); insert into t values (1), (2); select sum(n) from t'`,
    says: "wal\n3\n",
  },
  {
    name: "java",
    needs: "/usr/bin/java",
    script: `java -XX:+UseSerialGC -Xmx64m -version 2>&1 | grep -c version &&
      java -Xmx64m -XX:+UseG1GC -version 2>&1 | grep -c version`,
    says: "1\n1\n",
  },
  {
    name: "go",
    needs: "/usr/bin/go",
    script: `printf 'package main\\nimport "net"\\nfunc main() { l, _ := net.Listen("tcp", "127.0.0.1:0"); l.Close(); println("go") }' >m.go
      go run m.go 2>&1`,
    says: "go\n",
  },
  {
    name: "rust",
    needs: "/usr/bin/rustc",
    script: `echo 'fn main() { std::thread::spawn(|| println!("rust")).join().unwrap(); }' >m.rs && rustc m.rs && ./m`,
    says: "rust\n",
  },
  {
    name: "ruby",
    needs: "/usr/bin/ruby",
    script: `ruby -e 'Thread.new { puts fork { exit 3 } > 0 }.join; Process.wait; puts $?.exitstatus'`,
    says: "true\n3\n",
  },
  {
    name: "PostgreSQL",
    needs: "/usr/bin/pg_ctlcluster",
    script: `export PATH=$(echo /usr/lib/postgresql/*/bin | cut -d' ' -f1):$PATH
      initdb -D p -A trust >/dev/null && pg_ctl -D p -w -o "-k /tmp -h ''" start >/dev/null &&
      psql -h /tmp -d postgres -Atc 'select sum(n) from generate_series(1, 100000) n' && pg_ctl -D p stop >/dev/null`,
    says: "5000050000\n",
  },
];

let folder: TestFolder;
let sandbox: Sandbox;

before(async () => {
  folder = testFolder();
  const limits = { ...testSpec.limits, memory_bytes: 1 << 30, file_bytes: 1 << 30, tmp_bytes: 64 << 20 };
  sandbox = await bubblewrap({ data_dir: folder.path }).provision("sbx_programs", { ...testSpec, limits });
});

after(async () => {
  await sandbox.destroy();
  folder.remove();
});

for (const { name, needs, script, says } of programs) {
  const skip = !existsSync(needs) && `${needs} is not on this machine`;
  test(`${name} works`, { skip }, async () => {
    const own = `set -o pipefail; cd "$(mktemp -d -p /workspace)"\n${script}`;
    const { stdout, stderr, code } = await runIn(sandbox, ["bash", "-c", own]);
    assert.deepEqual({ stdout, code }, { stdout: says, code: 0 }, stderr);
  });
}

import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { shaOf } from "../../../src/hands/mounts/testing-mounts.ts";
import { mountRoots } from "../../../src/hands/wire.ts";
import type { Group } from "../attempt.ts";
import { mountedFile, mountedProgram, mountedText } from "../rig.ts";

const file = JSON.stringify(mountedFile);
const program = JSON.stringify(mountedProgram);
const roots = JSON.stringify(Object.values(mountRoots));
const own = JSON.stringify("of-the-attacker");

export const mounted: Group = {
  name: "what the session mounts",
  attempts: [
    {
      name: "opening it to write",
      program: `
flags = [os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC, os.O_WRONLY | os.O_APPEND]
assert contents(${file}) == ${JSON.stringify(mountedText)}.encode() and open_for(os.O_RDWR, ${own}) == "allowed"
said = all_of({f"{path} {each}": closed(open_for(each, path)) for path in [${file}, ${program}] for each in flags})`,
      holds: "closed",
    },
    {
      name: "changing what is said of it",
      program: `
works = [lambda p: os.chmod(p, 0o777), lambda p: os.utime(p, (1, 1)), lambda p: os.setxattr(p, "user.x", b"x"), lambda p: os.truncate(p, 1)]
attempt(works[0], ${own})
answers = {f"{n} {path}": attempt(work, path) for n, work in enumerate(works) for path in [${file}, os.path.dirname(${program}), *${roots}] if n != 3 or path == ${file}}
said = all_of({k: "closed" if v in ("EROFS", "EACCES", "EPERM", "ENOTSUP", "EOPNOTSUPP") else v for k, v in answers.items()})`,
      holds: "closed",
    },
    {
      name: "a hard link to it, of which it could change more",
      program: `
os.link(${own}, "own-link")
said = all_of({path: attempt(os.link, path, f"link-{n}") for n, path in enumerate([${file}, ${program}])})`,
      holds: "EXDEV",
    },
    {
      name: "opening it anew, by a descriptor that can only read",
      program: `
def again(path):
    fd = os.open(path, os.O_RDONLY)
    answer = writing(f"/proc/self/fd/{fd}")
    os.close(fd)
    return answer
assert again(${own}) == "allowed"
said = closed(again(${file}))`,
      holds: "closed",
    },
    {
      name: "a lease on it, for which others wait who open it",
      program: `
F_SETLEASE = 1024
fd = os.open(${file}, os.O_RDONLY)
assert attempt(fcntl.fcntl, fd, fcntl.F_GETFD) == "allowed"
answers = [attempt(fcntl.fcntl, fd, F_SETLEASE, kind) for kind in [fcntl.F_WRLCK, fcntl.F_RDLCK]]
said = all_of({n: "closed" if answer in ("EPERM", "EACCES", "EINVAL") else answer for n, answer in enumerate(answers)})`,
      holds: "closed",
    },
    {
      name: "its pages, in memory that is shared and can be written",
      program: `
def share(path, flags):
    fd = os.open(path, flags)
    try: mmap.mmap(fd, 4, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE).close()
    finally: os.close(fd)
assert attempt(share, ${own}, os.O_RDWR) == "allowed"
said = attempt(share, ${file}, os.O_RDONLY)`,
      holds: "EACCES",
    },
    {
      name: "putting something else in its place, or beside it",
      program: `
beside = [os.path.join(each, "new") for each in [*${roots}, os.path.dirname(${program})]]
answers = {path: attempt(os.symlink, "/etc/passwd", path) for path in beside}
answers["mkdir"] = attempt(os.mkdir, os.path.join(${roots}[0], "folder"))
answers["rename"] = attempt(os.rename, ${file}, ${file} + ".old")
answers["remove"] = "EROFS" if closed(attempt(os.unlink, ${file})) == "closed" else "allowed"
said = all_of(answers)`,
      holds: "EROFS",
    },
    {
      name: "moving something of its own there",
      program: `
os.link(${own}, "in-its-place")
said = attempt(os.rename, "in-its-place", ${file})`,
      holds: "EXDEV",
    },
    {
      name: "mounting it to be written, or something over it",
      program: `
MS_REMOUNT, MS_BIND, MNT_DETACH = 32, 4096, 2
answers = {}
for root in ${roots}:
    answers["remount " + root] = call("mount", b"none", root.encode(), 0, MS_REMOUNT | MS_BIND, 0)
    answers["bind " + root] = call("mount", b"/workspace", root.encode(), 0, MS_BIND, 0)
    answers["umount " + root] = call("umount2", root.encode(), MNT_DETACH)
said = all_of(answers)`,
      holds: "EPERM",
    },
    {
      name: "the host's copy, after all of that",
      async attack(rig) {
        const copy = join(rig.folder.path, "blobs", shaOf(mountedText));
        const { mode } = statSync(copy);
        return `${(mode & 0o7777).toString(8)} ${readFileSync(copy, "utf8") === mountedText ? "as it was" : "changed"}`;
      },
      holds: "444 as it was",
    },
  ],
};

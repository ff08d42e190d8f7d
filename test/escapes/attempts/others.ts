import { exec, finished } from "../../../src/hands/testing-host.ts";
import type { Group } from "../attempt.ts";
import { attacker, victim } from "../rig.ts";

export const others: Group = {
  name: "other sandboxes",
  attempts: [
    {
      name: "their files",
      program: `
assert find("of-the-attacker")
said = find(host["secret"].replace("secret", "sandboxes/sbx_victim/workspace/of-the-victim")) or "absent"`,
      holds: "absent",
    },
    {
      name: "their temporary files",
      program: `
assert os.path.isdir("/tmp") and os.path.isdir("/dev/shm")
said = [p for p in ["/tmp/of-the-victim", "/dev/shm/of-the-victim", "/var/tmp/of-the-victim"] if os.path.exists(p)] or "absent"`,
      holds: "absent",
    },
    {
      name: "their loopback",
      program: `
own = socket.create_server(("127.0.0.1", 47002))
assert connecting("127.0.0.1", 47002) == "allowed"
said = connecting("127.0.0.1", 47001)`,
      holds: "ECONNREFUSED",
    },
    {
      name: "their abstract sockets",
      program: `said = attempt(socket.socket(socket.AF_UNIX).connect, "\\0of-the-victim")`,
      holds: "ECONNREFUSED",
    },
    {
      name: "their shared memory",
      program: `
assert libc.shmget(0x1d20ef, 4096, 0o1600) >= 0
said = "found" if libc.shmget(0x1d20ee, 4096, 0) >= 0 else errno.errorcode[ctypes.get_errno()]`,
      holds: "ENOENT",
    },
    {
      name: "their processes",
      program: `
def line(pid):
    try: return contents(f"/proc/{pid}/cmdline")
    except OSError: return b""
own = [line(p) for p in os.listdir("/proc") if p.isdigit()]
assert any(own)
said = "found" if any(b"of-the-victim" in each for each in own) else "absent"`,
      holds: "absent",
    },
    {
      name: "their name before the egress process",
      async attack(rig) {
        const line = JSON.stringify({ type: "carry", session_id: "sesn_victim", sandbox_id: "sbx_victim" });
        const host = "as-the-victim.test";
        await rig.sh(
          attacker,
          `exec 3<>/dev/tcp/127.0.0.1/3128; printf '%s\\nGET http://169.254.169.254/ HTTP/1.1\\r\\nHost: ${host}\\r\\n\\r\\n' '${line}' >&3; head -c 12 <&3`,
        );
        const { network } = finished(await rig.run(victim, exec("true")));
        return network === null ? "its own is used" : JSON.stringify(network);
      },
      holds: "its own is used",
    },
  ],
};

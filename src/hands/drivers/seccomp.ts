/**
 * The system call filter of a sandbox, as a classic BPF program. A deny-list over what user namespaces and dropped
 * capabilities already refuse: interfaces that are not namespaced, that widen the kernel's attack surface, or that
 * would make new namespaces.
 */

export type Architecture = "x64" | "arm64";

const architectures = {
  x64: { column: 0, audit: 0xc000003e },
  arm64: { column: 1, audit: 0xc00000b7 },
} as const;

/** Numbers on x86_64 and arm64; null where the architecture lacks the call. */
const refused: Record<string, [number | null, number | null]> = {
  mount: [165, 40],
  umount2: [166, 39],
  pivot_root: [155, 41],
  chroot: [161, 51],
  open_tree: [428, 428],
  move_mount: [429, 429],
  fsopen: [430, 430],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  fspick: [433, 433],
  mount_setattr: [442, 442],
  open_tree_attr: [467, 467],
  unshare: [272, 97],
  setns: [308, 268],
  bpf: [321, 280],
  perf_event_open: [298, 241],
  add_key: [248, 217],
  request_key: [249, 218],
  keyctl: [250, 219],
  userfaultfd: [323, 282],
  io_uring_setup: [425, 425],
  io_uring_enter: [426, 426],
  io_uring_register: [427, 427],
  ptrace: [101, 117],
  process_vm_readv: [310, 270],
  process_vm_writev: [311, 271],
  pidfd_getfd: [438, 438],
  kcmp: [312, 272],
  open_by_handle_at: [304, 265],
  fanotify_init: [300, 262],
  init_module: [175, 105],
  finit_module: [313, 273],
  delete_module: [176, 106],
  create_module: [174, null],
  query_module: [178, null],
  get_kernel_syms: [177, null],
  kexec_load: [246, 104],
  kexec_file_load: [320, 294],
  reboot: [169, 142],
  swapon: [167, 224],
  swapoff: [168, 225],
  acct: [163, 89],
  quotactl: [179, 60],
  quotactl_fd: [443, 443],
  nfsservctl: [180, 42],
  lookup_dcookie: [212, 18],
  syslog: [103, 116],
  vhangup: [153, 58],
  sethostname: [170, 161],
  setdomainname: [171, 162],
  settimeofday: [164, 170],
  clock_settime: [227, 112],
  clock_adjtime: [305, 266],
  adjtimex: [159, 171],
  migrate_pages: [256, 238],
  move_pages: [279, 239],
  ioperm: [173, null],
  iopl: [172, null],
  modify_ldt: [154, null],
  uselib: [134, null],
  ustat: [136, null],
  sysfs: [139, null],
  _sysctl: [156, null],
};

const checked = {
  clone: [56, 220],
  clone3: [435, 435],
  ioctl: [16, 29],
  personality: [135, 92],
  socket: [41, 198],
  socketpair: [53, 199],
} as const;

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. */
const namespaceFlags = 0x7e020000;
/** TIOCSTI types into another's terminal, TIOCLINUX pastes, TIOCSETD loads line disciplines. */
const refusedIoctls = [0x5412, 0x541c, 0x5423];
/** The default, its 32-bit and 2.6-version looks, no address randomisation, and asking. */
const personalities = [0, 8, 0x20000, 0x20008, 0x40000, 0xffffffff];
const [unix, inet, inet6, netlink] = [1, 2, 10, 16];

const errno = { EPERM: 1, ENOSYS: 38, EAFNOSUPPORT: 97 } as const;
const allow = 0x7fff0000;
const killProcess = 0x80000000;
const fail = (name: keyof typeof errno) => 0x00050000 | errno[name];

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
const equal = (value: number, yes: number, no: number): Instruction => ({ code: 0x15, yes, no, value });
const atLeast = (value: number, yes: number, no: number): Instruction => ({ code: 0x35, yes, no, value });
const anyBit = (value: number, yes: number, no: number): Instruction => ({ code: 0x45, yes, no, value });

const refuseIf = (values: number[], action: number) =>
  values.flatMap((v) => [equal(v, 0, 1), answer(action)]);
const allowIf = (values: number[]) => refuseIf(values, allow);

function onCall(number: number, body: Instruction[]): Instruction[] {
  return [equal(number, 0, body.length), ...body];
}

/** Sockets of families that no namespace confines (vsock, packet, alg, ...) do not exist in a sandbox. */
const socketBody = [
  loadArgument(0),
  ...allowIf([unix, inet, inet6]),
  equal(netlink, 1, 0),
  answer(fail("EAFNOSUPPORT")),
  loadArgument(2),
  // NETLINK_ROUTE, which getaddrinfo asks for addresses.
  equal(0, 0, 1),
  answer(allow),
  answer(fail("EAFNOSUPPORT")),
];

export function seccompFilter(architecture: Architecture): Buffer {
  const { column, audit } = architectures[architecture];
  const numbers = Object.values(refused).flatMap((row) => row[column] ?? []);
  const program = [
    loadArchitecture,
    equal(audit, 1, 0),
    answer(killProcess),
    loadNumber,
    // x32 calls carry this bit, and would slip past the numbers below.
    ...(architecture === "x64" ? [atLeast(0x40000000, 0, 1), answer(killProcess)] : []),
    ...refuseIf(numbers, fail("EPERM")),
    // Its flags lie in memory, where a filter cannot look; C libraries fall back to clone.
    ...refuseIf([checked.clone3[column]], fail("ENOSYS")),
    ...onCall(checked.clone[column], [
      loadArgument(0),
      anyBit(namespaceFlags, 0, 1),
      answer(fail("EPERM")),
      answer(allow),
    ]),
    ...onCall(checked.ioctl[column], [
      loadArgument(1),
      ...refuseIf(refusedIoctls, fail("EPERM")),
      answer(allow),
    ]),
    ...onCall(checked.personality[column], [
      loadArgument(0),
      ...allowIf(personalities),
      answer(fail("EPERM")),
    ]),
    ...onCall(checked.socket[column], socketBody),
    ...onCall(checked.socketpair[column], socketBody),
    answer(allow),
  ];
  return encode(program);
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

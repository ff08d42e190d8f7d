import {
  type Architecture,
  deviceMode,
  errno,
  inet,
  inet6,
  namespaceFlags,
  netlink,
  personalities,
  protocols,
  refusedFcntls,
  refusedIoctls,
  tcp,
  unix,
  upperLayerProtocol,
} from "../seccomp.ts";
import { allowed, checked, refused, type SystemCall } from "../system-calls.ts";

/** The same filter as that of the other sandboxes, as container engines are told it. */
export interface SeccompProfile {
  defaultAction: string;
  defaultErrnoRet: number;
  architectures: string[];
  syscalls: Rule[];
}

interface Rule {
  names: string[];
  action: string;
  errnoRet?: number;
  args?: Comparison[];
}

/** `value` is the mask, and `valueTwo` what is left of the argument under it. */
interface Comparison {
  index: number;
  value: number;
  valueTwo: number;
  op: "SCMP_CMP_MASKED_EQ";
}

const allow = "SCMP_ACT_ALLOW";
const fail = "SCMP_ACT_ERRNO";
const bits = 32;
const whole = 0xffffffff;

const masked = (index: number, value: number, valueTwo: number): Comparison => ({
  index,
  value,
  valueTwo,
  op: "SCMP_CMP_MASKED_EQ",
});
const is = (index: number, value: number) => masked(index, whole, value);

/**
 * Everything but these values, as beginnings that no value has: an argument can be compared once in a rule, and rules
 * that overlap have no order.
 */
export function othersThan(index: number, values: readonly number[]): Comparison[] {
  const found: Comparison[] = [];
  const walk = (beginning: number, length: number, left: readonly number[]) => {
    const size = 2 ** (bits - length);
    if (left.length === 0) found.push(masked(index, 2 ** bits - size, beginning));
    else if (length < bits) {
      const middle = beginning + size / 2;
      walk(
        beginning,
        length + 1,
        left.filter((value) => value < middle),
      );
      walk(
        middle,
        length + 1,
        left.filter((value) => value >= middle),
      );
    }
  };
  walk(0, 0, values);
  return found;
}

const bitsOf = (flags: number): number[] =>
  Array.from({ length: bits }, (_, n) => 2 ** n).filter((bit) => (flags & bit) !== 0);

const ruled = (names: string[]) => ({
  allow: (...args: Comparison[]): Rule => ({ names, action: allow, args }),
  fail: (name: keyof typeof errno, ...args: Comparison[]): Rule => ({
    names,
    action: fail,
    errnoRet: errno[name],
    args,
  }),
});

function checkedRules(): Rule[] {
  const clone = ruled(["clone"]);
  const fcntl = ruled(["fcntl"]);
  const ioctl = ruled(["ioctl"]);
  const personality = ruled(["personality"]);
  const setsockopt = ruled(["setsockopt"]);
  const sockets = ruled(["socket", "socketpair"]);
  const device = [ruled(["mknod"]), ruled(["mknodat"])];
  return [
    clone.allow(masked(0, namespaceFlags, 0)),
    ...bitsOf(namespaceFlags).map((bit) => clone.fail("EPERM", masked(0, bit, bit))),
    ...othersThan(1, refusedFcntls).map((other) => fcntl.allow(other)),
    ...refusedFcntls.map((command) => fcntl.fail("EPERM", is(1, command))),
    ...othersThan(1, refusedIoctls).map((other) => ioctl.allow(other)),
    ...refusedIoctls.map((request) => ioctl.fail("EPERM", is(1, request))),
    ...personalities.map((persona) => personality.allow(is(0, persona))),
    ...othersThan(0, personalities).map((other) => personality.fail("EPERM", other)),
    ...device.map((mknod, n) => mknod.allow(masked(n + 1, deviceMode, 0))),
    ...device.map((mknod, n) => mknod.fail("EPERM", masked(n + 1, deviceMode, deviceMode))),
    ...othersThan(1, [tcp]).map((level) => setsockopt.allow(level)),
    ...othersThan(2, [upperLayerProtocol]).map((option) => setsockopt.allow(is(1, tcp), option)),
    setsockopt.fail("ENOPROTOOPT", is(1, tcp), is(2, upperLayerProtocol)),
    sockets.allow(is(0, unix)),
    ...[inet, inet6].flatMap((family) => [
      ...protocols.map((protocol) => sockets.allow(is(0, family), is(2, protocol))),
      ...othersThan(2, protocols).map((other) => sockets.fail("EPROTONOSUPPORT", is(0, family), other)),
    ]),
    sockets.allow(is(0, netlink), is(2, 0)),
    ...othersThan(2, [0]).map((other) => sockets.fail("EAFNOSUPPORT", is(0, netlink), other)),
    ...othersThan(0, [unix, inet, inet6, netlink]).map((other) => sockets.fail("EAFNOSUPPORT", other)),
  ];
}

export function seccompProfile(architecture: Architecture): SeccompProfile {
  const named = (calls: SystemCall[]) =>
    calls.filter((call) => call[architecture] !== null).map(({ name }) => name);
  const rules = checkedRules();
  const known = new Set(named([...allowed, ...checked, ...refused]));
  const withRules = new Set(rules.flatMap(({ names }) => names));
  const without = named(checked).filter((name) => !withRules.has(name));
  return {
    defaultAction: fail,
    defaultErrnoRet: errno.ENOSYS,
    architectures: [architecture === "x64" ? "SCMP_ARCH_X86_64" : "SCMP_ARCH_AARCH64"],
    syscalls: [
      { names: named(allowed), action: allow },
      // Old engines know no default errno and say EPERM, at which no library falls back to what it used before.
      { names: ["clone3"], action: fail, errnoRet: errno.ENOSYS },
      { names: [...named(refused), ...without], action: fail, errnoRet: errno.EPERM },
      ...rules
        .map((rule) => ({ ...rule, names: rule.names.filter((name) => known.has(name)) }))
        .filter(({ names }) => names.length > 0),
    ],
  };
}

import { limits } from "../limits.ts";

/**
 * Where the serves of one machine answer what egress asks of credentials: each at the first place that nobody had when it
 * began, since only then may it be root, which can make one. Egress asks whoever answers first, so that no serve has to take
 * the place of one that has died.
 */
export const vaultPlaces = (socket_path: string): string[] => [
  socket_path,
  ...Array.from({ length: limits.vault_listeners_max - 1 }, (_, n) => `${socket_path}.${n + 2}`),
];

/** Whose lock is held while a place is taken. That it is there shows that a serve was. */
export const vaultLock = (socket_path: string): string => `${socket_path}.lock`;

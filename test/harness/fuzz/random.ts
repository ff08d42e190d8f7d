/** Numbers that look random and come again with the same seed. */
export interface Random {
  /** From 0 to one less than `count`. */
  below(count: number): number;
  pick<Item>(list: readonly Item[]): Item;
  /** True in that share of all cases. */
  chance(share: number): boolean;
}

/** `place` tells apart what one seed is used for: each place has numbers of its own. */
export function randomOf(seed: number, place: number): Random {
  let state = Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(place + 1, 0x85ebca6b);
  /** Mulberry32: from 0 up to, but not including, 1. */
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (count: number) => Math.floor(next() * count);
  return {
    below,
    pick: (list) => list[below(list.length)] as (typeof list)[number],
    chance: (share) => next() < share,
  };
}

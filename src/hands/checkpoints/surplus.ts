/**
 * Which of a sandbox's checkpoints go when there are more than `most`, by their numbers in order. The newest half stays, and
 * the first; of those between, the older the fewer. So a fork from long ago finds one that is not far before it.
 */
export function surplus(numbers: readonly number[], most: number): number[] {
  const kept = [...numbers];
  while (kept.length > most) {
    const newest = kept.at(-1) ?? 0;
    const between = kept.slice(1, -Math.ceil(most / 2)).map((n, i) => {
      const [before = n, after = n] = [kept[i], kept[i + 2]];
      return { n, stretch: (after - before) / (newest - before) };
    });
    const least = between.reduce((a, b) => (b.stretch < a.stretch ? b : a));
    kept.splice(kept.indexOf(least.n), 1);
  }
  return numbers.filter((n) => !kept.includes(n));
}

const plain = new Intl.NumberFormat("en");
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const dollars = new Intl.NumberFormat("en", { style: "currency", currency: "USD" });
const fractions = new Intl.NumberFormat("en", {
  style: "currency",
  currency: "USD",
  maximumSignificantDigits: 2,
});

export const count = (n: number): string => plain.format(n);

/** "12.4K": for where the exact number stands beside it or on hover. */
export const short = (n: number): string => compact.format(n);

/** "$0.0042" of what is less than a cent: it is not nothing. */
export const money = (cents: number): string =>
  (cents > 0 && cents < 1 ? fractions : dollars).format(cents / 100);

export function bytes(n: number): string {
  if (n < 1_024) return `${n} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  const step = Math.min(Math.floor(Math.log2(n) / 10), units.length);
  const value = n / 1_024 ** step;
  return `${value.toFixed(value < 10 ? 1 : 0)} ${units[step - 1]}`;
}

/** Those who wait until something that changes is as they want it. */
export interface Waiting {
  /** It has changed. */
  ring(): void;
  /** What `look` finds, as soon as that is not undefined; rejects with what it throws. */
  until<Found>(look: () => Found | undefined): Promise<Found>;
}

export function waiting(): Waiting {
  const checks = new Set<() => void>();
  return {
    ring() {
      for (const check of checks) check();
    },
    until: (look) =>
      new Promise((resolve, reject) => {
        const check = () => {
          try {
            const found = look();
            if (found === undefined) return;
            resolve(found);
          } catch (error) {
            reject(error);
          }
          checks.delete(check);
        };
        checks.add(check);
        check();
      }),
  };
}

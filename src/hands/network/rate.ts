/** So many a second, and a few seconds' worth at once. */
export interface Rate {
  /** Whether one more may be; if so, it counts. */
  take(): boolean;
}

const secondsAtOnce = 2;

export function createRate(perSecond: number, now = () => performance.now()): Rate {
  const most = perSecond * secondsAtOnce;
  let left = most;
  let at = now();
  return {
    take() {
      const time = now();
      left = Math.min(most, left + ((time - at) / 1_000) * perSecond);
      at = time;
      if (left < 1) return false;
      left -= 1;
      return true;
    },
  };
}

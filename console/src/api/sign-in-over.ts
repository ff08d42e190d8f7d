import { useSyncExternalStore } from "react";

/** Whether somebody is signed in no more while they have changed what is saved nowhere yet: they are asked where they are. */
let isOver = false;
const listeners = new Set<() => void>();

function subscribe(changed: () => void): () => void {
  listeners.add(changed);
  return () => listeners.delete(changed);
}

export function tellSignInOver(over: boolean): void {
  isOver = over;
  for (const changed of listeners) changed();
}

export const useSignInOver = (): boolean => useSyncExternalStore(subscribe, () => isOver);

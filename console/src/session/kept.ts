import { useState } from "react";
import { keptName } from "./draft.ts";

/** Words that are being written to answer a call: they outlive what shows them, which goes when it is scrolled out of sight. */
export function useKept(sessionId: string, name: string): [string, (text: string) => void] {
  const key = keptName(`${sessionId}.${name}`);
  const [text, setText] = useState(() => read(key));
  return [
    text,
    (next) => {
      setText(next);
      try {
        if (next === "") sessionStorage.removeItem(key);
        else sessionStorage.setItem(key, next);
      } catch {
        // Where nothing can be kept, it is there for as long as it is seen.
      }
    },
  ];
}

function read(key: string): string {
  try {
    return sessionStorage.getItem(key) ?? "";
  } catch {
    return "";
  }
}

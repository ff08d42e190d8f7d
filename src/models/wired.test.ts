import { specifyCuts, specifyHostile } from "./hostile.spec.ts";
import { specifyWire } from "./wire.spec.ts";
import { allWired } from "./wired.spec.ts";

for (const wired of allWired) {
  specifyWire(wired);
  specifyHostile(wired);
  specifyCuts(wired, 29);
}

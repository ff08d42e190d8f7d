import { specifyCuts } from "../src/models/hostile.spec.ts";
import { allWired } from "../src/models/wired.spec.ts";

for (const wired of allWired) specifyCuts(wired, 1);

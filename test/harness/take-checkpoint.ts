import { keptWorkspace } from "../../src/hands/checkpoints/testing.ts";

// Keeps the workspace in the folder that is named, as soon as it is told where to die.
const [, , path = ""] = process.argv;
process.channel?.ref();
process.once("message", () => keptWorkspace({ path, remove() {} }).take());

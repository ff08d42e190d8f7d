import assert from "node:assert/strict";
import { test } from "node:test";
import type { Command } from "commander";
import { commandGroups } from "./commands.ts";

/** What prints nothing that a program would read, and why. */
const withoutJson: Record<string, string> = {
  chat: "a conversation of people; drover run --json is that of programs",
  "profiles set": "prints nothing to standard output",
  "profiles use": "prints nothing to standard output",
  "profiles rm": "prints nothing to standard output",
  completion: "prints a program of a shell",
  bench: "its arguments are those of the bench, which has --json",
  up: "a process that stays, with lines of a log",
  serve: "a process that stays, with lines of a log",
  hands: "a process that stays, with lines of a log",
  egress: "a process that stays, with lines of a log",
  worker: "a process that stays, with lines of a log",
};

interface Leaf {
  path: string;
  command: Command;
}

const leavesOf = (command: Command, before: string[] = []): Leaf[] => {
  const path = [...before, command.name()];
  return command.commands.length === 0
    ? [{ path: path.join(" "), command }]
    : command.commands.flatMap((sub) => leavesOf(sub, path));
};

const makers = Object.values(commandGroups("main.ts")).flatMap((group) => Object.entries(group));
const made = await Promise.all(makers.map(async ([name, make]) => ({ name, command: await make() })));
const leaves = made.flatMap(({ command }) => leavesOf(command));

test("commands are called as they are looked for", () => {
  assert.deepEqual(
    made.map(({ command }) => command.name()),
    made.map(({ name }) => name),
  );
});

test("every command has --json, or a reason not to", () => {
  const lacking = leaves.filter(({ command }) => !command.options.some(({ long }) => long === "--json"));
  assert.deepEqual(lacking.map(({ path }) => path).toSorted(), Object.keys(withoutJson).toSorted());
});

test("every command, argument and option says what it is", () => {
  for (const { path, command } of leaves) {
    assert.ok(command.description(), path);
    for (const argument of command.registeredArguments)
      assert.ok(argument.description, `${path} ${argument.name()}`);
    for (const option of command.options) assert.ok(option.description, `${path} ${option.flags}`);
  }
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { readConfig } from "../config.ts";

const machine = { uid: 1000, home: "/home/somebody" };
const configOf = (file: string) =>
  readConfig({ DROVER_CONFIG: "/etc/drover.yaml", DROVER_DATA_DIR: "/data" }, machine, () => file)
    .repositories;

test("repositories come from github.com, unless the file names where from", () => {
  const github = { url: "https://github.com", private_network: false };
  assert.deepEqual(configOf("{}"), { hosts: [github], folder: "/data/repositories" });
  const file =
    "repositories: { hosts: ['https://git.example.com:8443/base', { url: 'http://10.0.0.5:3000', private_network: true }] }";
  assert.deepEqual(configOf(file).hosts, [
    { url: "https://git.example.com:8443/base", private_network: false },
    { url: "http://10.0.0.5:3000", private_network: true },
  ]);
  assert.deepEqual(configOf("repositories: { hosts: [] }").hosts, []);
});

test("what is no URL of a host is refused by its place, and not shown", () => {
  const wrong = [
    "git@github.com",
    "ssh://git@github.com",
    "https://user:secret@git.example.com",
    "https://git.example.com/",
    "https://git.example.com?x=secret",
    "https://git.example.com/a/../b",
    "HTTPS://GIT.example.com",
  ];
  for (const url of wrong)
    assert.throws(
      () => configOf(`repositories: { hosts: ["${url}"] }`),
      (error: Error) => /repositories\.hosts/.test(error.message) && !error.message.includes("secret"),
      url,
    );
});

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Page } from "playwright-core";
import { noBrowser } from "./browser.ts";
import { setStage } from "./stage.ts";

/** Real folders and files are dropped by the browser, as from the window of another program. */
describe("what is dropped", { skip: noBrowser }, () => {
  const stage = setStage();
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "drover-dropped-"));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  /** So many files are not read at once by a machine that has other things to do. */
  const patient = { timeout: 120_000 };

  async function drop(page: Page, label: string, ...files: string[]) {
    const box = await page.getByText(label, { exact: true }).last().boundingBox();
    assert.ok(box);
    const at = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
    const devtools = await page.context().newCDPSession(page);
    for (const type of ["dragEnter", "dragOver", "drop"] as const)
      await devtools.send("Input.dispatchDragEvent", {
        type,
        ...at,
        data: { items: [], files, dragOperationsMask: 1 },
      });
    await devtools.detach();
  }
  const skillsLabel = "Drop the folder of a skill here, or a zip of it";

  async function skill(name: string) {
    const path = join(folder, name);
    await mkdir(join(path, "nested/deeper"), { recursive: true });
    await writeFile(join(path, "SKILL.md"), `---\nname: ${name}\ndescription: Does it.\n---\nBegin.\n`);
    await writeFile(join(path, "nested/deeper/größe ‮txt.md"), "nested\n");
    await writeFile(join(path, "nested/.hidden"), "hidden\n");
    return path;
  }

  async function filesOf(page: Page, name: string): Promise<string[]> {
    await page.getByRole("button", { name, exact: true }).click();
    await page.getByRole("button", { name: "Look" }).first().click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("Begin.").waitFor();
    const names = await dialog.locator("li span:first-child").allTextContents();
    await page.keyboard.press("Escape");
    return names.sort();
  }

  test("a folder goes with all that is in it, but for what version control and editors leave there", async () => {
    const path = await skill("whole");
    await mkdir(join(path, ".git/objects"), { recursive: true });
    await mkdir(join(path, "node_modules/x"), { recursive: true });
    await writeFile(join(path, ".git/config"), "[remote]\nurl = https://user:token@example.com/\n");
    await writeFile(join(path, ".DS_Store"), "x");
    for (let n = 0; n < 1_500; n += 1) await writeFile(join(path, `node_modules/x/${n}.js`), "x");
    const expected = ["SKILL.md", "nested/.hidden", "nested/deeper/größe ⟨U+202E⟩txt.md"].map(
      (name) => `whole/${name}`,
    );
    const page = await stage.opened("skills");
    await drop(page, skillsLabel, path);
    await page.getByText("One is uploaded.").waitFor(patient);
    assert.deepEqual(await filesOf(page, "whole"), expected);
    await page.getByRole("button", { name: "Delete whole" }).click();
    await page.getByRole("button", { name: "Delete it" }).click();
    await page.getByText("A skill is a folder").waitFor();
    await page.getByLabel("Choose a folder").setInputFiles(path);
    await page.getByText("2 are uploaded.").waitFor(patient);
    assert.deepEqual(await filesOf(page, "whole"), expected);
  });

  test("a folder of 10,000 files, one that is too large, an empty one and one with links are said to be so", async () => {
    const many = join(folder, "many");
    await mkdir(many);
    for (let n = 0; n < 10_000; n += 1) await writeFile(join(many, `${n}.md`), "");
    const large = await skill("large");
    await writeFile(join(large, "large.bin"), "");
    await truncate(join(large, "large.bin"), 31 << 20);
    const empty = join(folder, "empty");
    await mkdir(empty);
    const linked = await skill("linked");
    await symlink("..", join(linked, "nested/above"));
    await symlink("/etc/hostname", join(linked, "nested/host"));
    await symlink("nowhere", join(linked, "nested/gone"));
    const page = await stage.opened("skills");
    await drop(page, skillsLabel, many, large, empty);
    await page.getByText("It has more than 1000 files.").waitFor(patient);
    await page.getByText(/and the server takes 30 MiB at most/).waitFor();
    await page.getByText("It is an empty folder.").waitFor();
    await page.getByLabel("Choose a folder").setInputFiles(many, patient);
    await page.getByText("It has more than 1000 files.").nth(1).waitFor(patient);
    await drop(page, skillsLabel, linked);
    // The browser tells nothing of links: they are not followed to where other things lie.
    await page.getByText("One is uploaded.").waitFor(patient);
    const names = await filesOf(page, "linked");
    assert.equal(names.length, 3, names.join());
  });

  test("files of no bytes and of odd names come back under them, and one beside the area opens nothing", async () => {
    const names = [
      "nothing.txt",
      "größe 图.txt",
      "gpj‮.exe",
      "it's <b> & so on.txt",
      ".hidden",
      "a%20b;c.txt",
    ];
    const paths = names.map((name) => join(folder, name));
    for (const path of paths) await writeFile(path, path.endsWith("nothing.txt") ? "" : "content");
    const page = await stage.opened("files");
    await page.getByText("Files are given to sessions").waitFor();
    await drop(page, "Drop files here", ...paths);
    await page.getByText("6 are uploaded.").waitFor();
    const files = await Array.fromAsync(stage.api.client.beta.files.list());
    assert.deepEqual(files.map(({ filename }) => filename).sort(), [...names].sort());
    await drop(page, "Files", paths[0] ?? "");
    await page.waitForTimeout(500);
    assert.match(page.url(), /\/console\/files$/);
    await page.getByText("6 are uploaded.").waitFor();
    await drop(page, "Drop files here", folder);
    await page.getByText("It is a folder: drop the files that are in it.").waitFor();
  });
});

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { follow, message, newSession, prepare, send } from "../../test/harness/session.ts";
import { findings } from "./axe.ts";
import { narrow, noBrowser, overflow } from "./browser.ts";
import { setStage } from "./stage.ts";

/** Files and skills go in by drop or by choice, are looked at as text, and go when that is confirmed. */
describe("uploads", { skip: noBrowser }, () => {
  const stage = setStage();
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "drover-uploads-"));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  test("several files are dropped at once; what is too large is said before it is sent", async () => {
    const page = await stage.opened("files");
    const sent: string[] = [];
    page.on("request", (request) => {
      if (request.method() === "POST" && request.url().endsWith("/v1/files")) sent.push(request.url());
    });
    await page.getByText("Drop files here").waitFor();
    const dropped = await page.evaluateHandle(`(() => {
      const data = new DataTransfer();
      for (let n = 0; n < 5; n += 1) data.items.add(new File(["n,square\\n" + n], "table-" + n + ".csv"));
      return data;
    })()`);
    await page.getByText("Drop files here").dispatchEvent("drop", { dataTransfer: dropped });
    await page.getByText("5 are uploaded.").waitFor();
    for (let n = 0; n < 5; n += 1) await page.getByText(`table-${n}.csv`).waitFor();
    assert.equal(sent.length, 5);

    // A file that only says that it is so large: nobody reads it.
    await page.evaluate(`Object.defineProperty(File.prototype, "size", { get: () => 600 * 1024 * 1024 })`);
    await page
      .getByLabel("Choose files")
      .setInputFiles([{ name: "large.bin", mimeType: "application/octet-stream", buffer: Buffer.from("x") }]);
    await page.getByText(/the server takes 500 MiB at most/).waitFor();
    assert.equal(sent.length, 5);
    await page.getByRole("button", { name: "Dismiss large.bin" }).click();
    await page.getByText("large.bin").waitFor({ state: "hidden" });

    await page.getByRole("button", { name: "Delete table-3.csv" }).click();
    await page.keyboard.press("Escape");
    await page.getByText("table-3.csv").first().waitFor();
    await page.getByRole("button", { name: "Delete table-3.csv" }).click();
    await page.keyboard.press("Enter");
    await page.getByRole("row", { name: /table-3/ }).waitFor({ state: "hidden" });
    assert.equal((await Array.fromAsync(stage.api.client.beta.files.list())).length, 4);
  });

  test("one that is stopped is not there, and what fails can be tried again", async () => {
    const page = await stage.opened("files");
    let pass: (() => void) | undefined;
    await page.route("**/v1/files", async (route) => {
      if (route.request().method() !== "POST") return route.continue();
      await new Promise<void>((resolve) => {
        pass = resolve;
      });
      await route.abort().catch(() => {});
    });
    const file = { name: "slow.txt", mimeType: "text/plain", buffer: Buffer.from("slow") };
    await page.getByLabel("Choose files").setInputFiles([file]);
    await page.getByRole("button", { name: "Stop slow.txt" }).click();
    await page.getByRole("button", { name: "Stop slow.txt" }).waitFor({ state: "hidden" });
    pass?.();
    await page.getByLabel("Choose files").setInputFiles([file]);
    await page.getByRole("button", { name: "Stop slow.txt" }).waitFor();
    pass?.();
    await page.getByText("The server cannot be reached.").waitFor();
    await page.unroute("**/v1/files");
    await page.getByRole("button", { name: "Try again" }).click();
    await page.getByText("One is uploaded.").waitFor();
    await page.getByRole("row", { name: /slow.txt/ }).waitFor();
  });

  test("what a session has made is looked at, and leads to it", async () => {
    const session = await newSession(stage.api.client, await prepare(stage.api.client));
    const following = await follow(stage.api.client, session.id);
    await send(
      stage.api.client,
      session.id,
      message(
        "bash mkdir -p /mnt/session/outputs && echo '<b>not bold</b>' > /mnt/session/outputs/page.html",
      ),
    );
    await following.until(({ type }) => type === "session.status_idle");
    following.close();
    const page = await stage.opened("files");
    await page.getByRole("button", { name: "Look at page.html" }).click();
    await page.getByRole("dialog").getByText("<b>not bold</b>").waitFor();
    await page.keyboard.press("Escape");
    await page
      .getByRole("row", { name: /page\.html/ })
      .getByRole("link", { name: /^sesn_/ })
      .click();
    await page.getByLabel("Message to the agent").waitFor();
  });

  test("what a session was given goes with it; until when a file is kept is said", async () => {
    const { client } = stage.api;
    const { id } = await client.files.upload({
      file: new File(["n,square\n1,1\n"], "given.csv"),
      expires_in_seconds: 86_400,
    });
    const { agent_id, environment_id } = await prepare(client);
    const session = await client.beta.sessions.create({
      agent: agent_id,
      environment_id,
      resources: [{ type: "file", file_id: id, mount_path: "given.csv" }],
    });
    const page = await stage.opened("files");
    const rows = page.getByRole("row", { name: /given\.csv/ });
    await rows.nth(1).waitFor();
    await rows.filter({ hasText: /goes in \d+h/ }).waitFor();
    assert.equal(await page.getByRole("button", { name: "Delete given.csv" }).count(), 1);
    await rows.filter({ hasText: "uploaded" }).getByRole("button", { name: "Delete given.csv" }).waitFor();
    await page.goto(`${stage.api.url}/console/sessions/${session.id}?tab=files`);
    const copy = page.getByRole("row", { name: /given\.csv/ });
    await copy.getByText("given to the session").waitFor();
    assert.equal(await copy.getByRole("button").or(copy.getByRole("link")).count(), 0);
  });

  test("a skill is a folder; its versions are looked at file by file, and deleted", async () => {
    const page = await stage.opened("skills");
    const skill = join(folder, "release-notes");
    await mkdir(join(skill, "examples"), { recursive: true });
    const manifest = (body: string) =>
      `---\nname: release-notes\ndescription: How we write them.\n---\n${body}\n`;
    await writeFile(join(skill, "SKILL.md"), manifest("Begin with <script>alert(1)</script> what changed."));
    await writeFile(join(skill, "examples/one.md"), "An example.\n");
    await page.getByLabel("Choose a folder").setInputFiles(skill);
    await page.getByRole("button", { name: "release-notes", exact: true }).click();
    await page.getByRole("cell", { name: "How we write them." }).waitFor();

    await writeFile(join(skill, "SKILL.md"), manifest("Begin with what broke."));
    await page.getByLabel("Choose a folder").last().setInputFiles(skill);
    await page.getByRole("button", { name: "Look" }).nth(1).waitFor();
    await page.getByRole("button", { name: "Look" }).nth(1).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("Begin with <script>alert(1)</script> what changed.").waitFor();
    await dialog.getByRole("button", { name: /examples\/one\.md/ }).click();
    await dialog.getByText("An example.").waitFor();
    assert.deepEqual(await findings(page), []);
    await page.keyboard.press("Escape");

    await page
      .getByRole("button", { name: /^Delete the version/ })
      .first()
      .click();
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Look" }).nth(1).waitFor({ state: "hidden" });
    await page.getByRole("button", { name: "Delete release-notes" }).click();
    await page.keyboard.press("Enter");
    await page.getByText("A skill is a folder").waitFor();

    // What is no skill is refused in the server's words.
    await rm(join(skill, "SKILL.md"));
    await page.getByLabel("Choose a folder").setInputFiles(skill);
    await page.getByText(/SKILL\.md.* is missing/).waitFor();
  });

  test("fit a narrow window", async () => {
    const page = await stage.opened("skills", { viewport: narrow, colorScheme: "dark" });
    await page.getByText("A skill is a folder").waitFor();
    assert.equal(await overflow(page), 0);
    assert.deepEqual(await findings(page), []);
    await page.goto(`${stage.api.url}/console/files`);
    await page.getByText("slow.txt").waitFor();
    assert.equal(await overflow(page), 0);
    assert.deepEqual(await findings(page), []);
  });
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { freePort } from "./harness/free-port.ts";
import { closeGate } from "./harness/gate.ts";
import { startProcesses } from "./harness/processes.ts";
import { listed, message, newSession, prepare } from "./harness/session.ts";

test("an owner that is frozen between its effect and its commit is cut off, and learns what another did instead", async () => {
  const processes = await startProcesses();
  try {
    const [firstPort, secondPort] = [await freePort(), await freePort()];
    await processes.hands();
    const frozen = await processes.serve(firstPort);
    const survivor = await processes.serve(secondPort);
    const { id } = await newSession(survivor.client, await prepare(survivor.client));
    const gate = await closeGate(processes.db);
    const held = { headers: { "idempotency-key": "held" } };
    const sendTo = ({ client }: typeof survivor) =>
      client.beta.sessions.events.send(id, { events: [message("say hi")] }, held);
    const first = sendTo(frozen);
    await gate.reached();
    frozen.freeze();
    await gate.open();
    const second = await sendTo(survivor);
    frozen.thaw();
    // Its own transaction is gone; the SDK asks again.
    assert.deepEqual(await first, second);
    const messages = (await listed(survivor.client, id)).filter(({ type }) => type === "user.message");
    assert.deepEqual(
      messages.map((event) => event.id),
      second.data?.map((event) => event.id),
    );
  } finally {
    await processes.close();
  }
});

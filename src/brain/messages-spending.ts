import type { Caps } from "../config.ts";
import type { Database } from "../db/database.ts";
import { addSpent } from "../log/spend.ts";
import type { Used } from "../models/messages/meter.ts";
import { type PricedModel, type Prices, search_nano } from "../models/prices.ts";
import { ApiError, invalid } from "../protocol/errors.ts";
import { workspaceCapOf } from "./caps.ts";

/** What requests for single messages may cost a workspace, and what they did. */
export interface MessagesSpending {
  /** Throws where the workspace has reached a cap, or where the model could not be measured by one. */
  mayAsk(workspaceId: string, model: PricedModel): Promise<void>;
  /** `steppedIn` has answered in the model's place. */
  used(workspaceId: string, model: PricedModel, used: Used, steppedIn: string | null): void;
  /** Resolves when all of it is written down. */
  settled(): Promise<void>;
}

export function messagesSpending(
  db: Database,
  caps: Caps,
  { prices, trouble }: { prices: Prices; trouble(message: string, error: unknown): void },
): MessagesSpending {
  const findCap = workspaceCapOf(db, caps);
  const measures = caps.per_workspace !== null || caps.per_workspace_day !== null;
  const writing = new Set<Promise<void>>();
  return {
    async mayAsk(workspaceId, model) {
      if (measures && !prices.has(model)) throw notMeasured(model);
      const cap = await findCap(workspaceId);
      if (cap !== null) throw new ApiError("billing_error", cap, { headers: { "x-should-retry": "false" } });
    },
    used(workspaceId, model, { usage, searches }, steppedIn) {
      const other = steppedIn === null ? null : prices.costOf({ id: steppedIn }, usage);
      const written = addSpent(db, workspaceId, {
        model: steppedIn ?? model.id,
        usage,
        searches,
        nano: other ?? prices.costOf(model, usage),
        searches_nano: searches * search_nano,
      })
        .catch((error) => trouble("what a message has cost was not written down", error))
        .finally(() => writing.delete(written));
      writing.add(written);
    },
    async settled() {
      await Promise.all(writing);
    },
  };
}

const notMeasured = ({ id, speed }: PricedModel) =>
  invalid(
    `model: this server has caps on what may be spent, and ${id}${speed === "fast" ? " at fast speed" : ""} has no list price to measure it by; add one to the file that DROVER_PRICES names (0 is a price)`,
    { code: "model_not_budgetable" },
  );

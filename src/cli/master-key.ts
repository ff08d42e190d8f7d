import { existsSync, readFileSync } from "node:fs";
import type { MasterKeySettings } from "../config/master-key.ts";
import { freshMasterKey, masterKeyOf } from "../vault/master-key.ts";
import type { MasterKey } from "../vault/seal.ts";
import { writeOnce } from "./write-once.ts";

/** The key that secrets are sealed under: the one that was set, else one made once and kept. */
export function openMasterKey(settings: MasterKeySettings): MasterKey {
  const ownFile = settings.from === "file" && settings.own ? settings.path : null;
  if (ownFile !== null && !existsSync(ownFile)) writeOnce(ownFile, `${freshMasterKey()}\n`);
  return readMasterKey(settings);
}

/** Where it is written down. */
export const masterKeyPlace = (settings: MasterKeySettings): string =>
  settings.from === "environment" ? "DROVER_MASTER_KEY" : settings.path;

/** The same, where none is made. */
export function readMasterKey(settings: MasterKeySettings): MasterKey {
  const name = masterKeyPlace(settings);
  try {
    return masterKeyOf(settings.from === "environment" ? settings.text : readFileSync(settings.path, "utf8"));
  } catch (error) {
    throw new Error(`${name} holds no usable master key: ${(error as Error).message}`);
  }
}

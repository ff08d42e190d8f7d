import type { Driver, LimitName, Sandbox } from "../driver.ts";
import type { TestFolder } from "../testing.ts";

/** A driver that is looked at, and a sandbox of it for whatever leaves it as it was. They are there once the tests begin. */
export interface Driven {
  readonly folder: TestFolder;
  readonly driver: Driver;
  readonly sandbox: Sandbox;
  /** Whether a sandbox ends that goes beyond it. */
  endsWithout(name: LimitName): Promise<boolean>;
}

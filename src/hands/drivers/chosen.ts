import type { DriverSettings } from "../../config/driver.ts";
import type { Mirrors } from "../../config/mirrors.ts";
import type { Driver } from "../driver.ts";
import { variablesOfMirrors } from "../layers/managers.ts";
import { bubblewrap } from "./bubblewrap.ts";
import { docker } from "./docker/docker.ts";
import { gvisor } from "./gvisor/gvisor.ts";

/** The one that the configuration names. `data_dir` is that of `hands`, and the same for all of them. */
export function chosenDriver(
  { name, docker: settings }: DriverSettings,
  data_dir: string,
  mirrors: Mirrors = {},
): Driver {
  const installers = { variables: variablesOfMirrors(mirrors) };
  switch (name) {
    case "bubblewrap":
      return bubblewrap({ data_dir, installers });
    case "gvisor":
      return gvisor({ data_dir, installers });
    case "docker":
      return docker({ data_dir, ...settings });
  }
}

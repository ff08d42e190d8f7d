import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Metrics } from "./metrics.ts";

export interface MetricsListener {
  url: string;
  close(): void;
}

/** `GET /metrics` at an address of its own: it asks for no key, so who may reach it is a matter of the address. */
export async function listenForMetrics(
  metrics: Pick<Metrics, "text" | "content_type">,
  { host, port }: { host: string; port: number },
): Promise<MetricsListener> {
  const server = createServer(async ({ method, url }, response) => {
    if (url !== "/metrics") return response.writeHead(404).end("The metrics are at /metrics.\n");
    if (method !== "GET" && method !== "HEAD") return response.writeHead(405, { allow: "GET" }).end();
    const text = await metrics.text();
    response.writeHead(200, { "content-type": metrics.content_type }).end(text);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("listening", resolve);
    server.once("error", (error) =>
      reject(
        new Error(`DROVER_METRICS: cannot listen there, set it to another address: ${error.message}`, {
          cause: error,
        }),
      ),
    );
    server.listen(port, host);
  });
  const { port: taken } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${taken}/metrics`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

// The calls in Node, and what came of them as JSON.
import { createFalClient } from "@fal-ai/client";
import WebSocket from "ws";

import { everyCall, REALTIME_URL } from "./calls.mjs";

const [base] = process.argv.slice(2);

// The one call that the proxy protocol does not cover.
globalThis.WebSocket = class extends WebSocket {
  constructor(url, protocols) {
    super(url.replace(REALTIME_URL, `${base.replace("http", "ws")}/run`), protocols);
  }
};

const fal = createFalClient({
  credentials: "any:key",
  proxyUrl: { url: `${base}/api/fal/proxy`, when: "always" },
  suppressLocalCredentialsWarning: true,
});

console.log(JSON.stringify(await everyCall(fal)));
process.exit(0);

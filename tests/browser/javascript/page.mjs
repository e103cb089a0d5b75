// The calls in a page, which has no key and comes from elsewhere; what came of them is in `window.results`.
import { createFalClient } from "@fal-ai/client";

import { everyCall, REALTIME_URL } from "./calls.mjs";

const base = new URLSearchParams(location.search).get("server");

// The one call that the proxy protocol does not cover.
const Socket = globalThis.WebSocket;
globalThis.WebSocket = class extends Socket {
  constructor(url, protocols) {
    super(url.replace(REALTIME_URL, `${base.replace("http", "ws")}/run`), protocols);
  }
};

window.results = everyCall(createFalClient({ proxyUrl: `${base}/api/fal/proxy` }));

// Drives the unmodified JavaScript client through the proxy protocol, and prints what came of it as JSON.
import { createFalClient } from "@fal-ai/client";
import WebSocket from "ws";

const [base] = process.argv.slice(2);
const ENDPOINT = "fal-ai/flux/schnell";
const size = { width: 64, height: 80 };

// The one call that the proxy protocol does not cover.
globalThis.WebSocket = class extends WebSocket {
  constructor(url, protocols) {
    super(url.replace("wss://fal.run", `${base.replace("http", "ws")}/run`), protocols);
  }
};

const fal = createFalClient({
  credentials: "any:key",
  proxyUrl: { url: `${base}/api/fal/proxy`, when: "always" },
  suppressLocalCredentialsWarning: true,
});

const fetched = async (url) => Buffer.from(await (await fetch(url)).arrayBuffer());

async function run() {
  const { data, requestId } = await fal.run(ENDPOINT, { input: { prompt: "a", seed: 3, image_size: size } });
  return { seed: data.seed, hasId: Boolean(requestId), bytes: (await fetched(data.images[0].url)).length };
}

async function subscribe(mode) {
  const seen = [];
  const { data } = await fal.subscribe(ENDPOINT, {
    input: { prompt: `subscribe ${mode}`, seed: 4, image_size: size },
    mode,
    logs: true,
    pollInterval: 50,
    onQueueUpdate: (update) => seen.push(update.status),
  });
  return { seed: data.seed, last: seen.at(-1) };
}

async function cancel() {
  const { request_id: requestId } = await fal.queue.submit(ENDPOINT, { input: { prompt: "endless" }, priority: "low" });
  await fal.queue.cancel(ENDPOINT, { requestId });
  const status = await fal.queue.status(ENDPOINT, { requestId });
  return { status: status.status, type: status.error_type };
}

async function stream() {
  const events = await fal.stream(ENDPOINT, { input: { prompt: "stream", seed: 5, image_size: size } });
  let progress = 0;
  for await (const event of events) progress += "progress" in event;
  return { seed: (await events.done()).seed, progress };
}

async function upload() {
  const url = await fal.storage.upload(new Blob(["hello"], { type: "text/plain" }));
  return { text: (await fetched(url)).toString() };
}

async function uploadInParts() {
  const data = Buffer.alloc(91 * 1024 * 1024, 7);
  const url = await fal.storage.upload(new Blob([data], { type: "application/octet-stream" }));
  return { same: (await fetched(url)).equals(data) };
}

async function invalid() {
  try {
    await fal.run(ENDPOINT, { input: {} });
  } catch (error) {
    return { name: error.name, status: error.status, fields: error.body.detail.map((issue) => issue.loc.join(".")) };
  }
}

async function realtime() {
  return await new Promise((resolve, reject) => {
    const connection = fal.realtime.connect(ENDPOINT, {
      connectionKey: "test",
      throttleInterval: 0,
      onResult: (result) => {
        connection.close();
        resolve({ seed: result.seed, bytes: result.images[0].content.length > 0 });
      },
      onError: reject,
    });
    connection.send({ prompt: "a", seed: 6, image_size: size });
  });
}

const results = {
  run: await run(),
  polled: await subscribe("polling"),
  streamed: await subscribe("streaming"),
  cancel: await cancel(),
  stream: await stream(),
  upload: await upload(),
  uploadInParts: await uploadInParts(),
  invalid: await invalid(),
  realtime: await realtime(),
};
console.log(JSON.stringify(results));
process.exit(0);

// What the unmodified JavaScript client does through the proxy protocol, the same in Node and in a page.
export const REALTIME_URL = "wss://fal.run";
const ENDPOINT = "fal-ai/flux/schnell";
const size = { width: 64, height: 80 };

const fetched = async (url) => new Uint8Array(await (await fetch(url)).arrayBuffer());

async function run(fal) {
  const { data, requestId } = await fal.run(ENDPOINT, { input: { prompt: "a", seed: 3, image_size: size } });
  return { seed: data.seed, hasId: Boolean(requestId), bytes: (await fetched(data.images[0].url)).length };
}

async function subscribe(fal, mode) {
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

async function cancel(fal) {
  const { request_id: requestId } = await fal.queue.submit(ENDPOINT, { input: { prompt: "endless" }, priority: "low" });
  await fal.queue.cancel(ENDPOINT, { requestId });
  const status = await fal.queue.status(ENDPOINT, { requestId });
  return { status: status.status, type: status.error_type };
}

async function stream(fal) {
  const events = await fal.stream(ENDPOINT, { input: { prompt: "stream", seed: 5, image_size: size } });
  let progress = 0;
  for await (const event of events) progress += "progress" in event;
  return { seed: (await events.done()).seed, progress };
}

async function upload(fal) {
  const url = await fal.storage.upload(new Blob(["hello"], { type: "text/plain" }));
  return { text: new TextDecoder().decode(await fetched(url)) };
}

async function uploadInParts(fal) {
  const data = new Uint8Array(91 * 1024 * 1024).fill(7);
  const url = await fal.storage.upload(new Blob([data], { type: "application/octet-stream" }));
  const found = await fetched(url);
  return { same: found.length === data.length && found.every((octet) => octet === 7) };
}

async function invalid(fal) {
  try {
    await fal.run(ENDPOINT, { input: {} });
  } catch (error) {
    return { name: error.name, status: error.status, fields: error.body.detail.map((issue) => issue.loc.join(".")) };
  }
}

async function realtime(fal) {
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

export async function everyCall(fal) {
  return {
    run: await run(fal),
    polled: await subscribe(fal, "polling"),
    streamed: await subscribe(fal, "streaming"),
    cancel: await cancel(fal),
    stream: await stream(fal),
    upload: await upload(fal),
    uploadInParts: await uploadInParts(fal),
    invalid: await invalid(fal),
    realtime: await realtime(fal),
  };
}

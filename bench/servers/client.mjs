// Our client as packed: asks the service at the address in the arguments, and reports its own CPU time and latency.
const { connect } = await import(new URL("../../dist/src/client/index.js", import.meta.url).href);

const options = { alone: {}, batch: { batch: true }, cache: { cache: true } };
const clients = new Map(
  Object.entries(options).map(([name, own]) => [name, connect(process.argv[2], { ...own, deadlineMs: 60_000 })]),
);
let tokens = [];

/** Verifies tokens, so many at once. */
async function verify(name, concurrent, count) {
  const client = clients.get(name);
  const { hits } = client.cacheStatistics();
  const times = [];
  let left = count;
  const worker = async () => {
    while (left-- > 0) {
      const began = performance.now();
      const { kind } = await client.verify({ realm: "integuru", token: tokens[left % tokens.length] });
      if (kind !== "verified") throw new Error(`a token is ${kind}`);
      times.push(performance.now() - began);
    }
  };
  const before = process.cpuUsage();
  await Promise.all(Array.from({ length: concurrent }, worker));
  const { user, system } = process.cpuUsage(before);
  times.sort((a, b) => a - b);
  return { cpu: user + system, latency: times[times.length >> 1], saved: client.cacheStatistics().hits - hits };
}

const answer = async ([question, ...args]) => {
  if (question === "tokens") [tokens] = args;
  process.send?.(question === "tokens" ? {} : await verify(...args));
};
process.on("message", (message) => void answer(message));
process.on("disconnect", () => process.exit());

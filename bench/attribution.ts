import type { Profiler } from "node:inspector";

// What a profile's time was spent on. Time belongs to the function that ran (self time), and a function without a file of
// its own, or of a general library, works for the nearest function below it that has one.

/** The causes of time. */
export const CAUSES = {
  node: "Node's HTTP, streams and sockets",
  library: "grpc-js and Express",
  transport: "our transport (src/grpc, net, http)",
  system: "native code and the kernel, outside JavaScript",
  crypto: "digests and signatures",
  reading: "reading the token (src/jws)",
  deciding: "deciding (src/verifier, keys, directory, vendors)",
  messages: "reading requests and writing answers (src/wire)",
  keeping: "bookkeeping (src/contract, observability, util)",
  collecting: "garbage collection",
  other: "other",
} as const;

/** One of {@link CAUSES}. */
export type Cause = keyof typeof CAUSES;

/** Causes by the beginning of a path, the first that fits; a path begins behind `dist/`, `node_modules/` or `node:`. */
const BY_PATH: readonly (readonly [path: string, Cause | "idle"])[] = [
  // The profiler itself.
  ["inspector", "idle"],
  ["src/jws/algorithms", "crypto"],
  ["src/jws", "reading"],
  ["src/verifier", "deciding"],
  ["src/keys", "deciding"],
  ["src/directory", "deciding"],
  ["src/vendors", "deciding"],
  ["lru-cache", "deciding"],
  ["src/wire", "messages"],
  ["gen/", "messages"],
  ["@bufbuild/protobuf", "messages"],
  ["src/contract", "keeping"],
  ["src/observability", "keeping"],
  ["src/util", "keeping"],
  ["prom-client", "keeping"],
  ["pino", "keeping"],
  ["src/", "transport"],
  ["@grpc/grpc-js", "library"],
  ["express", "library"],
  ["router", "library"],
  ["internal/crypto", "crypto"],
  ["crypto", "crypto"],
  ["internal/http2", "node"],
  ["_http", "node"],
  ["http", "node"],
  ["internal/stream", "node"],
  ["stream", "node"],
  ["net", "node"],
  ["internal/net", "node"],
  ["events", "node"],
  ["internal/timers", "node"],
  ["internal/process", "node"],
  ["internal/async_hooks", "node"],
];

/** Causes of the profiler's own functions. */
const BY_NAME: ReadonlyMap<string, Cause | "idle"> = new Map([
  ["(garbage collector)", "collecting"],
  ["(program)", "system"],
  ["(idle)", "idle"],
  ["(root)", "other"],
]);

/** Returns the cause of a function; undefined if it works for the function that called it. */
export function causeOf({ functionName, url }: Pick<Profiler.ProfileNode["callFrame"], "functionName" | "url">) {
  const named = BY_NAME.get(functionName);
  if (named !== undefined) return named;
  const path = /(?:\/dist\/|.*\/node_modules\/|^node:)(.*)$/.exec(url)?.[1];
  return path === undefined ? undefined : BY_PATH.find(([start]) => path.startsWith(start))?.[1];
}

/** Returns the time of each cause in microseconds; time in which the process was idle is left out. */
export function attribute({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): ReadonlyMap<Cause, number> {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const causes = new Map<number, Cause | "idle">();
  const spread = (id: number, inherited: Cause | "idle"): void => {
    const node = byId.get(id);
    if (node === undefined) return;
    const cause = causeOf(node.callFrame) ?? inherited;
    causes.set(id, cause);
    for (const child of node.children ?? []) spread(child, cause);
  };
  const [root] = nodes;
  if (root !== undefined) spread(root.id, "other");
  const times = new Map<Cause, number>();
  for (const [index, id] of samples.entries()) {
    const cause = causes.get(id) ?? "other";
    // A delta is the time before its sample, so a sample lasts until the next one.
    if (cause !== "idle") times.set(cause, (times.get(cause) ?? 0) + (timeDeltas[index + 1] ?? 0));
  }
  return times;
}

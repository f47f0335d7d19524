import { type Figures, type Plan, race } from "./compare.js";
import { type Age, type Entry, floorsOf, type LibraryName, type PeerName } from "./entries.js";
import { FACES } from "./faces.js";
import type { Grid } from "./grid.js";
import { lineUp } from "./line-up.js";
import { arePeersInstalled } from "./peers/peers.js";
import { type Findings, medianOf, ratioOf, reportOf } from "./report.js";
import { progress } from "./table.js";

// The service beside other software that verifies RS256 tokens: servers in Go and C, and libraries in one process.

const AGES: readonly Age[] = ["seen", "fresh"];
const PEERS: readonly PeerName[] = ["grpc-go echo", "grpc-go unary", "grpc-go batch of 100", "HAProxy"];
const LIBRARIES: readonly LibraryName[] = ["our core", "fast-jwt", "jose"];

const ours = (shape: "unary" | "batch100" | "stream16"): readonly Entry[] =>
  AGES.map((age) => ({ kind: "grpc", shape, algorithm: "RS256", age }) as const);

/** What is raced, with the servers of other languages only where they are installed. */
const entries = (): readonly Entry[] => [
  { kind: "floor", floor: "grpc-js unary" },
  { kind: "floor", floor: "node:http2 unary" },
  ...ours("unary"),
  ...ours("batch100"),
  ...ours("stream16"),
  ...FACES.map(({ vendor }) => ({ kind: "face", vendor, age: "seen" }) as const),
  ...(arePeersInstalled() ? PEERS : []).map((peer) => ({ kind: "peer", peer }) as const),
  { kind: "signature", algorithm: "RS256" },
  ...LIBRARIES.flatMap((library) => AGES.map((age) => ({ kind: "library", library, age }) as const)),
];

/** Measures the service beside its peers. */
export async function measurePeers(plan: Plan): Promise<Findings> {
  if (!arePeersInstalled())
    console.log("The servers in Go and C are not installed: bench/peers/install.sh does that.\n");
  const line = await lineUp(entries(), plan);
  try {
    const figures = await race(line.contenders, plan, (round) => progress(`round ${round} of ${plan.rounds}`));
    progress("");
    await line.check();
    return { grids: [peersGrid(figures)], report: reportOf("peers", figures, floorsOf(entries()), plan) };
  } finally {
    await line.close();
  }
}

/** The contender that each column compares with. */
const COLUMNS = ["grpc-go unary", "grpc-go batch of 100", "HAProxy", "bare signature check, RS256"] as const;

/** Returns the figures as a table, a line for each contender. */
function peersGrid(figures: Figures): Grid {
  const columns = COLUMNS.filter((name) => figures.has(name));
  return {
    title: "RS256, µs of the server's CPU per token, and as ratios:",
    header: ["", "µs", ...columns.map((name) => `beside ${name}`)],
    rows: [...figures.keys()].map((name) => [
      name,
      medianOf(figures, name).toFixed(1),
      ...columns.map((other) => ratioOf(figures, name, other).toFixed(2)),
    ]),
  };
}

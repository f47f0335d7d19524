import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import Database from "better-sqlite3";
import { revocationKey } from "../src/directory/revocation.js";
import { requestOf } from "./calls.js";
import { type Contender, type Plan, race, spread } from "./compare.js";
import { deploy, withDirectory } from "./deployment.js";
import { clowkToken, secretKeyOf } from "./directory-data.js";
import { storeOf } from "./directory-store.js";
import { grpcClient } from "./grpc-load.js";
import { load, type Measured, start } from "./measured.js";
import { item, SHAPES } from "./messages.js";
import { runImport } from "./run-import.js";
import { type Chart, drawChart } from "./svg.js";
import { progress } from "./table.js";
import { claimsOf, type Signer, signerOf } from "./tokens.js";

// What a verification costs as something grows: the token, a realm's keys, the realms, the directory, the revocations, the
// headers of a call. Drawn as charts, in which a flat line is a cost that does not grow.

/** The distinct tokens of a point that the service has seen before. */
const SEEN = 500;

/** A request for token n, which is a new token for each n. */
type Make = (n: number) => Promise<Buffer>;

/** A point of a curve. */
interface Point {
  readonly label: string;
  readonly server: Measured;
  /** Makes an item of a batch. */
  readonly make: Make;
  /** Headers of the call besides gRPC's own (default none). */
  readonly headers?: number;
}

/** A curve, whose services run while it is measured. */
interface Curve {
  readonly name: string;
  readonly title: string;
  readonly xLabel: string;
  /** The tokens of a call (default 100, which shows what a token costs and not what a call does). */
  readonly isUnary?: boolean;
  /** @param keep takes what must be stopped afterwards */
  points(keep: (stop: () => void) => void): Promise<readonly Point[]>;
}

// The fresh tokens of a round, of up to 8,000 bytes, must not evict those seen before.
const cache = { facts: "256MiB" };
const config = (realms: object): string =>
  JSON.stringify({ grpc: "127.0.0.1:0", log: { level: "warn" }, cache, realms });
const realmOf = (...signers: readonly Signer[]): object => ({
  algorithms: ["HS256"],
  issuer: null,
  audience: null,
  keys: signers.map(({ entry }) => entry),
});

async function serviceOf(text: string, keep: (stop: () => void) => void): Promise<Measured> {
  const deployment = deploy(text);
  const server = await start("service", deployment.config);
  keep(() => {
    server.stop();
    deployment.remove();
  });
  return server;
}

const token = (signer: Signer, n: number, more: object = {}): Promise<string> =>
  signer.token(JSON.stringify({ ...claimsOf(n), ...more }));

const SIGNER = signerOf("HS256");
const plain: Make = async (n) => item("r", await token(SIGNER, n));

const CURVES: readonly Curve[] = [
  {
    name: "payload",
    title: "Size of the payload",
    xLabel: "bytes of the payload",
    async points(keep) {
      const server = await serviceOf(config({ r: realmOf(SIGNER) }), keep);
      return [250, 500, 1_000, 2_000, 4_000, 8_000].map((bytes) => ({
        label: bytes.toLocaleString("en"),
        server,
        make: async (n: number) => {
          const rest = bytes - JSON.stringify(claimsOf(n)).length;
          const groups = Array.from({ length: Math.ceil(rest / 24) }, (_, g) => `group-${String(g).padStart(15, "0")}`);
          return item("r", await token(SIGNER, n, rest > 30 ? { groups } : {}));
        },
      }));
    },
  },
  {
    name: "keys",
    title: "Keys in a realm",
    xLabel: "keys, each with its kid",
    async points(keep) {
      const sizes = [1, 3, 10, 30, 100];
      const signers = Array.from({ length: 100 }, (_, n) => signerOf("HS256", `kid-${n}`));
      const realms = Object.fromEntries(sizes.map((size) => [`r${size}`, realmOf(...signers.slice(0, size))]));
      const server = await serviceOf(config(realms), keep);
      return sizes.map((size) => ({
        label: String(size),
        server,
        make: async (n: number) => item(`r${size}`, await token(signers[n % size] ?? SIGNER, n)),
      }));
    },
  },
  {
    name: "realms",
    title: "Realms of a service",
    xLabel: "realms, asked in turn",
    points: (keep) =>
      Promise.all(
        [1, 10, 100, 1_000].map(async (size) => {
          const names = Array.from({ length: size }, (_, n) => `realm-${n}`);
          const realms = Object.fromEntries(names.map((name) => [name, realmOf(SIGNER)]));
          const server = await serviceOf(config(realms), keep);
          const make: Make = async (n) => item(`realm-${n % size}`, await token(SIGNER, n));
          return { label: size.toLocaleString("en"), server, make };
        }),
      ),
  },
  {
    name: "directory",
    title: "Users in the directory",
    xLabel: "users, of whom 1,000 are asked about",
    async points(keep) {
      const points: Point[] = [];
      for (const [label, users] of [
        ["1,000", 1_000],
        ["10,000", 10_000],
        ["100,000", 100_000],
        ["1,000,000", 1_000_000],
      ] as const) {
        const server = await serviceOf(withDirectory(await storeOf(users)), keep);
        // Users of one instance, since a batch may have eight callers.
        const make: Make = (n) => {
          const user = Math.floor(((n % 1_000) * users) / 1_000 / 10) * 10;
          return Promise.resolve(requestOf("clowk", clowkToken(user, { n }), secretKeyOf(user)));
        };
        points.push({ label, server, make });
      }
      return points;
    },
  },
  {
    name: "revocations",
    title: "Revocations",
    xLabel: "revoked tokens of the realm",
    async points(keep) {
      const points: Point[] = [];
      for (const [label, count] of [
        ["0", 0],
        ["1,000", 1_000],
        ["10,000", 10_000],
        ["100,000", 100_000],
      ] as const) {
        const deployment = deploy(
          withDirectory().replace("realms:", `realms:\n  r: ${JSON.stringify(realmOf(SIGNER))}`),
        );
        await revoke(deployment.folder, deployment.config, count);
        const server = await start("service", deployment.config);
        keep(() => {
          server.stop();
          deployment.remove();
        });
        points.push({ label, server, make: plain });
      }
      return points;
    },
  },
  {
    name: "headers",
    title: "Headers of a call",
    xLabel: "headers of 32 bytes besides gRPC's own",
    isUnary: true,
    async points(keep) {
      const server = await serviceOf(config({ r: realmOf(SIGNER) }), keep);
      return [0, 4, 8, 16, 32, 64].map((headers) => ({ label: String(headers), server, make: plain, headers }));
    },
  },
];

/** Fills a new store with revocations. */
async function revoke(folder: string, file: string, count: number): Promise<void> {
  const bulk = path.join(folder, "one.jsonl");
  writeFileSync(
    bulk,
    JSON.stringify({ client: { clientId: "one", clientSecret: "a-secret-of-the-benchmarks-client" } }),
  );
  await runImport(bulk, file);
  const db = new Database(path.join(folder, "verifier.db"));
  const insert = db.prepare("INSERT INTO revoked (key, realm, kind, value) VALUES (?, 'r', 'jti', ?)");
  db.transaction(() => {
    for (let n = 0; n < count; n++)
      insert.run(revocationKey({ realm: "r", kind: "jti", value: `revoked-${n}` }), `revoked-${n}`);
  })();
  db.close();
}

/** The calls, and the batches, that a server answers of each age before the first round. */
const WARM = { calls: 12_000, batches: 60 } as const;

/** Returns the two contenders of a point: tokens seen before, and fresh ones. @param sharing points of the same server */
async function contendersOf(
  point: Point,
  sharing: number,
  isUnary: boolean,
  { requests }: Plan,
): Promise<readonly Contender[]> {
  const name = point.label;
  const shape = isUnary ? SHAPES.unary : SHAPES.batch100;
  const client = grpcClient(point.server.ready.addresses?.["grpc"] ?? "", 4, point.headers ?? 0);
  const count = isUnary ? requests : Math.ceil((requests * 2) / shape.tokens);
  const warm = Math.ceil((isUnary ? WARM.calls : WARM.batches) / sharing);
  const size = { server: point.server, requests: count, each: shape.tokens, warm };
  const sender = (next: () => Buffer) =>
    load(isUnary ? 64 : 4, async () => {
      const answer = await client.call(shape.method, shape.frame(Array.from({ length: shape.tokens }, next)));
      if (!shape.isGood(answer)) throw new Error(`${name}: a good token is not verified`);
    });
  const seen = await Promise.all(Array.from({ length: SEEN }, (_, n) => point.make(n)));
  let turn = 0;
  let made = SEEN;
  let fresh: Buffer[] = [];
  /** Makes the tokens of a round, which are new. */
  const prepare = async (): Promise<void> => {
    const needed = Math.max(size.requests, made === SEEN ? size.warm : 0) * shape.tokens;
    fresh = await Promise.all(Array.from({ length: needed }, () => point.make(made++)));
  };
  return [
    { ...size, name: `${name}, seen`, send: sender(() => seen[turn++ % SEEN] ?? Buffer.alloc(0)) },
    { ...size, name: `${name}, fresh`, send: sender(() => fresh.pop() ?? Buffer.alloc(0)), prepare },
  ];
}

async function measureCurve(curve: Curve, plan: Plan): Promise<Chart> {
  const stops: (() => void)[] = [];
  try {
    const points = await curve.points((stop) => stops.push(stop));
    const contenders: Contender[] = [];
    for (const point of points) {
      const sharing = points.filter(({ server }) => server === point.server).length;
      contenders.push(...(await contendersOf(point, sharing, curve.isUnary ?? false, plan)));
    }
    const figures = await race(contenders, plan, (round) =>
      progress(`${curve.name}: round ${round} of ${plan.rounds}`),
    );
    progress("");
    const [first] = points;
    /** The median cost of the first point, times the median of each point's ratios to it. */
    const values = (age: string): readonly number[] => {
      const firsts = figures.get(`${first?.label}, ${age}`) ?? [];
      return points.map(({ label }) => {
        const ratios = (figures.get(`${label}, ${age}`) ?? []).map(
          (figure, round) => figure / (firsts[round] ?? Number.NaN),
        );
        return spread(firsts).median * spread(ratios).median;
      });
    };
    return {
      title: curve.title,
      xLabel: curve.xLabel,
      yLabel: curve.isUnary ? "µs of CPU per call" : "µs of CPU per token",
      points: points.map(({ label }) => label),
      series: { "seen before": values("seen"), fresh: values("fresh") },
    };
  } finally {
    for (const stop of stops) stop();
  }
}

/** Measures all curves, prints them, and draws them. @param folder of the pictures; undefined for none */
export async function curves(plan: Plan, folder: string | undefined): Promise<void> {
  for (const curve of CURVES) {
    const chart = await measureCurve(curve, plan);
    console.log(`${chart.title} (${chart.xLabel}), ${chart.yLabel}, and as a ratio to the first:`);
    for (const [name, values] of Object.entries(chart.series)) {
      const cells = values.map(
        (value, n) => `${chart.points[n]}: ${value.toFixed(1)} (${(value / (values[0] ?? 1)).toFixed(2)})`,
      );
      console.log(`  ${name.padEnd(12)} ${cells.join("  ")}`);
    }
    if (folder === undefined) continue;
    mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, `cost-of-${curve.name}.svg`), drawChart(chart));
  }
}

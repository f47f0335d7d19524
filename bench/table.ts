import { type Figures, type Plan, race } from "./compare.js";
import { type Age, type Entry, floorsOf, nameOf } from "./entries.js";
import { FACES } from "./faces.js";
import type { Grid } from "./grid.js";
import { lineUp } from "./line-up.js";
import { SHAPES } from "./messages.js";
import { type Findings, medianOf, ratioOf, reportOf } from "./report.js";
import { ALGORITHMS, type BenchAlgorithm } from "./tokens.js";

// The table of what a verification costs: every transport, algorithm and shape of a call, for tokens seen before and for
// fresh ones, beside the least that each transport can cost.

const AGES: readonly Age[] = ["seen", "fresh"];
const ALL_SHAPES = Object.keys(SHAPES) as (keyof typeof SHAPES)[];
const BARE_HTTP = ["node:http", "Express"] as const;

const FLOORS: readonly Entry[] = [
  { kind: "floor", floor: "grpc-js unary" },
  { kind: "floor", floor: "node:http2 unary" },
  { kind: "floor", floor: "grpc-js stream" },
];
const CALL = nameOf({ kind: "floor", floor: "grpc-js unary" });

/** The whole table, and its short form. */
export const TABLES = {
  table: entriesOf(ALGORITHMS, ALL_SHAPES),
  floor: entriesOf(["RS256"], ["unary", "batch100"]),
} as const satisfies Record<string, readonly Entry[]>;

function entriesOf(algorithms: readonly BenchAlgorithm[], shapes: readonly (keyof typeof SHAPES)[]): readonly Entry[] {
  const both = <Each>(make: (age: Age) => Each): readonly Each[] => AGES.map(make);
  return [
    ...FLOORS,
    ...algorithms.map((algorithm) => ({ kind: "signature", algorithm }) as const),
    ...algorithms.flatMap((algorithm) => [
      ...both((age) => shapes.map((shape) => ({ kind: "grpc", shape, algorithm, age }) as const)).flat(),
      ...both((age) => ({ kind: "connect", algorithm, age }) as const),
    ]),
    ...FACES.flatMap(({ vendor }) => [
      ...BARE_HTTP.map((floor) => ({ kind: "face floor", floor, vendor }) as const),
      ...both((age) => ({ kind: "face", vendor, age }) as const),
    ]),
  ];
}

/** Measures a table. */
export async function measure(name: keyof typeof TABLES, plan: Plan): Promise<Findings> {
  const entries = TABLES[name];
  const line = await lineUp(entries, plan);
  try {
    const figures = await race(line.contenders, plan, (round) => progress(`round ${round} of ${plan.rounds}`));
    progress("");
    await line.check();
    return { grids: gridsOf(figures), report: reportOf(name, figures, floorsOf(entries), plan) };
  } finally {
    await line.close();
  }
}

/** Shows a line that the next one replaces, on a terminal. */
export function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}

/** Returns the tables of a report's figures. */
function gridsOf(figures: Figures): readonly Grid[] {
  const beside = (name: string, floor: string): string =>
    figures.has(name) ? `${medianOf(figures, name).toFixed(1)} (${ratioOf(figures, name, floor).toFixed(2)})` : "";
  const ratio = (name: string, floor: string): string =>
    figures.has(name) ? ratioOf(figures, name, floor).toFixed(2) : "";
  const micros = (name: string): string => medianOf(figures, name).toFixed(1);

  const algorithms = ALGORITHMS.filter((algorithm) => figures.has(nameOf({ kind: "signature", algorithm })));
  const columns = algorithms.flatMap((algorithm) => AGES.map((age) => ({ algorithm, age })));
  const header = columns.map(({ algorithm, age }) => `${algorithm} ${age}`);
  const row = (title: string, make: (column: (typeof columns)[number]) => string): readonly string[] => [
    title,
    ...columns.map(make),
  ];
  const shapes = ALL_SHAPES.filter((shape) =>
    columns.some((one) => figures.has(nameOf({ kind: "grpc", shape, ...one }))),
  );
  const httpFloor = nameOf({ kind: "floor", floor: "node:http2 unary" });
  return [
    {
      title: "The least that each transport and each signature can cost, in µs of CPU:",
      header: ["without a service", "µs"],
      rows: [
        ...FLOORS.map((entry) => [nameOf(entry), micros(nameOf(entry))]),
        ...algorithms.map((algorithm) => nameOf({ kind: "signature", algorithm })).map((name) => [name, micros(name)]),
      ],
    },
    {
      title: "gRPC and Connect, µs of the service's CPU per token (and as a ratio to an empty grpc-js call):",
      header: ["", ...header],
      rows: [
        ...shapes.map((shape) =>
          row(SHAPES[shape].name, (column) => beside(nameOf({ kind: "grpc", shape, ...column }), CALL)),
        ),
        row("Connect JSON", (column) => beside(nameOf({ kind: "connect", ...column }), CALL)),
        row("unary, beside node:http2", (column) =>
          ratio(nameOf({ kind: "grpc", shape: "unary", ...column }), httpFloor),
        ),
        ...(shapes.includes("stream1")
          ? [
              row("stream of 1, beside grpc-js", (column) =>
                ratio(
                  nameOf({ kind: "grpc", shape: "stream1", ...column }),
                  nameOf({ kind: "floor", floor: "grpc-js stream" }),
                ),
              ),
            ]
          : []),
      ],
    },
    {
      title: "The vendors' endpoints, µs of the service's CPU per request:",
      header: ["", "µs", "beside node:http", "beside Express"],
      rows: FACES.flatMap(({ vendor }) =>
        AGES.map((age) => nameOf({ kind: "face", vendor, age })).map((name) => [
          name,
          micros(name),
          ...BARE_HTTP.map((floor) => ratio(name, nameOf({ kind: "face floor", floor, vendor }))),
        ]),
      ),
    },
  ];
}

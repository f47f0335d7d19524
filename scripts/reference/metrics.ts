import { METRICS } from "../../src/observability/metric-table.js";
import { code, page, table } from "./markdown.js";

/** The members of the body of `/readyz`. */
const READINESS: readonly (readonly [member: string, meaning: string])[] = [
  ["ready", "Whether the process wants calls: false before everything is loaded, and while it drains."],
  [
    "realms",
    "By name: `fresh`; `stale` (its keys could not be fetched, and the last good set verifies); `cold` (no keys were fetched yet); `failing` (it gives no verdicts). A realm is as the worst of its key sets, one that hands tokens on as the worst of the realms that it names.",
  ],
  ["why", "By the realm's name, why it is not `fresh`; of those alone of which that is known."],
  [
    "directory",
    "With a store: its `state` is `fresh`, `stale` (it cannot be read now, and verdicts are given from what is known, for `store.staleFor`) or `failing` (no verdicts are given); `why` says what is wrong.",
  ],
  [
    "keys",
    "Of each key set that is fetched: `realm`, `location`, `state`, `why`, `ageSeconds` (null where it never was), `nextFetchSeconds`, how many `keys` it has, and how many are `refused`.",
  ],
  [
    "routes",
    "Of each realm that hands tokens on: `realm`, `state`, `why`, `serving` (whether one of its `targets` is of use), and `targets`, each with `realm`, `state` and `why`.",
  ],
];

/** docs/reference/metrics.md. */
export function metricsPage(): string {
  const rows = Object.values(METRICS).map(({ name, type, labels, help }) => [
    code(name),
    type,
    labels.map(code).join(", "),
    help,
  ]);
  return page(
    "src/observability/metric-table.ts",
    "# Metrics",
    `With \`metrics: 127.0.0.1:9464\` in the configuration, that port serves \`/metrics\` (Prometheus), \`/healthz\` (200 while the
process lives) and \`/readyz\` (200 while it wants calls; 503 before everything is loaded and while it drains; its body is
told below). Restarting helps where \`/healthz\` fails; take the process out of the balancer where \`/readyz\` does.`,
    table(["name", "type", "labels", "meaning"], rows),
    `Besides these come prom-client's own of the process and of Node (\`process_…\`, \`nodejs_…\`; \`nodejs_eventloop_lag_seconds\` is the
first to look at under load). A realm that is not configured is counted as \`unknown\`: no caller can make labels up.`,
    "## What `/readyz` says",
    table(
      ["member", "what it says"],
      READINESS.map(([member, meaning]) => [code(member), meaning]),
    ),
  );
}

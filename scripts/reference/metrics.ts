import { METRICS } from "../../src/observability/metric-table.js";
import { code, page, table } from "./markdown.js";

/** The members of the body of `/readyz`. */
const READINESS: readonly (readonly [member: string, meaning: string])[] = [
  [
    "ready",
    "Whether the process is to be sent calls: false until everything is loaded, while it drains, in a service that gives no verdicts because its directory cannot be read, and in a gateway on its own of which no service is serving.",
  ],
  ["notReady", "Why it is not ready."],
  [
    "realms",
    "The state of each realm, by name: `fresh`; `stale` (its keys cannot be fetched, and the last good set verifies); `cold` (no keys were fetched yet); `failing` (no verdicts: a fetch failed and no set is left, or the directory cannot be read). A gateway on its own says `fresh` while one of its services is serving, else `failing`, and `cold` before it has asked. A realm has the worst state of its key sets, a routing realm the worst state of its targets.",
  ],
  ["why", "The cause for each realm that is not `fresh`, by name, if known."],
  [
    "directory",
    "With a store: its `state`, which is `fresh`, `stale` (the store cannot be read, and the service answers from memory for `store.staleFor`) or `failing` (no verdicts); `why` is the cause.",
  ],
  [
    "keys",
    "For each key set that is fetched: `realm`, `location`, `state`, `why`, `ageSeconds` (null if it was never fetched), `nextFetchSeconds`, `leftSeconds` (until the last good set expires), the numbers of its `keys` and of those `refused`, and `refusedKeys`: each as under `unused` of `/keys`.",
  ],
  [
    "upstreams",
    "For each service that a gateway on its own asks: its `address`, its `state`, and the cause if that is not `serving`: `unknown` (before the first health check), `not serving` (it starts, drains, or gives no verdicts), `silent` (it does not answer in a second) or `unreachable`.",
  ],
  [
    "routes",
    "For each routing realm: `realm`, `state`, `why`, `serving` (whether at least one target gives verdicts), and its `targets`, each with `realm`, `state` and `why`.",
  ],
];

/** The members of the body of `/keys`. */
const KEYS: readonly (readonly [member: string, meaning: string])[] = [
  [
    "realms",
    "The keys that verify, by realm: `kid` (null if there is none), `algorithm`, `label` (the RFC 7638 thumbprint, or the length of a secret) and `verificationsLastHour`.",
  ],
  [
    "unused",
    "The keys of sets that are not used, by realm: `index` (the position in the set, from 0), `kid`, `cause` (as in `tokenverifier_keys_refused`) and `why`, what is wrong.",
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
process is alive), \`/readyz\` (200 while it accepts calls; 503 with the cause while it does not) and \`/keys\`
(the keys in use); the last two have a JSON body, below. If \`/healthz\` fails, restart the process; if \`/readyz\` fails, take it out of the load balancer.`,
    table(["name", "type", "labels", "meaning"], rows),
    `prom-client adds metrics of the process and of Node.js (\`process_…\`, \`nodejs_…\`); under load, look at \`nodejs_eventloop_lag_seconds\`
first. Calls to a realm that is not configured count as \`unknown\`, so that callers cannot create labels.`,
    "## The body of `/readyz`",
    table(
      ["member", "meaning"],
      READINESS.map(([member, meaning]) => [code(member), meaning]),
    ),
    "## The body of `/keys`",
    table(
      ["member", "meaning"],
      KEYS.map(([member, meaning]) => [code(member), meaning]),
    ),
  );
}

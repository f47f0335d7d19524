import { METRICS } from "../../src/cli/telemetry/metric-table.js";
import { code, page, table } from "./markdown.js";

/** docs/reference/metrics.md. */
export function metricsPage(): string {
  const rows = Object.values(METRICS).map(({ name, type, labels, help }) => [
    code(name),
    type,
    labels.map(code).join(", "),
    help,
  ]);
  return page(
    "src/cli/telemetry/metric-table.ts",
    "# Metrics",
    `With \`metrics: 127.0.0.1:9464\` in the configuration, that port serves \`/metrics\` (Prometheus), \`/healthz\` (200 while the
process lives) and \`/readyz\` (200 while it wants calls; 503 before everything is loaded and while it drains; its body names
the realms). Restarting helps where \`/healthz\` fails; take the process out of the balancer where \`/readyz\` does.`,
    table(["name", "type", "labels", "meaning"], rows),
    `Besides these come prom-client's own of the process and of Node (\`process_…\`, \`nodejs_…\`; \`nodejs_eventloop_lag_seconds\` is the
first to look at under load). A realm that is not configured is counted as \`unknown\`: no caller can make labels up.`,
  );
}

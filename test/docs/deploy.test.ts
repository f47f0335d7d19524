import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { parse, parseAllDocuments } from "yaml";
import { loadConfig, loadGatewayConfig } from "../../src/config/load.js";
import { METRICS } from "../../src/observability/metric-table.js";
import { parseDuration } from "../../src/util/units.js";
import { emptyFolder, ROOT } from "../cli/harness.js";

// The files of deploy/, as far as they can be checked without the systems that they are for.

const textOf = (file: string): string => readFileSync(join(ROOT, "deploy", file), "utf8");

/** The longest that a process takes to end, in milliseconds: its drain, and a second for clients to close. */
const ending = ({ delay, timeout }: { readonly delay: number; readonly timeout: number }): number =>
  delay + timeout + 1000;

describe("deploy/alerts.yml", () => {
  interface Rule {
    readonly alert: string;
    readonly expr: string;
    readonly for?: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
  }
  const { groups } = parse(textOf("alerts.yml")) as { groups: readonly { name: string; rules: readonly Rule[] }[] };
  const rules = groups.flatMap((group) => group.rules);
  const known = new Map(Object.values(METRICS).map((one) => [one.name, one]));

  it("every alert has a name of its own, an expression, a severity and a summary", () => {
    expect(rules).to.have.length.above(15);
    expect(new Set(rules.map(({ alert }) => alert))).to.have.length(rules.length);
    for (const { alert, expr, for: time = "0s", labels, annotations } of rules) {
      expect(alert).to.match(/^Verifier[A-Z]\w+$/);
      expect(expr, alert).to.be.a("string").and.not.equal("");
      expect(["page", "ticket"], alert).to.include(labels["severity"]);
      expect(annotations["summary"], alert).to.match(/\S/);
      expect(time, alert).to.match(/^\d+[smhd]$/);
    }
  });

  it("every metric in an expression exists, with the labels that the expression uses", () => {
    for (const { alert, expr } of rules) {
      const names = Array.from(expr.matchAll(/\b(tokenverifier_\w+|nodejs_\w+)(?:\{([^}]*)\})?/g));
      expect(names, alert).to.have.length.above(0);
      for (const [, name = "", selector = ""] of names) {
        if (name.startsWith("nodejs_")) continue;
        const metric = known.get(name);
        expect(metric, `${alert}: ${name}`).not.equal(undefined);
        const labels = Array.from(selector.matchAll(/(\w+)=~?"/g), ([, label]) => label);
        for (const label of labels) expect(metric?.labels, `${alert}: ${label}`).to.include(label);
        // Counters are rates, gauges are not.
        expect(expr.includes(`rate(${name}`), `${alert}: rate of ${name}`).to.equal(metric?.type === "counter");
      }
    }
  });

  it("docs/guides/operate.md explains each alert", () => {
    const guide = readFileSync(join(ROOT, "docs/guides/operate.md"), "utf8");
    const explained = Array.from(guide.matchAll(/^\| `(Verifier\w+)` \|/gm), ([, name]) => name);
    expect(explained).to.have.members(rules.map(({ alert }) => alert));
  });
});

describe("deploy/kubernetes.yaml", () => {
  type Thing = any; // Kubernetes' own types are no dependency of ours.
  const things: Thing[] = parseAllDocuments(textOf("kubernetes.yaml")).map((one) => one.toJS());
  const of = (kind: string): Thing[] => things.filter((one) => one.kind === kind);
  const folder = emptyFolder();
  for (const [name, text] of Object.entries(of("ConfigMap")[0].data as Record<string, string>)) {
    writeFileSync(join(folder, name), text);
  }
  const configs: Record<string, { drain: { delay: number; timeout: number } }> = {
    "verifier.yaml": loadConfig(join(folder, "verifier.yaml"), { env: {} }),
    "gateway.yaml": loadGatewayConfig(join(folder, "gateway.yaml"), { env: {} }),
  };

  it("every object has a kind, an API version and a name, once", () => {
    const names = things.map(({ apiVersion, kind, metadata }) => `${apiVersion} ${kind} ${metadata.name}`);
    expect(new Set(names)).to.have.length(things.length);
    for (const name of names) expect(name).to.match(/^(v1|apps\/v1|policy\/v1) \w+ [a-z-]+$/);
  });

  for (const { metadata, spec } of of("Deployment")) {
    const { template, selector, strategy } = spec;
    const [container] = template.spec.containers;
    const config = configs[container.command.at(-1).split("/").at(-1)] as (typeof configs)[string];

    it(`${metadata.name}: a pod has longer to end than it takes to drain`, () => {
      expect(template.spec.terminationGracePeriodSeconds * 1000).to.be.above(ending(config.drain));
    });

    it(`${metadata.name}: pods are replaced one by one, after the new one is ready`, () => {
      expect(strategy.rollingUpdate).to.deep.equal({ maxUnavailable: 0, maxSurge: 1 });
      expect(spec.replicas).to.be.above(1);
      const { readinessProbe, livenessProbe } = container;
      expect(readinessProbe.httpGet.path).to.equal("/readyz");
      expect(livenessProbe.httpGet.path).to.equal("/healthz");
      // It is out of the endpoints well before its ports close.
      const notice = readinessProbe.periodSeconds * readinessProbe.failureThreshold * 1000;
      expect(notice).to.be.below(config.drain.delay / 2);
    });

    it(`${metadata.name}: selectors, ports, volumes and commands fit together`, () => {
      expect(template.metadata.labels).to.deep.equal(selector.matchLabels);
      const ports = new Map<string, number>(container.ports.map((port: Thing) => [port.name, port.containerPort]));
      for (const probe of [container.readinessProbe, container.livenessProbe])
        expect(ports.has(probe.httpGet.port)).to.equal(true);
      const text = readFileSync(join(folder, container.command.at(-1).split("/").at(-1)), "utf8");
      for (const port of ports.values()) expect(text).to.include(`:${port}`);
      const service = of("Service").find((one) => one.spec.selector.app === template.metadata.labels.app);
      for (const { targetPort } of service.spec.ports) expect(ports.has(targetPort), targetPort).to.equal(true);
      const budgets = of("PodDisruptionBudget").map((one) => one.spec.selector.matchLabels.app);
      expect(budgets).to.include(selector.matchLabels.app);
      expect(container.command.slice(0, 3)).to.deep.equal([
        "node",
        "/opt/token-verifier/dist/src/cli/main.js",
        "serve",
      ]);
      expect(container.volumeMounts.map(({ name }: Thing) => name)).to.deep.equal(
        template.spec.volumes.map(({ name }: Thing) => name),
      );
    });
  }
});

describe("the systemd units of deploy/", () => {
  for (const file of ["token-verifier.service", "token-verifier-gateway.service"]) {
    it(`${file} gives the process longer to end than the default drain takes, and reloads by SIGHUP`, () => {
      const text = textOf(file);
      const [, stop = ""] = /^TimeoutStopSec=(\d+)$/m.exec(text) ?? [];
      expect(Number(stop) * 1000).to.be.above(ending({ delay: 5000, timeout: 5000 }));
      expect(text).to.include("ExecReload=/bin/kill -HUP $MAINPID");
    });

    it(`systemd accepts ${file}`, function () {
      if (spawnSync("systemd-analyze", ["--version"]).status !== 0) this.skip();
      const copy = join(emptyFolder(), file);
      // This machine may lack the user and the program that the unit names.
      writeFileSync(copy, textOf(file).replace("/usr/bin/node", process.execPath).replace("User=token-verifier\n", ""));
      const { status, stderr } = spawnSync("systemd-analyze", ["verify", copy], { encoding: "utf8" });
      const said = stderr.split("\n").filter((line) => line.includes(file));
      expect({ status, said }).to.deep.equal({ status: 0, said: [] });
    });
  }
});

describe("deploy/haproxy.cfg", () => {
  it("turns away from a process long before the default drain closes its ports", () => {
    const [, inter = "", fall = ""] =
      /default-server check .* inter (\S+) fall (\d+)/.exec(textOf("haproxy.cfg")) ?? [];
    expect(Number(parseDuration(inter)) * Number(fall))
      .to.be.above(0)
      .and.below(5000 / 2);
  });
});

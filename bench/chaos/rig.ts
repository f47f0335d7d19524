import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type FaultProxy, startFaultProxy } from "../../test/support/fault-proxy.js";
import { startPgBouncer } from "../../test/support/pgbouncer.js";
import { type PostgresServer, startPostgres } from "../../test/support/postgres.js";
import { freePort } from "../../test/support/postgres-programs.js";
import { type Balancer, startBalancer } from "./balancer.js";
import { configOf, FISERV_PEM, gatewayConfigOf, MASTER_KEYS, writeSeed } from "./config.js";
import { type Issuer, startIssuer } from "./issuer.js";
import { describeService, type Service } from "./process.js";

/** What a run consists of. */
export interface RigOptions {
  /** The compiled main.js. */
  readonly program: string;
  /** That of an earlier version, to run beside it. */
  readonly oldProgram?: string | undefined;
  readonly store: "sqlite" | "postgres";
  readonly replicas: number;
  /** Worker processes of a replica; 0 for a version without workers. */
  readonly workers: number;
  readonly gateways: number;
  /** Whether PgBouncer in transaction mode stands before PostgreSQL, through which no notification comes. */
  readonly bouncer?: boolean;
  /** `store.staleFor`, in seconds. */
  readonly staleFor: number;
}

/** A replica behind proxies, one for its clients of each port, one for its database. */
export interface Replica {
  readonly service: Service;
  readonly grpc: FaultProxy;
  readonly http: FaultProxy;
  /** Undefined over SQLite. */
  readonly database: FaultProxy | undefined;
  /** The file with the offset of its clock, such as `+0`; undefined where no process has a clock of its own. */
  readonly clockFile: string | undefined;
}

/** What calls are sent to. */
export interface Target {
  readonly name: string;
  readonly grpc: string | undefined;
  readonly http: string;
}

/** All processes of a run. */
export interface Rig {
  readonly options: RigOptions;
  readonly folder: string;
  readonly replicas: readonly Replica[];
  readonly gateways: readonly Service[];
  readonly targets: readonly Target[];
  readonly issuer: Issuer;
  /** The server of the store; a failover puts another in its place. */
  postgres: PostgresServer | undefined;
  /** The name of the store's database there. */
  readonly database: string;
  /** The way of the operator to the database. */
  readonly operatorProxy: FaultProxy | undefined;
  /** The operator's configuration, whose store it writes to. */
  readonly operatorConfig: string;
  /** Writes all configurations again with these master keys; they take effect at the next start. */
  writeConfigs(masterKeys: readonly string[]): void;
  /** Every proxy in front of the database. */
  databaseProxies(): readonly FaultProxy[];
  close(): Promise<void>;
}

const FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

/** Starts everything, and waits until all replicas and gateways are ready. */
export async function startRig(options: RigOptions): Promise<Rig> {
  const folder = mkdtempSync(join(tmpdir(), "verifier-chaos-"));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  process.once("exit", remove);
  const closing: (() => unknown)[] = [];
  let rig: Rig | undefined;
  const close = async (): Promise<void> => {
    for (const one of closing.reverse()) await one();
    remove();
    process.off("exit", remove);
  };
  try {
    const issuer = await startIssuer();
    closing.push(() => issuer.close());
    const postgres = options.store === "postgres" ? await startPostgres() : undefined;
    closing.push(() => rig?.postgres?.close() ?? postgres?.close());
    const database = postgres && (await postgres.freshDatabase());
    const through = (proxy: FaultProxy | undefined): string => {
      if (proxy === undefined || database === undefined) return `sqlite:${join(folder, "verifier.db")}`;
      const url = new URL(database);
      url.port = String(proxy.port);
      return url.href;
    };
    const proxied = async (port: number): Promise<FaultProxy> => {
      const proxy = await startFaultProxy(port);
      closing.push(() => proxy.close());
      return proxy;
    };
    const bouncer = options.bouncer === true && postgres !== undefined ? await startPgBouncer(postgres.url) : undefined;
    closing.push(() => bouncer?.close());
    const databaseProxy = async () => (postgres === undefined ? undefined : proxied(bouncer?.port ?? postgres.port));
    writeFileSync(join(folder, "fiserv.pem"), FISERV_PEM);
    const seed = writeSeed(folder);

    const writers: ((masterKeys: readonly string[]) => void)[] = [];
    const common = { ...options, issuer, seed };
    const replicas: Replica[] = [];
    for (let n = 1; n <= options.replicas; n++) {
      const name = `replica ${n}`;
      const file = (kind: string): string => join(folder, `replica-${n}.${kind}`);
      const [grpcPort, httpPort, metricsPort] = [await freePort(), await freePort(), await freePort()];
      const proxy = await databaseProxy();
      const metrics = `127.0.0.1:${metricsPort}`;
      const ports = { grpc: `127.0.0.1:${grpcPort}`, http: `127.0.0.1:${httpPort}`, metrics };
      writers.push((masterKeys) =>
        writeFileSync(file("yaml"), configOf({ ...common, ...ports, store: through(proxy), masterKeys })),
      );
      // The last replica has a clock of its own.
      const clockFile = n === options.replicas && existsSync(FAKETIME) ? file("clock") : undefined;
      if (clockFile !== undefined) writeFileSync(clockFile, "+0");
      const service = describeService({
        name,
        program: options.program,
        config: file("yaml"),
        metrics,
        log: file("log"),
        ...(clockFile !== undefined && { env: ownClock(clockFile) }),
      });
      closing.push(() => service.kill());
      const [grpc, http] = [await proxied(grpcPort), await proxied(httpPort)];
      replicas.push({ service, grpc, http, database: proxy, clockFile });
    }

    const balancer: Balancer = await startBalancer(
      replicas.map(({ service, grpc }) => ({ port: grpc.port, isReady: () => service.isReady() })),
    );
    closing.push(() => balancer.close());
    const gateways: { readonly service: Service; readonly http: string }[] = [];
    for (let n = 1; n <= options.gateways; n++) {
      const file = (kind: string): string => join(folder, `gateway-${n}.${kind}`);
      const [http, metrics] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
      writeFileSync(file("yaml"), gatewayConfigOf({ http, metrics, upstream: balancer.address }));
      const service = describeService({
        name: `gateway ${n}`,
        program: options.program,
        config: file("yaml"),
        metrics,
        log: file("log"),
        args: ["--only", "http"],
      });
      closing.push(() => service.kill());
      gateways.push({ service, http });
    }

    const operatorProxy = await databaseProxy();
    const operatorConfig = join(folder, "operator.yaml");
    writers.push((masterKeys) =>
      writeFileSync(
        operatorConfig,
        configOf({
          ...common,
          grpc: "127.0.0.1:0",
          http: "127.0.0.1:0",
          metrics: "127.0.0.1:0",
          store: through(operatorProxy),
          masterKeys,
        }),
      ),
    );
    const writeConfigs = (masterKeys: readonly string[]): void => {
      for (const write of writers) write(masterKeys);
    };
    writeConfigs(MASTER_KEYS.slice(0, 1));

    // The first one makes the store.
    for (const { service } of replicas) await service.start();
    await Promise.all(gateways.map(({ service }) => service.start()));
    rig = {
      options,
      folder,
      replicas,
      gateways: gateways.map(({ service }) => service),
      targets: [
        ...replicas.map(({ service, grpc, http }) => ({
          name: service.name,
          grpc: `127.0.0.1:${grpc.port}`,
          http: `127.0.0.1:${http.port}`,
        })),
        ...gateways.map(({ service, http }) => ({ name: service.name, grpc: undefined, http })),
      ],
      issuer,
      postgres,
      database: database === undefined ? "" : new URL(database).pathname.slice(1),
      operatorProxy,
      operatorConfig,
      writeConfigs,
      databaseProxies: () =>
        [...replicas.map(({ database: proxy }) => proxy), operatorProxy].filter((proxy) => proxy !== undefined),
      close,
    };
    return rig;
  } catch (error) {
    await close();
    throw error;
  }
}

/** The environment in which a process reads the offset of its clock from a file, twice a second. Its monotonic clock stays. */
const ownClock = (file: string): Readonly<Record<string, string>> => ({
  LD_PRELOAD: FAKETIME,
  FAKETIME_TIMESTAMP_FILE: file,
  FAKETIME_CACHE_DURATION: "1",
  FAKETIME_DONT_FAKE_MONOTONIC: "1",
});

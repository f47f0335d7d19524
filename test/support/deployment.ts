import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { channelVerifier } from "../../src/client/channel.js";
import { type Config, loadConfig } from "../../src/config/load.js";
import type { Verifier } from "../../src/contract/verifier.js";
import { createServer } from "../../src/grpc/server.js";
import { type Router, throughExpress } from "../../src/http/router.js";
import { createGateway, type Gateway } from "../../src/http/server.js";
import { callLogger, callObserver } from "../../src/observability/call-log.js";
import { type Core, openCore } from "../../src/server/core.js";
import { openDirectory } from "../../src/server/store.js";
import { addressReader } from "../../src/util/client-address.js";
import { applyTo, type TestCommand } from "../directory/support.js";
import { createClock, type TestClock } from "./clock.js";
import { holdPort } from "./closed-port.js";
import { askedTwice, withFactCache } from "./fact-cache.js";
import { KEYS } from "./keys.js";
import { createMemoryLog } from "./log.js";
import { TEST_VENDORS } from "./vendors.js";

const MASTER_KEY = Buffer.alloc(32, "test master key ").toString("base64");

const support = (file: string): string => readFileSync(new URL(file, import.meta.url), "utf8");

/** The environment of a test's configuration, with the secrets of the test keys by name and the master key. */
export function testEnvironment(): Record<string, string> {
  const secrets = [...KEYS.values()].flatMap(({ name, secret }) =>
    secret === undefined ? [] : [[name, secret] as const],
  );
  return { MASTER_KEY, ...Object.fromEntries(secrets) };
}

/** The text of a configuration of test/support, with more text at its end. */
export function configurationWith(file: string, more: string): string {
  return `${support(`./${file}`)}\n${more}\n`;
}

/** A folder with a configuration, its seed and its keys. */
export interface Folder {
  readonly path: string;
  readonly config: Config;
  /** Writes to the store from outside the service, as an operator's command would. */
  apply(commands: readonly TestCommand[]): Promise<void>;
  remove(): void;
}

/** Makes a folder. @param configuration a file of test/support, or the text of one */
export function makeFolder(configuration: string): Folder {
  const path = mkdtempSync(join(tmpdir(), "token-verifier-"));
  const env = testEnvironment();
  for (const { name, publicPem } of KEYS.values())
    if (publicPem !== undefined) writeFileSync(join(path, `${name}.pem`), publicPem);
  // A seed has no variables, so they are replaced here.
  writeFileSync(
    join(path, "directory.yaml"),
    support("./directory.yaml").replace(/\$\{([^}]+)\}/g, (_, name: string) => env[name] ?? ""),
  );
  writeFileSync(join(path, "crowd.json"), support("./crowd.json"));
  const file = join(path, "verifier.yaml");
  writeFileSync(file, configuration.endsWith(".yaml") ? support(`./${configuration}`) : configuration);
  mkdirSync(join(path, "data"), { mode: 0o700 });
  const config = loadConfig(file, { env, vendors: TEST_VENDORS });
  return {
    path,
    config,
    async apply(commands) {
      const { directory } = await openDirectory(config, createClock().now);
      try {
        await applyTo(directory, ...commands);
      } finally {
        await directory.close();
      }
    },
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}

/** Replaces the core's verifier, to break it or to force an answer. */
export type Script = (core: Verifier) => Verifier;

/** The whole running service: the core, its gRPC service, and three gateways to it. */
export interface Deployment {
  readonly config: Config;
  readonly folder: Folder;
  readonly clock: TestClock;
  readonly core: Core;
  /** The verifier behind the in-process gateway and the gRPC service. */
  readonly verifier: Verifier;
  /** The port of the gateway that calls the core in process. */
  readonly inProcess: number;
  /** The port of a gateway that calls the core in process, and mounts the faces in Express. */
  readonly throughExpress: number;
  /** The port of the gateway that calls over a gRPC channel. */
  readonly overChannel: number;
  /** The address of the gRPC service. */
  readonly grpc: string;
  /** Closes the gRPC service alone. @param timeout milliseconds for calls in flight (default: 0) */
  closeService(timeout?: number): Promise<unknown>;
  log(): string;
  close(): Promise<void>;
}

/** Options of a deployment. */
export interface DeploymentOptions {
  /** Commands to apply to the store after the seed is loaded and before the service runs. */
  readonly commands?: readonly TestCommand[];
  readonly script?: Script;
  /** `limits.request` in milliseconds, for tests that wait for its end. */
  readonly request?: number;
  readonly faceRealms?: Readonly<Record<string, string>>;
}

/** Starts the service of a configuration. @param configuration a file of test/support, or the text of one */
export async function deploy(configuration: string, options: DeploymentOptions = {}): Promise<Deployment> {
  const folder = makeFolder(configuration);
  const clock = createClock();
  const { log, text } = createMemoryLog();
  if (options.commands !== undefined) {
    // The first start loads the seed, so that the second one finds the commands applied.
    await (await openCore(folder.config, { clock: clock.now, log })).close();
    await folder.apply(options.commands);
  }
  const core = await openCore(withFactCache(folder.config), { clock: clock.now, log });
  const config: Config = {
    ...folder.config,
    limits: { ...folder.config.limits, ...(options.request !== undefined && { request: options.request }) },
    faces: folder.config.faces.map((face) => ({ ...face, realm: options.faceRealms?.[face.name] ?? face.realm })),
  };
  const { limits, faces } = config;
  const verifier = options.script?.(core.verifier) ?? askedTwice(core.verifier);
  const observer = callObserver(log, callLogger(log, "all", clock.now), core.instanceOf);
  const answering = { clock: clock.now, observer, addressOf: addressReader(config.trustedProxies) };
  const server = createServer({ limits, calls: { ...answering, verifier } });
  const grpc = await server.listen("127.0.0.1:0");
  const channel = channelVerifier(grpc);
  // The service uses the test's clock but the channel the real one, so a deadline would mean different times to them.
  const timeless: Verifier = {
    verify: (request, context) => channel.verify(request, { ...context, deadline: Number.POSITIVE_INFINITY }),
  };
  const rpc = { realms: config.realms.map(({ name }) => name), cors: undefined };
  const gatewayTo = (one: Verifier, router?: Router): Gateway =>
    createGateway(faces, limits, { ...answering, verifier: one }, rpc, {}, router);
  const gateways = [gatewayTo(verifier), gatewayTo(timeless), gatewayTo(verifier, throughExpress)];
  const [inProcess = 0, overChannel = 0, mounted = 0] = await Promise.all(
    gateways.map(async (gateway) => Number((await gateway.listen("127.0.0.1:0")).split(":").at(-1))),
  );
  return {
    config,
    folder,
    clock,
    core,
    verifier,
    inProcess,
    overChannel,
    throughExpress: mounted,
    grpc,
    async closeService(timeout = 0) {
      // Without a timeout the port stays reserved, so that later calls do not reach a server of another test.
      const release = timeout === 0 ? await holdPort(Number(grpc.split(":").at(-1))) : undefined;
      await server.close(timeout);
      release?.();
    },
    log: text,
    async close() {
      await Promise.all(gateways.map((gateway) => gateway.close(0)));
      channel.close();
      await server.close(0);
      await core.close();
      folder.remove();
    },
  };
}

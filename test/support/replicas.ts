import type { VerificationRequest, Verifier } from "../../src/contract/verifier.js";
import type { ServiceLimits } from "../../src/grpc/limits.js";
import { createServer, type ServiceServer } from "../../src/grpc/server.js";
import { type Core, openCore } from "../../src/server/core.js";
import type { Clock } from "../../src/util/clock.js";
import { type Folder, makeFolder } from "./deployment.js";
import { createMemoryLog } from "./log.js";

/** A service on the store of a folder. */
export interface Replica {
  readonly core: Core;
  readonly server: ServiceServer;
  readonly address: string;
  /** Verifications that calls asked for, those that only look whether a caller is known left out. */
  readonly asked: VerificationRequest[];
  close(): Promise<void>;
}

/** Services on one store, which is followed by the real clock. */
export interface Replicas {
  readonly folder: Folder;
  start(options?: { readonly clock?: Clock; readonly limits?: Partial<ServiceLimits> }): Promise<Replica>;
  close(): Promise<void>;
}

/** Makes a folder for services. @param configuration the text of one, or a file of test/support */
export function replicasOf(configuration: string): Replicas {
  const folder = makeFolder(configuration);
  const running = new Set<Replica>();
  return {
    folder,
    async start({ clock = Date.now, limits = {} } = {}) {
      const { log } = createMemoryLog();
      const core = await openCore(folder.config, { clock, log });
      const asked: VerificationRequest[] = [];
      const verifier: Verifier = {
        verify(request, context) {
          if (!request.token.isEmpty) asked.push(request);
          return core.verifier.verify(request, context);
        },
      };
      const faults: unknown[] = [];
      const observer = { ended: () => {}, fault: (_: unknown, error: unknown) => void faults.push(error) };
      const server = createServer({
        limits: { ...folder.config.limits, ...limits },
        calls: { verifier, clock, observer, addressOf: (peer) => peer },
        watch: core.watch,
      });
      const address = await server.listen("127.0.0.1:0");
      const replica: Replica = {
        core,
        server,
        address,
        asked,
        async close() {
          if (!running.delete(replica)) return;
          await server.close(0);
          await core.close();
          if (faults.length > 0) throw faults[0];
        },
      };
      running.add(replica);
      return replica;
    },
    async close() {
      for (const replica of running) await replica.close();
      folder.remove();
    },
  };
}

/** Waits until something holds; it is looked at in each turn of the event loop. */
export async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 5));
}

import type { Server, ServerWritableStream } from "@grpc/grpc-js";
import { HealthImplementation, type ServingStatus } from "grpc-health-check";
import { connectionOfCall } from "../net/http2/connections.js";
import { failureToStatus } from "../wire/status.js";
import { SHUTTING_DOWN } from "./call.js";
import { SERVICE_NAME } from "./definition.js";
import type { OpenCalls } from "./open-calls.js";

/** The service's full name. */
export const HEALTH_SERVICE_NAME = "grpc.health.v1.Health";

/** The path of the method whose calls last. */
export const WATCH_PATH = `/${HEALTH_SERVICE_NAME}/Watch`;

/** Sets what health answers and sends to its watchers. */
export interface Health {
  /** SERVING (true, as at the start) or NOT_SERVING. */
  setServing(serving: boolean): void;
  /** Sets the realms; one that is gone, or that is unserved, is NOT_SERVING. */
  setRealms(realms: readonly string[], unserved?: ReadonlySet<string>): void;
}

type WatchCall = ServerWritableStream<unknown, unknown>;

/**
 * Adds grpc.health.v1 (Check, Watch, List) for the server as a whole, for TokenVerifier and for each realm.
 *
 * @param realms their services are `realm/NAME`
 */
export function addHealth(server: Server, openCalls: OpenCalls, realms: readonly string[]): Health {
  // "" is the server as a whole.
  const namesOf = (realms: readonly string[]) => ["", SERVICE_NAME, ...realms.map((name) => `realm/${name}`)];
  let names = namesOf(realms);
  let isServing = true;
  let down: ReadonlySet<string> = new Set();
  const status = (serving: boolean): ServingStatus => (serving ? "SERVING" : "NOT_SERVING");
  const health = new HealthImplementation(Object.fromEntries(names.map((name) => [name, status(true)])));
  health.addToServer({
    addService: (definition, { watch, ...others }) => {
      // The package's Watch never ends by itself: a server that shuts down has to end it.
      const endingWatch = (call: WatchCall): void => {
        const forget = openCalls.add({
          kind: "probes",
          connection: connectionOfCall(call),
          end: () => call.emit("error", failureToStatus(SHUTTING_DOWN)),
        });
        call.on("cancelled", forget);
        (watch as (call: WatchCall) => void)(call);
      };
      server.addService(definition, { ...others, watch: endingWatch });
    },
  });
  return {
    setServing(serving) {
      isServing = serving;
      for (const name of names) health.setStatus(name, status(serving && !down.has(name)));
    },
    setRealms(realms, unserved = new Set()) {
      const before = new Set(names);
      const wasDown = down;
      names = namesOf(realms);
      down = new Set([...unserved].map((name) => `realm/${name}`));
      for (const name of names) {
        // Only changes: the package sends each setting to all watchers.
        const isNew = !before.delete(name);
        if (isNew || wasDown.has(name) !== down.has(name)) health.setStatus(name, status(isServing && !down.has(name)));
      }
      // The package keeps every name.
      for (const name of before) health.setStatus(name, status(false));
    },
  };
}

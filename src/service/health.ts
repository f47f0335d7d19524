import type { Server, ServerWritableStream } from "@grpc/grpc-js";
import { HealthImplementation, type ServingStatus } from "grpc-health-check";
import { failureToStatus } from "../contract/status.js";
import { SHUTTING_DOWN } from "./call.js";
import { SERVICE_NAME } from "./definition.js";
import type { OpenCalls } from "./open-calls.js";

/** The service's full name. */
export const HEALTH_SERVICE_NAME = "grpc.health.v1.Health";

type WatchCall = ServerWritableStream<unknown, unknown>;

/**
 * Adds grpc.health.v1 (Check, Watch, List) for the server as a whole, for TokenVerifier and for each realm.
 *
 * @param realms their services are `realm/NAME`
 * @returns says SERVING (true, as at the start) or NOT_SERVING, to whoever asks or watches
 */
export function addHealth(server: Server, openCalls: OpenCalls, realms: readonly string[]): (serving: boolean) => void {
  // "" is the server as a whole.
  const names = ["", SERVICE_NAME, ...realms.map((name) => `realm/${name}`)];
  const status = (serving: boolean): ServingStatus => (serving ? "SERVING" : "NOT_SERVING");
  const health = new HealthImplementation(Object.fromEntries(names.map((name) => [name, status(true)])));
  health.addToServer({
    addService: (definition, { watch, ...others }) => {
      // The package's Watch never ends by itself: a server that shuts down has to end it.
      const endingWatch = (call: WatchCall): void => {
        const forget = openCalls.add(() => call.emit("error", failureToStatus(SHUTTING_DOWN)));
        call.on("cancelled", forget);
        (watch as (call: WatchCall) => void)(call);
      };
      server.addService(definition, { ...others, watch: endingWatch });
    },
  });
  return (serving) => {
    for (const name of names) health.setStatus(name, status(serving));
  };
}

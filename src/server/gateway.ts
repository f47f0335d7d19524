import { channelVerifier } from "../client/channel.js";
import type { GatewayConfig } from "../config/load.js";
import type { Verifier } from "../contract/verifier.js";
import { isSameTls } from "../net/tls.js";
import { tell } from "../observability/lines.js";
import { createTelemetry } from "../observability/telemetry.js";
import { callService, gatewayOf, httpPort, servedRpc } from "./ports.js";
import type { ConfigSource, ReloadChanges } from "./reload.js";
import { openLog, type Running, run, type ServeContext } from "./run.js";

/** Starts a gateway on its own, which asks a gRPC service over a channel. */
export async function serveGateway(source: ConfigSource<GatewayConfig>, context: ServeContext): Promise<Running> {
  const config = source.load();
  const { clock } = context;
  const { address } = config.upstream;

  const log = openLog(config.log, context);
  const telemetry = createTelemetry(config, realmNames(config), { log, clock });

  let { tls } = config.upstream;
  let upstream = channelVerifier(address, { tls });
  const verifier: Verifier = { verify: (...asked) => upstream.verify(...asked) };
  tell(log, "asking", { upstream: address });

  const calls = callService(config, verifier, { clock, log, telemetry, instanceOf: () => undefined });
  const gateway = gatewayOf(config, calls, telemetry);
  const ports = [httpPort(config.http.address, gateway)];

  const apply = (next: GatewayConfig): ReloadChanges => {
    telemetry.setRealms(realmNames(next));
    gateway.show(next.faces, servedRpc(next));
    // A change between plain and TLS takes effect at a start only.
    if (tls !== undefined && next.upstream.tls !== undefined && !isSameTls(tls, next.upstream.tls)) {
      const last = upstream;
      ({ tls } = next.upstream);
      upstream = channelVerifier(address, { tls });
      last.close();
    }
    return { faces: next.faces.map(({ name }) => name) };
  };
  const reloading = { ...source, config, apply, log, onReload: telemetry.reload };
  return run(ports, reloading, telemetry, context, async () => upstream.close());
}

const realmNames = ({ faces, http }: GatewayConfig): readonly string[] => [
  ...new Set([...faces.map(({ realm }) => realm), ...http.rpc]),
];

import { openPool, type UpstreamStatus } from "../client/pool.js";
import type { GatewayConfig } from "../config/load.js";
import { isSameTls } from "../net/tls.js";
import { tell } from "../observability/lines.js";
import { createTelemetry } from "../observability/telemetry.js";
import { callService, gatewayOf, httpPort, servedRpc } from "./ports.js";
import type { ConfigSource, ReloadChanges } from "./reload.js";
import { openLog, type Running, run, type ServeContext } from "./run.js";

/** Starts a gateway on its own, which asks one gRPC service or several. It is ready while one of them is. */
export async function serveGateway(source: ConfigSource<GatewayConfig>, context: ServeContext): Promise<Running> {
  const config = source.load();
  const { clock } = context;
  const { address } = config.upstream;

  const log = openLog(config.log, context);
  const telemetry = createTelemetry(config, realmNames(config), { log, clock });

  let { tls } = config.upstream;
  const onChange = ({ address: upstream, state, why }: UpstreamStatus): void => {
    if (state === "serving") tell(log, "upstream serving", { upstream });
    else tell(log, "upstream not serving", { upstream, state, why });
  };
  tell(log, "asking", { upstream: address });
  const pool = openPool(address, { tls, clock, onChange });
  telemetry.observeUpstreams(pool);

  const calls = callService(config, pool, { clock, log, telemetry, instanceOf: () => undefined });
  const gateway = gatewayOf(config, calls, telemetry);
  const ports = [httpPort(config.http.address, gateway)];

  const apply = (next: GatewayConfig): ReloadChanges => {
    telemetry.setRealms(realmNames(next));
    gateway.show(next.faces, servedRpc(next));
    // A change between plain and TLS takes effect at a start only.
    if (tls !== undefined && next.upstream.tls !== undefined && !isSameTls(tls, next.upstream.tls)) {
      pool.renewTls(next.upstream.tls);
      ({ tls } = next.upstream);
    }
    return { faces: next.faces.map(({ name }) => name) };
  };
  const reloading = { ...source, config, apply, log, onReload: telemetry.reload };
  return run(ports, reloading, telemetry, context, async () => pool.close());
}

const realmNames = ({ faces, http }: GatewayConfig): readonly string[] => [
  ...new Set([...faces.map(({ realm }) => realm), ...http.rpc]),
];

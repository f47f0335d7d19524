import { TokenVerifierService } from "../../gen/tokenverifier/v1/token_verifier.js";
import type { Verifier } from "../contract/verifier.js";
import { outcomeFromWire, requestToWire } from "../wire/messages.js";
import { type ChannelOptions, openChannel } from "./channel.js";
import { isFailure } from "./verdict.js";

/** A verifier that asks another process. */
export interface ChannelVerifier extends Verifier {
  /** Closes the connections. Calls under way finish; later ones fail. */
  close(): void;
}

/**
 * A {@link Verifier} over a channel: what a gateway without keys asks. The call's request id goes along, its caller's
 * address and its deadline; whatever the channel or the service fails with is a failure.
 *
 * @param address `host:port`, `dns:///name:port` or `unix:/path`
 * @throws what OpenSSL says of a certificate, key or authority that is of no use
 */
export function channelVerifier(address: string, options: ChannelOptions = {}): ChannelVerifier {
  const channel = openChannel(address, options);
  return {
    async verify(request, { requestId, address, deadline }) {
      const answer = await channel.call(TokenVerifierService.verifyToken, requestToWire(request), {
        requestId,
        address,
        deadline,
      });
      return isFailure(answer) ? answer : outcomeFromWire(answer);
    },
    close: () => channel.close(),
  };
}

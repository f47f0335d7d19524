import { addressReader, limitedAddress } from "../../util/client-address.js";

/** Changes the reserved amount, initially 0. Returns false, and changes nothing, if the quota does not have that much left. */
export type Reservation = (amount: number) => boolean;

/** An amount that all clients together may reserve, and a smaller one per client address. */
export class Quota {
  readonly #total: number;
  readonly #perClient: number;
  readonly #reserved = new Map<string, number>();
  #sum = 0;

  /** @param total limit for all clients together @param perClient limit per client */
  constructor(total: number, perClient: number) {
    this.#total = total;
    this.#perClient = perClient;
  }

  /** Opens a reservation of 0. @param client a {@link quotaClient}; undefined if only the total limits it */
  open(client: string | undefined): Reservation {
    let reserved = 0;
    return (amount) => {
      if (!this.change(client, amount - reserved)) return false;
      reserved = amount;
      return true;
    };
  }

  /**
   * Reserves more, or gives back. Returns false, and changes nothing, if there is not that much left.
   *
   * @param client as in {@link open}
   * @param more may be negative; a client gives back no more than it has reserved
   */
  change(client: string | undefined, more: number): boolean {
    if (more > 0 && this.#sum + more > this.#total) return false;
    if (client !== undefined) {
      const reserved = (this.#reserved.get(client) ?? 0) + more;
      if (more > 0 && reserved > this.#perClient) return false;
      if (reserved === 0) this.#reserved.delete(client);
      else this.#reserved.set(client, reserved);
    }
    this.#sum += more;
    return true;
  }
}

/** The address of a peer as logs show it, an IPv4 one without the prefix of IPv6; empty for a socket file. */
export const plainAddress = addressReader([]);

/**
 * The client that a connection counts as: its peer's address (IPv6: the /64 network). Undefined for socket files and proxies,
 * which carry the calls of several clients.
 *
 * @param peer IP address; empty for a socket file
 */
export function quotaClient(peer: string, isProxy: (address: string) => boolean): string | undefined {
  const address = plainAddress(peer, undefined);
  return address === "" || isProxy(address) ? undefined : limitedAddress(address);
}

import type http from "node:http";
import type { Duplex } from "node:stream";

/** The requests of an HTTP/1 port whose answers are not out yet, and on which connection they came. */
export class Exchanges {
  /** In the order of the requests. */
  readonly #underWay = new Set<http.ServerResponse>();
  readonly #latest = new WeakMap<Duplex, http.ServerResponse>();

  /** A request was read. @param over is called once its answer is out, or its connection gone */
  add(res: http.ServerResponse, over: () => void): void {
    this.#underWay.add(res);
    this.#latest.set(res.req.socket, res);
    res.once("close", () => {
      this.#underWay.delete(res);
      over();
    });
  }

  /** How many there are. */
  get size(): number {
    return this.#underWay.size;
  }

  /** Those of one connection, in their order. */
  on(socket: Duplex): readonly http.ServerResponse[] {
    return [...this.#underWay].filter(({ req }) => req.socket === socket);
  }

  /** The last one of each connection. */
  lastOfEach(): Iterable<http.ServerResponse> {
    return new Map([...this.#underWay].map((res) => [res.req.socket, res])).values();
  }

  /** The last one that this connection has had, also where it is over. */
  latest(socket: Duplex): http.ServerResponse | undefined {
    return this.#latest.get(socket);
  }
}

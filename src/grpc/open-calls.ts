/**
 * The calls that stay open until somebody ends them: streams. A server that shuts down ends them itself, for
 * grpc-js waits for them forever.
 */
export class OpenCalls {
  readonly #ends = new Set<() => void>();
  #closing = false;

  /** How many there are. */
  get size(): number {
    return this.#ends.size;
  }

  /** Holds an open call. @param end ends it; called at once where the server shuts down @returns forgets it */
  add(end: () => void): () => void {
    if (this.#closing) end();
    else this.#ends.add(end);
    return () => void this.#ends.delete(end);
  }

  /** Ends all calls, and each that comes later. */
  endAll(): void {
    this.#closing = true;
    for (const end of this.#ends) end();
    this.#ends.clear();
  }
}

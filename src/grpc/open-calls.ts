/** Calls that last until the client or the server ends them. A server that shuts down ends them, since grpc-js would wait forever. */
export class OpenCalls {
  readonly #ends = new Set<() => void>();
  #closing = false;

  /** How many there are. */
  get size(): number {
    return this.#ends.size;
  }

  /** Adds an open call. @param end ends it, at once if the server is shutting down @returns a function that removes it */
  add(end: () => void): () => void {
    if (this.#closing) end();
    else this.#ends.add(end);
    return () => void this.#ends.delete(end);
  }

  /** Ends all calls, and each one that is added later. */
  endAll(): void {
    this.#closing = true;
    for (const end of this.#ends) end();
    this.#ends.clear();
  }
}

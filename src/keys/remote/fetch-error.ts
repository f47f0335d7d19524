/** A document could not be had. Its message ends the sentence "The keys could not be fetched: …"; of a document it holds no more than the `issuer` of metadata. */
export class FetchError extends Error {
  /** @param status the HTTP status, where it was that */
  constructor(
    message: string,
    readonly status?: number,
  ) {
    super(message);
    this.name = "FetchError";
  }
}

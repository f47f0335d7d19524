/** A document could not be had. Its message ends the sentence "The keys could not be fetched: …"; it holds nothing of the document. */
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

/** What can go wrong between Node and PowerShell; the pool turns each into a `TidemarkError`. */

/** No answer within the quiet time. */
export class HungError extends Error {
  override readonly name = 'HungError';
}

/** The process ended, or could not be started. */
export class DiedError extends Error {
  override readonly name = 'DiedError';
  /** There never was a process: it is the same the next time, unless somebody mends the host. */
  readonly neverStarted: boolean;

  constructor(message: string, { neverStarted = false, ...options }: ErrorOptions & { neverStarted?: boolean } = {}) {
    super(message, options);
    this.neverStarted = neverStarted;
  }
}

/** Something came that is no answer to what was asked. */
export class GarbledError extends Error {
  override readonly name = 'GarbledError';
}

/** The session started, but is not fit for use: the module does not load, or application control restricts the language. */
export class UnfitError extends Error {
  override readonly name = 'UnfitError';
  readonly hint: string;

  constructor(message: string, hint: string, options?: ErrorOptions) {
    super(message, options);
    this.hint = hint;
  }
}

/** A request that cannot be sent, as it is too long or no text; PowerShell has seen nothing of it. */
export class UnsendableError extends Error {
  override readonly name = 'UnsendableError';
}

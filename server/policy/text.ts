/** Policy files as bytes. */
import { errorCodes, TidemarkError } from '../protocol/errors.ts';

/** Largest policy file, in bytes and in UTF-16 units: a hundred times what anybody writes. */
export const maxPolicyBytes = 256 * 1024;

/** The text of a policy file, without a byte order mark. Throws `TM7001` when it is too large or not UTF-8; `what` names the file. */
export function decodePolicy(bytes: Uint8Array, what: string): string {
  if (bytes.byteLength > maxPolicyBytes) {
    throw new TidemarkError(errorCodes.policyInvalid, `${what} is larger than ${maxPolicyBytes / 1024} KiB.`, {
      hint: 'A policy is a short text. Is this the right file?',
    });
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new TidemarkError(errorCodes.policyInvalid, `${what} is not UTF-8 text.`, {
      hint: 'Save it with the encoding UTF-8.',
      cause: error,
    });
  }
}

/** How a password reaches the daemon, or from where the daemon takes it. */
import { array, optional, string } from '../parse.ts';

/**
 * Fields of a request that gives a password: exactly one of them, or none where the request says so (`TM1001` otherwise).
 * What `passwordFile` and `passwordCommand` name lies on the daemon's machine and is read at each connection.
 */
export const passwordFields = {
  /** The password itself; the daemon keeps it in a file that only its user may read. */
  password: optional(string({ maxLength: 1024 })),
  /** Absolute path of a file whose first line is the password. */
  passwordFile: optional(string({ maxLength: 4096 })),
  /** A program (absolute path) and its arguments; its first line of output is the password. No shell is involved. */
  passwordCommand: optional(array(string({ maxLength: 4096, allowEmpty: true }), 64)),
} as const;

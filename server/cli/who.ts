/** Who uses this command, for histories that others read. */
import { hostname, userInfo } from 'node:os';

/** `anna@laptop`; at most 256 characters. */
export function whoAsks(): string {
  return `${userName()}@${hostname()}`.slice(0, 256);
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A user id without an entry in the list of users, as in some containers.
    return process.env['USER'] ?? process.env['USERNAME'] ?? 'somebody';
  }
}

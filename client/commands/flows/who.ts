/** Who asks, for histories: what the daemon cannot know. */
import { hostname, userInfo } from 'node:os';

/** `anna@laptop`; the machine alone when the system does not know the user. */
export function who(): string {
  let user = '';
  try {
    user = userInfo().username;
  } catch (error) {
    // A container may run with a user id that has no name.
    if (!(error instanceof Error && 'code' in error)) throw error;
  }
  return (user === '' ? hostname() : `${user}@${hostname()}`).slice(0, 256);
}

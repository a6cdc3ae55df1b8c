/** The password of an agent, at the moment when somebody chooses it. */
import { errorCodes, TidemarkError } from '../protocol/errors.ts';

/** Shorter passwords can be guessed by somebody who recorded a login over http. Characters. */
const shortestPassword = 12;

/**
 * The password that `ask` gives, when it is long enough. One that is typed is asked for twice: a slip of the hand would lock everybody out, and nobody
 * could see why. Throws `TM1002`.
 */
export async function chosenPassword(
  ask: (question: string) => Promise<string>,
  { typed }: { readonly typed: boolean },
): Promise<string> {
  const password = await ask('Password that daemons must know');
  if (password.length < shortestPassword) {
    throw new TidemarkError(errorCodes.invalidUsage, `The password is shorter than ${shortestPassword} characters.`, {
      hint: 'Choose a long random one: it opens every VM of this host. You type it once, in VS Code.',
    });
  }
  if (typed && (await ask('The same password again')) !== password) {
    throw new TidemarkError(errorCodes.invalidUsage, 'The two passwords are not the same.', { hint: 'Try again.' });
  }
  return password;
}

/** Tries what the user typed while the box that they typed it into is still open. */
import { errorCodes, TidemarkError } from '../../server/protocol/errors.ts';
import type { App } from '../app.ts';
import { shortText } from './error-reporter.ts';

/** Runs `work`; gives what went wrong as a text for the box, and logs it. A cancellation and a defect go on to the caller. */
export async function attempt(app: App, what: string, work: () => Promise<void>): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (!TidemarkError.is(error) || error.code === errorCodes.cancelled || error.code === errorCodes.internal) {
      throw error;
    }
    app.logs.warn(`${what}: ${error.code}`, error);
    return shortText(error);
  }
}

/** Tests that are steps of one story in one window: what follows a step that failed is skipped, for it would only fail too. */
import { it } from 'node:test';

import type { Session } from './session.ts';
import type { WorkbenchWindow } from './window.ts';

const timeout = 180_000;

/** Declares a step. */
export type Step = (title: string, body: (window: WorkbenchWindow) => Promise<void>) => void;

/** Gives the function that declares the steps of a story; `session` is asked for when the first one runs. */
export function story(session: () => Session): Step {
  let failed = false;
  return (title, body) => {
    it(title, { timeout }, async (t) => {
      if (failed) {
        t.skip('a step before failed');
        return;
      }
      failed = true;
      await session().pictured(title, async () => body(session().window));
      failed = false;
    });
  };
}

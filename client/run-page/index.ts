/** `Show Run`: opens the page of a run. */
import type { App } from '../app.ts';
import { pickRun } from '../commands/ask/ask-run.ts';
import { RunPages } from './run-pages.ts';

/** Registers the command. */
export function registerRunPage(app: App): void {
  const pages = app.own(new RunPages(app));
  app.own(
    app.commands.register({
      'tidemark.run.show': async (target) => pages.show((target ?? (await pickRun(app))).runId),
    }),
  );
}

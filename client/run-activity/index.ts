/** How a window shows that runs are under way. */
import type { App } from '../app.ts';
import { RunNotifications } from './run-notifications.ts';
import { registerRunStatus } from './run-status.ts';

/** Registers the status bar item and the notifications. */
export function registerRunActivity(app: App): void {
  registerRunStatus(app);
  const notifications = new RunNotifications(app);
  app.own(
    app.commands.register({
      'tidemark.run.hideProgress': (target) => (target === undefined ? undefined : notifications.hide(target.runId)),
    }),
  );
}

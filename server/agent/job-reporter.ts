/** Reports the percent of a host job to the daemon, at most ten times a second. */
import type { MessageConnection } from 'vscode-jsonrpc/node';

import { jobDidProgress } from '../protocol/agent.ts';
import type { JobKind } from '../protocol/agent.ts';
import type { JobContext } from './provider.ts';

const minIntervalMs = 100;

/** The job context of a request; without a token nothing is reported. A new kind, and 100 percent, are reported at once. */
export function jobReporter(rpc: MessageConnection, token: string | undefined, signal: AbortSignal): JobContext {
  let lastKind: JobKind | undefined;
  let lastPercent = -1;
  let lastTime = 0;
  let unsent = false;
  return {
    signal,
    progress(kind, percent) {
      if (token === undefined || signal.aborted) return;
      const whole = Math.min(100, Math.max(0, Math.floor(percent)));
      const now = performance.now();
      const urgent = kind !== lastKind || (whole === 100 && lastPercent !== 100);
      if (!urgent && (unsent || whole === lastPercent || now - lastTime < minIntervalMs)) return;
      lastKind = kind;
      lastPercent = whole;
      lastTime = now;
      unsent = true;
      const sent = (): void => {
        unsent = false;
      };
      // A report that cannot be sent means the connection is ending, which others notice.
      rpc.sendNotification(jobDidProgress.method, { job: token, kind, percent: whole }).then(sent, sent);
    },
  };
}

/** Whether a view may ask the daemon. */
import type { DaemonLink } from '../../daemon/link.ts';

/** A view that is shown starts a daemon nobody used yet; one that was stopped or failed is the user's to start again. */
export function mayAsk({ state }: Pick<DaemonLink, 'state'>): boolean {
  switch (state.kind) {
    case 'connected':
    case 'starting':
      return true;
    case 'disconnected':
      return state.reason === 'not-used';
    case 'reconnecting':
    case 'failed':
      break;
  }
  return false;
}

/** What running something again may destroy. */
import type { RunRequest } from '../../../server/protocol/daemon.ts';

/** The file that the run would replace without asking; undefined when it replaces none. */
export function replacesFile(request: RunRequest): string | undefined {
  return request.kind === 'restore-disk' && request.overwrite ? request.target : undefined;
}

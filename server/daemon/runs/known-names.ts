/** Requests name hosts and repositories: those that are not there are refused at once. */
import type { RunRequest } from '../../protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { repositoryOf } from './conflicts.ts';
import type { RunServices } from './context.ts';

/** Throws `TM5203` for a repository and `TM5201` for a host that the daemon does not know. */
export function refuseUnknownNames(
  request: RunRequest,
  { hosts, repositories }: Pick<RunServices, 'hosts' | 'repositories'>,
): void {
  const repository = repositoryOf(request);
  if (repository !== undefined && !repositories.names().includes(repository)) {
    throw new TidemarkError(errorCodes.repositoryUnknown, `There is no repository named ${repository}.`, {
      hint: '`tidemark repo list` shows them; `tidemark repo init` adds one.',
    });
  }
  if ('host' in request && request.host !== undefined) hosts.get(request.host);
}

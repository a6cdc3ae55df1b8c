/** What running something again may destroy. */
import type { RunRequest } from '../../../server/protocol/daemon.ts';
import { l10n } from '../../base/l10n.ts';

/** The file that the run would replace without asking; undefined when it replaces none. */
export function replacesFile(request: RunRequest): string | undefined {
  return request.kind === 'restore-disk' && request.overwrite ? request.target : undefined;
}

/** What is asked before a run that destroys something, or makes one more VM, begins again. */
interface AgainQuestion {
  readonly message: string;
  readonly detail: string;
  readonly confirm: string;
}

/** The question before `request` runs again; undefined when it neither loses anything nor makes a machine. */
export function questionBefore(request: RunRequest): AgainQuestion | undefined {
  const replaced = replacesFile(request);
  if (replaced !== undefined) {
    return {
      message: l10n.t('Replace {0}?', replaced),
      detail: l10n.t('The run replaces this file if it is there.'),
      confirm: l10n.t('Replace'),
    };
  }
  if (request.kind === 'restore-vm') {
    const network = request.connectNetwork
      ? l10n.t('Its network adapters are connected as they were.')
      : l10n.t('Its network adapters are not connected.');
    return {
      message: l10n.t('Restore {0} on {1}?', request.name ?? request.restorePoint, request.host),
      detail: [network, l10n.t('It is made as a new VM and is not started.')].join('\n'),
      confirm: l10n.t('Restore'),
    };
  }
  if (request.kind === 'prune' && !request.dryRun) {
    return {
      message: l10n.t('Delete old restore points of repository {0}?', request.repository),
      detail:
        request.keepLast === undefined
          ? l10n.t('What the retention of the policies does not keep is deleted. This cannot be undone.')
          : l10n.t(
              'The newest {0} of each VM are kept, and all others are deleted, also those made since the run. This cannot be undone.',
              request.keepLast,
            ),
      confirm: l10n.t('Delete'),
    };
  }
  if (request.kind === 'gc' && !request.dryRun) {
    return {
      message: l10n.t('Collect the garbage of repository {0}?', request.repository),
      detail: request.now
        ? l10n.t(
            'What no restore point needs is deleted at once. No other program may write to the repository meanwhile.',
          )
        : l10n.t('No restore point is touched.'),
      confirm: l10n.t('Collect'),
    };
  }
  return undefined;
}

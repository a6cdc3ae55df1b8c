/** What of policies needs the trust of the workspace. */
import * as vscode from 'vscode';

import { errorCodes, TidemarkError } from '../../server/protocol/errors.ts';

/** A lens or a key binding runs a command whatever the menus say. Throws `TM1002` in a workspace that is not trusted. */
export function requireTrust(): void {
  if (vscode.workspace.isTrusted) return;
  throw new TidemarkError(
    errorCodes.invalidUsage,
    vscode.l10n.t('This workspace is not trusted: its policies are neither applied nor run.'),
    { hint: vscode.l10n.t('Trust it with Manage Workspace Trust.') },
  );
}

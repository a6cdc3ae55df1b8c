/** `tidemark.repository.verify`: what is there, or every byte of it. */
import * as vscode from 'vscode';

import type { App } from '../app.ts';
import { pickOne, runSteps } from '../ui/pick.ts';
import { askRepository } from './ask/ask-repository.ts';
import type { CommandHandler } from './registry.ts';

export function verifyRepository(app: App): CommandHandler<'tidemark.repository.verify'> {
  return async (_, selection) => {
    const title = vscode.l10n.t('Verify Repository');
    let names = [...new Set(selection.map(({ repository }) => repository))];
    let readData = false;
    await runSteps([
      async (back) => {
        if (selection.length > 0) return false;
        names = [await askRepository(app, { title, back })];
        return true;
      },
      async (back) => {
        readData = await pickOne({
          title,
          back,
          placeholder: vscode.l10n.t('How thoroughly'),
          choices: [
            {
              label: vscode.l10n.t('Structure'),
              detail: vscode.l10n.t('Every restore point has all its parts. Quick.'),
              value: false,
            },
            {
              label: vscode.l10n.t('All data'),
              detail: vscode.l10n.t(
                'Every byte is read, decrypted and compared. Finds a single flipped bit; takes a while.',
              ),
              value: true,
            },
          ],
          selected: (value) => value === readData,
        });
      },
    ]);
    for (const repository of names) await app.stores.runs.start({ kind: 'verify', repository, readData });
  };
}

/** Names of hosts and repositories, as users choose them. */
import { nameText } from '../../../server/protocol/ids.ts';
import { l10n } from '../../base/l10n.ts';

/** Why `text` cannot be a new name; undefined when it can. */
export function nameProblem(text: string, taken: readonly string[]): string | undefined {
  if (!isName(text)) {
    return l10n.t('Use letters, digits, dots, dashes and underscores, at most 64, the first one a letter or a digit.');
  }
  return taken.includes(text) ? l10n.t('{0} is taken. Choose another name.', text) : undefined;
}

function isName(text: string): boolean {
  try {
    nameText(text, '');
    return true;
  } catch {
    return false;
  }
}

/** What a user chooses for a repository. */
import { l10n } from '../../base/l10n.ts';
import { nameProblem } from './names.ts';
import { joinPath, lastPart } from './paths.ts';
import type { PathStyle } from './paths.ts';

/** A share may have to wake up, ms. */
export const repositoryTimeoutMs = 60_000;

/** A name for a repository, made unique: that of its folder, when the whole folder is for it. */
export function suggestedRepositoryName(
  folder: string,
  isEmpty: boolean,
  taken: readonly string[],
  style: PathStyle,
): string {
  const base =
    (isEmpty ? lastPart(folder, style) : '')
      .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
      .replace(/^[^A-Za-z0-9]+|-+$/g, '')
      .slice(0, 60) || 'main';
  if (!taken.includes(base)) return base;
  let number = 2;
  while (taken.includes(`${base}-${number}`)) number++;
  return `${base}-${number}`;
}

/** Why `text` cannot be the name of a new repository. */
export function repositoryNameProblem(text: string, taken: readonly string[]): string | undefined {
  return nameProblem(text, taken);
}

/** Where a new repository goes: into the chosen folder when that is empty, else into a new one in it, named like the repository. */
export function repositoryLocation(folder: string, isEmpty: boolean, name: string, style: PathStyle): string {
  return isEmpty ? folder : joinPath(folder, name, style);
}

/** What the modal that shows a recovery key says. */
export function recoveryKeyText(recoveryKey: string): string {
  const advice = l10n.t(
    'It opens the repository when the password is lost, and it is shown this once only. Print it or write it down, and keep it away from this machine and from the repository. Whoever has it can read the backups; without it and without the password nobody can.',
  );
  return `${recoveryKey}\n\n${advice}`;
}

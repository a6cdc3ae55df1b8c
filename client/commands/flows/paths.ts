/** Paths on the daemon's machine, which need not be this one: checked and built by the rules of its platform. */
import { posix, win32 } from 'node:path';

import type { DaemonStatus } from '../../../server/protocol/daemon.ts';
import { l10n } from '../../base/l10n.ts';

/** How paths are written there. */
export type PathStyle = DaemonStatus['platform'];

const rules = { posix, windows: win32 } as const;

/** This machine's style. */
export const localPathStyle: PathStyle = process.platform === 'win32' ? 'windows' : 'posix';

/** Why `text` is not an absolute path there. */
export function pathProblem(text: string, style: PathStyle): string | undefined {
  if (text.includes('\0') || text.length > 4096) return l10n.t('This cannot be a path.');
  if (isAbsolutePath(text, style)) return undefined;
  return style === 'windows'
    ? l10n.t('Enter an absolute path, such as D:\\Backup or \\\\server\\share\\backup.')
    : l10n.t('Enter an absolute path, such as /srv/backup.');
}

/** Why `text` cannot be the file to restore to. */
export function filePathProblem(text: string, style: PathStyle): string | undefined {
  const problem = pathProblem(text, style);
  if (problem !== undefined) return problem;
  const endsInSeparator = style === 'windows' ? /[\\/]$/.test(text) : text.endsWith('/');
  return endsInSeparator ? l10n.t('Name a file in this folder.') : undefined;
}

/** `name` in `folder`. */
export function joinPath(folder: string, name: string, style: PathStyle): string {
  return rules[style].join(folder, name);
}

/** The folder that holds `file`. */
export function folderOf(file: string, style: PathStyle): string {
  return rules[style].dirname(file);
}

/** The last part of a path. */
export function lastPart(path: string, style: PathStyle): string {
  return rules[style].basename(path);
}

/** On Windows a path without a drive depends on the current one. */
function isAbsolutePath(text: string, style: PathStyle): boolean {
  return style === 'windows' ? /^[A-Za-z]:[\\/]|^[\\/]{2}[^\\/]+[\\/][^\\/]/.test(text) : posix.isAbsolute(text);
}

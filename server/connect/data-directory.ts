/** Where a daemon keeps its state. */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/**
 * The data directory, absolute: `explicit`, else the environment's `TIDEMARK_DATA`, else the platform's place:
 * `$XDG_DATA_HOME/tidemark` or `~/.local/share/tidemark` (XDG Base Directory 0.8), `~/Library/Application Support/Tidemark`
 * on macOS, `%LOCALAPPDATA%\Tidemark` on Windows.
 */
export function resolveDataDirectory(
  explicit?: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
  platform: NodeJS.Platform = process.platform,
): string {
  const chosen = explicit ?? nonEmpty(environment['TIDEMARK_DATA']);
  if (chosen !== undefined) return resolve(chosen);
  if (platform === 'win32') {
    return resolve(nonEmpty(environment['LOCALAPPDATA']) ?? join(homedir(), 'AppData', 'Local'), 'Tidemark');
  }
  if (platform === 'darwin') return resolve(homedir(), 'Library', 'Application Support', 'Tidemark');
  return resolve(nonEmpty(environment['XDG_DATA_HOME']) ?? join(homedir(), '.local', 'share'), 'tidemark');
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}

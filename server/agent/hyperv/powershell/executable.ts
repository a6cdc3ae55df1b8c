/** Which PowerShell is started, and with which module. */
import { existsSync } from 'node:fs';
import { join, win32 } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What decides which PowerShell is started. */
export interface ExecutableFacts {
  readonly environment: NodeJS.ProcessEnv;
  readonly platform: NodeJS.Platform;
  readonly exists: (path: string) => boolean;
}

/**
 * The full path of Windows PowerShell, never one from PATH. A 32-bit process sees the 32-bit PowerShell under `System32`, which has no
 * Hyper-V classes; `Sysnative`, which only such a process sees, is the real one. `NODE_POWERSHELL` wins: tests give their own host with it.
 */
export function powerShellExecutable(facts: Partial<ExecutableFacts> = {}): string {
  const { environment = process.env, platform = process.platform, exists = existsSync } = facts;
  const given = environment['NODE_POWERSHELL'];
  if (given !== undefined && given !== '') return given;
  if (platform !== 'win32') return 'pwsh';
  const rest = ['WindowsPowerShell', 'v1.0', 'powershell.exe'];
  const root = windowsFolder(environment);
  const native = win32.join(root, 'Sysnative', ...rest);
  return exists(native) ? native : win32.join(root, 'System32', ...rest);
}

/**
 * The environment of a session. Without `PSModulePath`: started from PowerShell 7, an agent would hand its modules on to Windows
 * PowerShell, which cannot load them. PowerShell makes the variable anew when it is missing.
 */
export function sessionEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => name.toLowerCase() !== 'psmodulepath'));
}

/** `%SystemRoot%`. */
export function windowsFolder(environment: NodeJS.ProcessEnv): string {
  return environment['SystemRoot'] ?? environment['SYSTEMROOT'] ?? environment['windir'] ?? 'C:\\Windows';
}

/** The module that comes with the program: beside the provider's sources, or beside the bundle (scripts/build.mjs copies it there). */
export function bundledModule(importMetaUrl: string = import.meta.url): string {
  const folder = new URL(importMetaUrl).pathname.endsWith('.ts') ? '../Tidemark.HyperV/' : './Tidemark.HyperV/';
  return join(fileURLToPath(new URL(folder, importMetaUrl)), 'Tidemark.HyperV.psd1');
}

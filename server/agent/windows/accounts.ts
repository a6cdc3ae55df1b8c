/** Accounts of Windows by name. */
import { isSid } from '../set-up/private-folder.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { systemProgram } from './programs.ts';
import type { RunProgram } from './programs.ts';

/** Whether this is the account that a service has when none is named. */
export function isLocalSystem(account: string): boolean {
  return account.toLowerCase() === 'localsystem';
}

/** Asks Windows; the name is taken from the environment, never read as part of the command. */
const command =
  '[Console]::Out.Write((New-Object Security.Principal.NTAccount($env:TIDEMARK_ACCOUNT)).Translate([Security.Principal.SecurityIdentifier]).Value)';

/** The SID of a group managed service account, `DOMAIN\name$`. Throws `TM1002` for other accounts, and when Windows knows none of that name. */
export async function accountSid(run: RunProgram, account: string): Promise<string> {
  if (!account.endsWith('$')) {
    throw new TidemarkError(errorCodes.invalidUsage, `"${account}" is no group managed service account.`, {
      hint: String.raw`Its name ends with $. An account with a password is set in services.msc after the installation.`,
    });
  }
  const powershell = systemProgram(String.raw`WindowsPowerShell\v1.0\powershell.exe`);
  const args = ['-NoLogo', '-NoProfile', '-NonInteractive', '-Command', command];
  const { code, output } = await run(powershell, args, { env: { TIDEMARK_ACCOUNT: account } });
  const sid = output.trim();
  if (code === 0 && isSid(sid)) return sid;
  throw new TidemarkError(errorCodes.invalidUsage, `Windows knows no account "${account}".`, {
    hint: String.raw`Give it as DOMAIN\name$ for a group managed service account, or leave it out for LocalSystem.`,
  });
}

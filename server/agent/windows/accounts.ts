/** Accounts of Windows by name. */
import { isSid } from '../set-up/private-folder.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { systemProgram } from './programs.ts';
import type { RunProgram } from './programs.ts';

/** Asks Windows; the name is taken from the environment, never read as part of the command. */
const command =
  '[Console]::Out.Write((New-Object Security.Principal.NTAccount($env:TIDEMARK_ACCOUNT)).Translate([Security.Principal.SecurityIdentifier]).Value)';

/** The SID of an account such as `DOMAIN\name$`. Throws `TM1002` when Windows knows no such account. */
export async function accountSid(run: RunProgram, account: string): Promise<string> {
  const powershell = systemProgram(String.raw`WindowsPowerShell\v1.0\powershell.exe`);
  const args = ['-NoLogo', '-NoProfile', '-NonInteractive', '-Command', command];
  const { code, output } = await run(powershell, args, { env: { TIDEMARK_ACCOUNT: account } });
  const sid = output.trim();
  if (code === 0 && isSid(sid)) return sid;
  throw new TidemarkError(errorCodes.invalidUsage, `Windows knows no account "${account}".`, {
    hint: String.raw`Give it as DOMAIN\name$ for a group managed service account, or leave it out for LocalSystem.`,
  });
}

/** The rule of Windows' firewall that lets daemons in: this program, this port, nothing else. */
import { win32 } from 'node:path';

import { mustRun, systemProgram } from './programs.ts';
import type { RunProgram } from './programs.ts';

/** The rule's name; there is one. */
export const firewallRule = 'Tidemark Agent';

/** Makes the rule anew, for the networks that are not public. */
export async function allowThroughFirewall(run: RunProgram, installPath: string, port: number): Promise<void> {
  await removeFirewallRule(run);
  const scope = ['protocol=TCP', `localport=${port}`, `program=${win32.join(installPath, 'node.exe')}`];
  const rule = [`name=${firewallRule}`, 'dir=in', 'action=allow', ...scope, 'profile=domain,private'];
  const args = ['advfirewall', 'firewall', 'add', 'rule', ...rule];
  await mustRun(run, 'Adding the rule of the firewall', systemProgram('netsh.exe'), args);
}

/** Removes the rule. One that is not there is no failure. */
export async function removeFirewallRule(run: RunProgram): Promise<void> {
  await run(systemProgram('netsh.exe'), ['advfirewall', 'firewall', 'delete', 'rule', `name=${firewallRule}`]);
}

/** A process that starts one PowerShell, tells its id, and waits to be killed. Arguments: the executable, then the module's path. */
import { createPowerShell } from '../../../server/agent/hyperv/powershell/index.ts';
import { startShell } from '../../../server/agent/hyperv/powershell/shell.ts';
import { command } from '../../../server/agent/hyperv/commands/command.ts';
import { silentLogger } from '../../../server/base/log.ts';
import { object, string } from '../../../server/protocol/parse.ts';

const [executable, modulePath = 'none', how = 'echo'] = process.argv.slice(2);
const scripted = command<{ readonly How: string; readonly Text: string }, { readonly text: string }>(
  'Get-TidemarkScripted',
  object({ text: string() }),
);

let processId: number | undefined;
const powershell = createPowerShell({ executable, modulePath, log: silentLogger }, (file, environment) => {
  const shell = startShell(file, environment);
  processId = shell.processId;
  return shell;
});
const { signal } = new AbortController();
await powershell.invoke(scripted, { How: 'echo', Text: 'x' }, { signal });
// With another way, it is in the middle of that when this process is killed.
if (how !== 'echo') powershell.invoke(scripted, { How: how, Text: 'x' }, { signal }).catch(() => undefined);
process.send?.(processId);
setInterval(() => undefined, 60_000);

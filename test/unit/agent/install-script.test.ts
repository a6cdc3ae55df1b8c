/** Install-TidemarkAgent.ps1, judged without running it: Windows PowerShell 5.1 must have all that it uses. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { skipWithoutDotnet } from '../../support/hyperv/pwsh.ts';
import { judgeModule } from '../../support/hyperv/syntax/index.ts';
import { readSyntax } from '../../support/hyperv/syntax/report.ts';

const script = fileURLToPath(new URL('../../../installer/Install-TidemarkAgent.ps1', import.meta.url));

/** Cmdlets of Windows PowerShell 5.1 (Microsoft.PowerShell.Core, .Management and .Utility) that the script may use besides those of the agent's module. */
const allowed = [
  'Get-ItemProperty',
  'Join-Path',
  'New-Object',
  'Read-Host',
  'Remove-Item',
  'Set-Location',
  'Test-Path',
  'Write-Host',
  'Write-Output',
];

test(
  'the installation script is one that Windows PowerShell 5.1 can parse and run',
  { timeout: 120_000 },
  async (t) => {
    if (skipWithoutDotnet(t)) return;
    const reports = await readSyntax([script]);
    // Lists of types and members are those of the agent's module, which does other things than this script.
    const ofModule = /the (?:type|method) .* is not in the list|no object has the property|\[regex\]::Replace is not/;
    const command = /the command (\S+) is not in the list of 5\.1$/;
    const found = judgeModule(reports).filter(
      (line) => !ofModule.test(line) && !allowed.includes(command.exec(line)?.[1] ?? ''),
    );
    assert.deepEqual(found, []);
  },
);

test(
  'the script never puts a password on a command line: it goes through the standard input',
  { timeout: 120_000 },
  async (t) => {
    if (skipWithoutDotnet(t)) return;
    const [report] = await readSyntax([script]);
    const started = report?.commands.filter(({ name }) => /Start-Process|^&|node|cmd/i.test(name ?? '')) ?? [];
    assert.deepEqual(started, []);
  },
);

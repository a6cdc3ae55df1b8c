import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, it } from 'node:test';

import {
  bundledModule,
  powerShellExecutable,
  sessionEnvironment,
} from '../../../server/agent/hyperv/powershell/executable.ts';

describe('The PowerShell that is started', () => {
  const windows = { SystemRoot: 'D:\\Windows' };
  const system32 = 'D:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe';
  const sysnative = 'D:\\Windows\\Sysnative\\WindowsPowerShell\\v1.0\\powershell.exe';

  it('is the one of Windows by its full path, whatever PATH has', () => {
    const environment = { ...windows, PATH: 'C:\\evil' };
    assert.equal(powerShellExecutable({ environment, platform: 'win32', exists: () => false }), system32);
    assert.equal(
      powerShellExecutable({ environment: {}, platform: 'win32', exists: () => false }),
      system32.replace('D:', 'C:'),
    );
  });

  it('is the 64-bit one also for a 32-bit process', () => {
    const exists = (path: string): boolean => path === sysnative;
    assert.equal(powerShellExecutable({ environment: windows, platform: 'win32', exists }), sysnative);
  });

  it('is the one that the environment names, where it names one', () => {
    const environment = { ...windows, NODE_POWERSHELL: '/opt/pwsh' };
    assert.equal(powerShellExecutable({ environment, platform: 'win32', exists: () => true }), '/opt/pwsh');
    assert.equal(
      powerShellExecutable({
        environment: { ...windows, NODE_POWERSHELL: '' },
        platform: 'win32',
        exists: () => false,
      }),
      system32,
    );
  });
});

describe('The environment of a session', () => {
  it('has everything but the module path, which may be that of another PowerShell', () => {
    assert.deepEqual(sessionEnvironment({ Path: 'C:\\x', PSModulePath: 'C:\\7', psmodulepath: 'y' }), {
      Path: 'C:\\x',
    });
  });
});

describe('The module that is loaded', () => {
  it('lies beside the sources, and beside the bundle', () => {
    assert.equal(
      bundledModule('file:///app/server/agent/hyperv/powershell/executable.ts'),
      '/app/server/agent/hyperv/Tidemark.HyperV/Tidemark.HyperV.psd1',
    );
    assert.equal(
      bundledModule('file:///app/dist/server/chunk-1.js'),
      '/app/dist/server/Tidemark.HyperV/Tidemark.HyperV.psd1',
    );
    assert(existsSync(bundledModule()));
  });
});

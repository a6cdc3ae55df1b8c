/** The provider for Hyper-V of this process, over a site's VMMS, with a count of what PowerShell is asked. */
import { createHyperVProvider } from '../../../server/agent/hyperv/index.ts';
import { createPowerShell } from '../../../server/agent/hyperv/powershell/index.ts';
import type { PowerShell } from '../../../server/agent/hyperv/powershell/index.ts';
import type { HostProvider } from '../../../server/agent/provider.ts';
import { silentLogger } from '../../../server/base/log.ts';
import { testPowerShell } from '../../support/hyperv/pwsh.ts';
import type { BenchSite } from './site.ts';

/** A provider and its PowerShell. */
export interface BenchProvider extends AsyncDisposable {
  readonly provider: HostProvider;
  /** Functions of the module that were called so far. */
  calls(): number;
}

/** Starts one; its PowerShell starts with its first question. */
export async function hypervProvider(site: BenchSite, stateFolder: string): Promise<BenchProvider> {
  const { executable, environment } = await testPowerShell();
  const powershell = createPowerShell({
    executable,
    environment: { ...process.env, ...environment, TIDEMARK_FAKE_HYPERV: site.address },
    log: silentLogger,
  });
  let calls = 0;
  const counting: PowerShell = {
    invoke: (command, args, options) => {
      calls += 1;
      return powershell.invoke(command, args, options);
    },
    [Symbol.asyncDispose]: () => powershell[Symbol.asyncDispose](),
  };
  const provider = createHyperVProvider({ stateFolder, powershell: counting, log: silentLogger });
  return {
    provider,
    calls: () => calls,
    [Symbol.asyncDispose]: async () => {
      await provider[Symbol.asyncDispose]();
      await counting[Symbol.asyncDispose]();
    },
  };
}

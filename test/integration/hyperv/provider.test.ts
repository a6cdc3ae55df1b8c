/** What every provider must do, through real PowerShell and the fake Hyper-V. */
import { providerCases } from '../../support/provider-cases.ts';
import { skipWithoutDotnet } from '../../support/hyperv/pwsh.ts';
import { MiB } from '../../unit/simulated/support.ts';
import { hyperVSite } from './support.ts';

providerCases(async (t, { configVersion, jobMs } = {}) => {
  const disks = [{ name: 'os', sizeBytes: 8 * MiB }];
  const site = await hyperVSite(t, { disks, ...(configVersion !== undefined && { configVersion }) });
  const methods = ['CreateSnapshot', 'DestroySnapshot', 'ConvertToReferencePoint'];
  if (jobMs !== undefined) site.vmms.faults.set({ jobMs: Object.fromEntries(methods.map((name) => [name, jobMs])) });
  return site;
}, skipWithoutDotnet);

/** How much longer than others some functions of the module may take without anything being wrong. */

const factors: ReadonlyMap<string, number> = new Map([
  // The changes of a large, busy disk are gathered from its whole tracking file.
  ['Get-TidemarkChangedExtent', 5],
  ['Get-TidemarkDiagnostic', 3],
  // Events of Hyper-V too.
  ['Get-TidemarkHealth', 3],
  // Opens each file of a chain.
  ['Get-TidemarkVirtualDisk', 3],
  // A thousand VMs.
  ['Get-TidemarkVm', 3],
]);

/** What changes something may wait for locks of Hyper-V before it even becomes a job. */
const startFactor = 3;

/** By how much the quiet time of the function `name` is longer than the usual one. */
export function patienceFor(name: string): number {
  return factors.get(name) ?? (name.startsWith('Start-') ? startFactor : 1);
}

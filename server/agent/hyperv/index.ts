/** The Hyper-V provider. Nothing outside this folder sees PowerShell, WMI or jobs. */
export { createHyperVProvider } from './provider.ts';
export type { HyperVProviderOptions } from './provider.ts';
export type { FreeSpaceLimits } from './core.ts';
export type { HyperVTiming } from './timing.ts';

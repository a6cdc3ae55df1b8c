/** Every function of `Tidemark.HyperV` that the provider calls. */
export * from './checkpoints.ts';
export * from './diagnostics.ts';
export * from './exports.ts';
export * from './health.ts';
export * from './host.ts';
export * from './jobs.ts';
export * from './reference-points.ts';
export * from './restores.ts';
export * from './self-test.ts';
export * from './started.ts';
export * from './vms.ts';

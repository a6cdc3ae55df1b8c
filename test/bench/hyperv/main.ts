/**
 * `npm run bench:hyperv`: the agent for Hyper-V over the PowerShell of the tests and a fake Hyper-V. Memory over many backups, the parts of a small
 * backup, reading against the simulated host, hosts with many VMs. `-- --write FILE` writes the page; `--cycles N` says how many backups.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';

import { machine } from '../report.ts';
import { stepCosts } from './cost.ts';
import { inventoryTimes } from './inventory.ts';
import { backUps } from './memory.ts';
import { readingTimes } from './reading.ts';
import { page } from './report.ts';
import { benchSite } from './site.ts';

const mib = 1024 ** 2;
const { values } = parseArgs({
  options: {
    cycles: { type: 'string', default: '500' },
    every: { type: 'string', default: '25' },
    'disk-mib': { type: 'string', default: '256' },
    vms: { type: 'string', default: '1000' },
    write: { type: 'string' },
  },
});

const load = async (): Promise<string> => (await readFile('/proc/loadavg', 'utf8')).split(' ')[0] ?? '';
const before = await load();
const vms = Number(values.vms);
const inventory = await inventoryTimes([Math.round(vms / 10), vms]);
const costs = await stepCosts();
const reading = await readingTimes(Number(values['disk-mib']) * mib);
await using site = await benchSite(8 * mib);
const samples = await backUps(site, { cycles: Number(values.cycles), every: Number(values.every) }, (sample) =>
  console.error(`${sample.cycle} backups`),
);
const result = page({
  machine: machine(),
  load: `${before} when it began, ${await load()} when it ended`,
  samples,
  costs,
  reading,
  inventory,
});
console.log(result.text);
if (!result.met) process.exitCode = 1;
if (values.write !== undefined) await writeFile(values.write, result.text);

/** The entries of the two lists that make a policy: which VMs, and when. */
import { diagnosticCodes } from '../diagnostic.ts';
import { list, mapping, optional, required } from './compound.ts';
import { choice, text } from './scalar.ts';
import { duration, parseCron, pattern, timezone, wrongCron } from './values.ts';

/** One entry of `select`. */
export const selectEntry = mapping('VMs of one host, or of the hosts that a pattern names.', {
  host: required(
    pattern('A host by its name, or several by a pattern: `hv*`, `*`.', 'host', 'the name of a host, or a pattern'),
  ),
  vms: required(
    list(
      {
        description:
          'The VMs: names, patterns such as `sql-*`, or ids. A VM that moves to another host is found by its id wherever it is.',
        maxItems: 1024,
      },
      pattern(
        'A VM by its name or id, or several by a pattern: `sql-*`, `*`. Case does not count.',
        'vm',
        'the name of a VM, a pattern or an id',
      ),
    ),
  ),
  exclude: optional(
    list(
      {
        description: 'VMs that `vms` takes in and that are left out all the same: names, patterns or ids.',
        maxItems: 1024,
      },
      pattern('A VM by its name or id, or several by a pattern.', 'vm', 'the name of a VM, a pattern or an id'),
    ),
  ),
});

/** One entry of `schedule`. */
export const scheduleEntry = mapping('When runs start.', {
  cron: required(
    text({
      description:
        'When runs start: minute, hour, day of the month, month, day of the week. `L` is the last day of the month, `FRI#2` the second Friday. If both a day of the month and a day of the week are given, either is enough.',
      names: 'cron',
      maxLength: 128,
      what: 'a cron expression of five fields, such as "0 2 * * MON-SAT"',
      code: diagnosticCodes.invalidCron,
      examples: [
        { value: '"0 2 * * *"', description: 'every day at 02:00' },
        { value: '"0 2 * * MON-SAT"', description: 'at 02:00 from Monday to Saturday' },
        { value: '"0 2 * * SUN"', description: 'at 02:00 on Sunday' },
        { value: '"0 * * * *"', description: 'every hour' },
        { value: '"*/15 * * * *"', description: 'every 15 minutes' },
        { value: '"0 3 1 * *"', description: 'at 03:00 on the first day of the month' },
        { value: '"0 3 L * *"', description: 'at 03:00 on the last day of the month' },
      ],
      whyNot: wrongCron,
      parse: parseCron,
    }),
  ),
  timezone: optional(timezone('Where the hours of `cron` are counted. The policy’s `timezone` when absent.')),
  type: optional(
    choice(
      { description: 'What these runs read.', fallback: 'incremental' },
      {
        incremental: 'what changed since the last restore point; a full when there is none',
        full: 'everything that is allocated, as an insurance against errors of change tracking; what the repository has already is not stored again',
      },
    ),
  ),
  jitter: optional(
    duration(
      'Runs start up to so much later, each time equally much: policies with the same schedule do not start at once.',
      undefined,
      0,
      12 * 3_600_000,
      'at most 12h',
    ),
  ),
});

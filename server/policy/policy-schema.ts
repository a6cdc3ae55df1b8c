/**
 * The one declaration of the policy file: its types, its checks, `schemas/backup-policy.schema.json`, hover and completion all follow from
 * it. The format is a contract (docs/policies.md): keys are added, never changed.
 */
import { list, mapping, optional, required } from './schema/compound.ts';
import type { MappingOf } from './schema/compound.ts';
import { scheduleEntry, selectEntry } from './schema/entries.ts';
import { choice, text, wholeNumber } from './schema/scalar.ts';
import type { JsonSchema } from './schema/schema.ts';
import { any, duration, entityName, matching, policyName, timeOfDay, timezone } from './schema/values.ts';
import { parseRate, writeRate } from './units.ts';

const count = (what: string) =>
  wholeNumber({
    description: `Keep the newest restore point of each of the last so many ${what} that have one.`,
    min: 0,
    max: 100_000,
  });

/** Every key of a policy. */
export const policyFields = {
  name: required(
    text({
      description: 'The name of the policy, unique on a daemon: lower-case letters, digits and dashes.',
      maxLength: 64,
      pattern: policyName,
      what: 'a name of lower-case letters, digits and dashes',
      parse: matching(policyName),
    }),
  ),
  description: optional(
    text({ description: 'What the policy is for, for people.', maxLength: 1024, what: 'a text', parse: any }),
  ),
  repository: required(
    text({
      description: 'The repository that keeps the restore points, by the name the daemon knows it under.',
      names: 'repository',
      maxLength: 64,
      pattern: entityName,
      what: 'the name of a repository',
      parse: matching(entityName),
    }),
  ),
  timezone: optional(
    timezone(
      'Where days begin and hours are counted: for the schedule, the window and the retention. The zone of the first entry of `schedule` when absent, else UTC.',
    ),
  ),
  select: required(
    list(
      { description: 'Which VMs are backed up. A VM is in when one entry takes it in.', maxItems: 256 },
      selectEntry,
    ),
  ),
  disks: optional(
    mapping('Which disks of the VMs are backed up. All of them when absent.', {
      exclude: optional(
        list(
          {
            description:
              'Disks that are left out, by name or pattern. A host with Windows Server 2016 copies an excluded disk during the export and then drops it.',
            maxItems: 256,
          },
          text({
            description: 'A disk by its name, or several by a pattern such as `scratch*`.',
            names: 'disk',
            maxLength: 128,
            what: 'the name of a disk, or a pattern',
            parse: any,
          }),
        ),
      ),
    }),
  ),
  consistency: optional(
    choice(
      { description: 'What state of the guest a restore point shows.', fallback: 'application-or-crash' },
      {
        application: 'applications flushed their data (VSS in the guest); the run fails when the guest cannot do that',
        crash: 'as if the power had failed at that moment',
        'application-or-crash': 'application when the guest can, else crash, with a warning',
      },
    ),
  ),
  schedule: optional(
    list(
      { description: 'When runs start. Without it the policy runs only when somebody starts it.', maxItems: 64 },
      scheduleEntry,
    ),
  ),
  missedRuns: optional(
    choice(
      { description: 'What happens with runs that came due while the daemon was not there.', fallback: 'once' },
      {
        once: 'one run as soon as the daemon is back, however many were missed',
        skip: 'none; the next run is the next one of the schedule',
      },
    ),
  ),
  overlap: optional(
    choice(
      { description: 'What happens when a VM is still in another run.', fallback: 'wait' },
      { wait: 'its backup waits until that run has ended', skip: 'it is left out of this run' },
    ),
  ),
  window: optional(
    mapping('No run starts outside these hours. One that has started goes on.', {
      from: required(timeOfDay('When the window opens.')),
      to: required(timeOfDay('When the window closes; on the next day when it is earlier than `from`.')),
    }),
  ),
  export: optional(
    mapping('How VMs are read.', {
      threads: optional(
        wholeNumber({
          description: 'How many disks, or parts of disks, of a VM are read at a time. That of the host when absent.',
          min: 1,
          max: 16,
        }),
      ),
      bandwidth: optional(
        text({
          description: 'How fast each VM is read at most, such as `200MiB/s`.',
          maxLength: 32,
          pattern: /^\s*\d+(\.\d+)?\s*([Bb]|[KMGTPkmgtp][Ii]?[Bb]?)?\s*\/\s*s$/,
          what: 'a rate such as 200MiB/s, at least 64KiB/s',
          examples: [
            { value: '100MiB/s', description: 'a whole network of 1 Gbit/s' },
            { value: '200MiB/s', description: 'a sixth of a network of 10 Gbit/s' },
          ],
          parse: parseRate,
          format: writeRate,
        }),
      ),
    }),
  ),
  concurrency: optional(
    mapping('How many VMs of this policy are backed up at a time. The daemon’s own limits hold as well.', {
      total: optional(wholeNumber({ description: 'VMs at a time.', min: 1, max: 64 })),
      perHost: optional(wholeNumber({ description: 'VMs at a time on one host.', min: 1, max: 64 })),
    }),
  ),
  retention: optional(
    mapping(
      'Which restore points are kept, for each VM by itself; the others are deleted after its next successful run. A restore point stays when one rule keeps it. The newest good one of a VM always stays, and so do pinned ones. Without `retention` nothing is deleted.',
      {
        keepLast: optional(
          wholeNumber({ description: 'Keep the newest so many restore points.', min: 0, max: 100_000 }),
        ),
        keepHourly: optional(count('hours')),
        keepDaily: optional(count('days')),
        keepWeekly: optional(count('weeks (from Monday to Sunday)')),
        keepMonthly: optional(count('months')),
        keepYearly: optional(count('years')),
      },
    ),
  ),
  retry: optional(
    mapping('What happens when the backup of a VM fails for a reason that may pass.', {
      attempts: optional(wholeNumber({ description: 'How often it is tried again.', min: 0, max: 20, fallback: '3' })),
      delay: optional(
        duration(
          'How long to wait before that. Twice as long before each further attempt.',
          '10m',
          1000,
          86_400_000,
          'from 1s to 1d',
        ),
      ),
    }),
  ),
  verify: optional(
    choice(
      { description: 'When restore points are checked.', fallback: 'never' },
      {
        never: 'only when somebody starts it',
        'after-backup': 'after each run: that the new restore points are whole, reading back what the run has stored',
        weekly: 'with the first run of a week: every byte of the newest restore point of each VM',
      },
    ),
  ),
  notify: optional(
    mapping('Who is told how runs end.', {
      on: optional(
        list(
          { description: 'What is told. Failures and warnings when absent.', maxItems: 3 },
          choice(
            { description: 'How a run ended.' },
            {
              failure: 'the backup of at least one VM failed, or the run did not happen',
              warning: 'everything was backed up, and something is to be known',
              success: 'everything is well',
            },
          ),
        ),
      ),
      webhook: optional(
        text({
          description: 'A JSON document is sent to this address (`POST`); docs/notifications.md describes it.',
          maxLength: 2048,
          pattern: /^[Hh][Tt][Tt][Pp][Ss]?:\/\//,
          what: 'an address that begins with https:// or http://',
          examples: [{ value: 'https://ops.example/hook', description: 'receives a POST after each run' }],
          parse: parseWebhook,
        }),
      ),
      email: optional(
        list(
          {
            description: 'Addresses that get an e-mail, through the mail server that the daemon is set up with.',
            maxItems: 32,
          },
          text({
            description: 'An e-mail address.',
            maxLength: 254,
            pattern: /^[^\s@<>",;]+@[^\s@<>",;]+$/,
            what: 'an e-mail address',
            parse: matching(/^[^\s@<>",;]+@[^\s@<>",;]+$/),
          }),
        ),
      ),
    }),
  ),
} as const;

function parseWebhook(value: string): string | undefined {
  if (!/^https?:\/\//i.test(value) || !URL.canParse(value)) return undefined;
  const { username, password } = new URL(value);
  // A policy is shown to everybody who sees the repository of files that it is in.
  return username === '' && password === '' ? value : undefined;
}

/** The whole policy. */
export const policySchema = mapping(
  'A backup policy of Tidemark: which virtual machines are backed up, when, where to, and what is kept.',
  policyFields,
);

/** A policy as its file has it; durations are ms, rates bytes per second, times of the day minutes since midnight. */
export type Policy = MappingOf<typeof policyFields>;

export type SelectEntry = Policy['select'][number];
export type ScheduleEntry = NonNullable<Policy['schedule']>[number];
export type RetentionRules = NonNullable<Policy['retention']>;
export type PolicyWindow = NonNullable<Policy['window']>;

/** Those keys of a policy whose values are valid. */
export type PolicyDraft = { readonly [K in keyof Policy]?: Policy[K] | undefined };

/** Where the schemas of the policy file say they are from. */
const schemaId = 'https://tidemark.invalid/schemas/backup-policy.schema.json';

/** JSON Schema of the policy file: what `schemas/backup-policy.schema.json` holds. */
export function policyJsonSchema(): JsonSchema {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    $id: schemaId,
    title: 'Tidemark backup policy',
    ...policySchema.json(),
  };
}

/** Where days begin for this policy. */
export function policyTimezone(policy: Pick<PolicyDraft, 'timezone' | 'schedule'>): string {
  return policy.timezone ?? policy.schedule?.find((entry) => entry.timezone !== undefined)?.timezone ?? 'UTC';
}

/** Where the hours of an entry are counted. */
export function entryTimezone(policy: Pick<PolicyDraft, 'timezone' | 'schedule'>, entry: ScheduleEntry): string {
  return entry.timezone ?? policyTimezone(policy);
}

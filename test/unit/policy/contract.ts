/** The example of the policy format that users and tests rely on. */
export const contractExample = `name: nightly-sql                    # unique on a daemon; lower-case letters, digits, dashes
description: SQL servers, every night
repository: main
select:                              # a VM is in when one entry takes it in
  - host: hv01                       # a name or a glob
    vms: [sql-*]                     # names, globs or GUIDs
    exclude: [sql-test*]
disks:
  exclude: [scratch*]                # by disk name; on Server 2016 the export copies an excluded disk and then drops it: a warning says so
consistency: application-or-crash    # application | crash | application-or-crash
schedule:
  - cron: "0 2 * * MON-SAT"
    timezone: Europe/Warsaw
    type: incremental
  - cron: "0 2 * * SUN"
    timezone: Europe/Warsaw
    type: full
window: { from: "22:00", to: "06:00" }  # no run starts outside it
export: { threads: 2, bandwidth: 200MiB/s }
retention: { keepLast: 3, keepDaily: 14, keepWeekly: 8, keepMonthly: 12, keepYearly: 3 }
retry: { attempts: 3, delay: 10m }
verify: after-backup                 # never | after-backup | weekly
notify: { on: [failure, warning], webhook: https://ops.example/hook }
`;

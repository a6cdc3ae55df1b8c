/** Names of months. */
const names = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

/** `April, June and November`; months are 1 to 12. */
export function monthList(months: readonly number[]): string {
  const words = months.map((month) => names[month - 1] ?? '');
  const last = words.pop() ?? '';
  return words.length === 0 ? last : `${words.join(', ')} and ${last}`;
}

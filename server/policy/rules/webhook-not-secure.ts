/** TM7212: a webhook over plain HTTP to another machine. What is sent names hosts, VMs and errors. */
import { diagnosticCodes } from '../diagnostic.ts';
import { fixOf, replaceText } from './edits.ts';
import { finding } from './finding.ts';
import type { Rule } from './rule.ts';

export const webhookNotSecure: Rule = (source) => {
  const webhook = source.draft.notify?.webhook;
  if (webhook === undefined) return [];
  const { protocol, hostname } = new URL(webhook);
  if (protocol !== 'http:' || isThisMachine(hostname)) return [];
  const path = ['notify', 'webhook'];
  const secure = webhook.replace(/^http:/i, 'https:');
  return [
    finding(source, {
      code: diagnosticCodes.webhookNotSecure,
      severity: 'warning',
      message: 'Everybody on the way can read and change what is sent over http. Use https.',
      path,
      fixes: fixOf('Change to https', [replaceText(source, path, secure)], true),
    }),
  ];
};

function isThisMachine(hostname: string): boolean {
  return /^(?:localhost|.+\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
}

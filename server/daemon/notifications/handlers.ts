/** Requests about messages. */
import * as protocol from '../../protocol/daemon.ts';
import { givenPassword } from '../password-source.ts';
import type { Register } from '../session.ts';
import type { Notifier } from './notifier.ts';

/** Registers them. */
export function registerNotifications(register: Register, { notifier }: { readonly notifier: Notifier }): void {
  register(protocol.getSmtpServer, () => notifier.mailServer.get());
  register(protocol.setSmtpServer, async ({ server, ...password }) => {
    await notifier.mailServer.set(server, givenPassword(password));
    return {};
  });
  register(protocol.testNotification, async ({ channel, target }, signal) => {
    await notifier.test(channel, target, signal);
    return {};
  });
}

/** Tells people and programs how runs of policies ended. Never delays a run, and never fails one. */
import type { Logger } from '../../base/log.ts';
import { ulid } from '../../base/ulid.ts';
import type { NotificationInfo, RunInfo } from '../../protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { RunId } from '../../protocol/ids.ts';
import type { Policies, PolicyRecord } from '../policies/api.ts';
import type { Clock } from '../schedule/clock.ts';
import type { Store } from '../store/store.ts';
import type { NewNotification, NotificationChannel } from '../store/notification-store.ts';
import { parseMail, runEndedMail, testMail } from './mail-text.ts';
import { MailServer } from './mail-server.ts';
import type { MailSecrets } from './mail-server.ts';
import type { RunEnded, Sender } from './message.ts';
import { Outbox, retryDelaysMs } from './outbox.ts';
import { carriedOutVersion, resultOf } from './run-result.ts';
import type { RunResult } from './run-result.ts';
import { refuseMailAddress, sendMail } from './mail.ts';
import { trustedCertificates } from './trust.ts';
import { runEndedBody, testBody } from './webhook-body.ts';
import { parseWebhookUrl, postWebhook, shownWebhook } from './webhook.ts';

/** What a notifier needs. */
export interface NotifierOptions {
  readonly store: Pick<Store, 'notifications' | 'run'>;
  readonly secrets: MailSecrets;
  readonly policies: Pick<Policies, 'get' | 'version'>;
  readonly sender: Sender;
  readonly clock: Clock;
  readonly log: Logger;
  /** How long a webhook and a mail server may take, ms. */
  readonly timeouts?: { readonly webhookMs: number; readonly mailMs: number } | undefined;
  /** Whom TLS connections trust, PEM texts; what the machine trusts when absent. */
  readonly ca?: readonly string[] | undefined;
}

const defaultTimeouts = { webhookMs: 15_000, mailMs: 60_000 };
/** What `notify.on` is when it is absent. */
const defaultResults: readonly RunResult[] = ['failure', 'warning'];
/** A path of a webhook that is as long may be a secret; a shorter one is part of too many other texts. */
const minSecretPath = 24;
/** Ended runs that are kept in memory. */
const maxUntold = 256;
/** Messages of one run in answers. */
const maxOfRun = 1024;

/** The messages of a daemon. */
export class Notifier {
  readonly mailServer: MailServer;
  readonly #options: NotifierOptions;
  readonly #outbox: Outbox;
  /** Ended runs that the outbox has not taken yet. */
  readonly #untold = new Map<RunId, RunInfo>();
  /** How often in a row it did not take them all. */
  #failures = 0;
  #timer: Disposable | undefined;

  constructor(options: NotifierOptions) {
    this.#options = options;
    this.mailServer = new MailServer(options.store.notifications, options.secrets);
    this.#outbox = new Outbox({
      store: options.store.notifications,
      clock: options.clock,
      log: options.log,
      send: async (message, signal) => this.#send(message, signal),
      shown: ({ channel, target }) => shownTarget(channel, target),
    });
  }

  /** Goes on with what waits, and tells the ends of runs that an earlier process did not come to tell. */
  start(): void {
    const { store, log } = this.#options;
    for (const id of store.notifications.untold()) {
      try {
        const run = store.run(id);
        if (run !== undefined) this.#untold.set(id, run);
      } catch (error) {
        log.log('error', `How run ${id} ended cannot be told`, error);
      }
    }
    this.#outbox.start();
    this.#tell();
  }

  /** To be called when a run ended, however it ended. Does not throw. */
  runEnded(run: RunInfo): void {
    if (run.request.kind !== 'policy') return;
    // What is too much to keep here is in the history, where the next start of the daemon finds it.
    if (this.#untold.size < maxUntold) this.#untold.set(run.id, run);
    this.#tell();
  }

  /** What the outbox does not take, as with a disk that is full, is tried again later. */
  #tell(): void {
    const { clock, log } = this.#options;
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    for (const [id, run] of this.#untold) {
      try {
        if (run.request.kind === 'policy') this.#outbox.add(id, this.#messagesOf(run, run.request.policy));
        this.#untold.delete(id);
      } catch (error) {
        log.log('error', `How run ${id} ended cannot be told yet`, error);
      }
    }
    this.#failures = this.#untold.size === 0 ? 0 : this.#failures + 1;
    if (this.#failures === 0) return;
    const delay = retryDelaysMs[Math.min(this.#failures, retryDelaysMs.length) - 1] ?? 0;
    this.#timer = clock.setTimer(delay, () => this.#tell());
  }

  /** How many messages are neither delivered nor given up. */
  get waiting(): number {
    return this.#outbox.waiting;
  }

  /** What became of the messages about a run. */
  ofRun(run: RunId): readonly NotificationInfo[] {
    return this.#options.store.notifications
      .ofRun(run, maxOfRun)
      .map((stored) => ({ ...stored, target: shownTarget(stored.channel, stored.target) }));
  }

  /** Sends a test now, once. Throws `TM7006` with what the other side said, `TM1001` for what is no address. */
  async test(channel: NotificationChannel, target: string, signal: AbortSignal): Promise<void> {
    const { sender } = this.#options;
    if (channel === 'email') refuseMailAddress(target);
    else parseWebhookUrl(target);
    const id = ulid();
    const body = channel === 'email' ? JSON.stringify(testMail(sender)) : testBody(id, sender);
    await this.#send({ id, channel, target, body }, signal);
  }

  async close(): Promise<void> {
    this.#timer?.[Symbol.dispose]();
    await this.#outbox.close();
  }

  #messagesOf(run: RunInfo, name: string): readonly NewNotification[] {
    const record = this.#policyOf(run, name);
    const { notify, repository } = record?.policy ?? {};
    if (record === undefined || repository === undefined || notify === undefined) return [];
    if (!(notify.on ?? defaultResults).includes(resultOf(run))) return [];
    const { sender } = this.#options;
    const version = carriedOutVersion(run);
    const ended: RunEnded = { run, policy: name, version, repository, sender };
    const mail = JSON.stringify(runEndedMail(ended));
    const mails = [...new Set(notify.email)].map((target) => ({
      id: ulid(),
      channel: 'email' as const,
      target,
      body: mail,
    }));
    if (notify.webhook === undefined) return mails;
    const id = ulid();
    return [{ id, channel: 'webhook', target: notify.webhook, body: runEndedBody(ended, id) }, ...mails];
  }

  /** The version that was carried out, else the applied one. A policy that is gone has nobody to tell. */
  #policyOf(run: RunInfo, name: string): PolicyRecord | undefined {
    const { policies } = this.#options;
    const version = carriedOutVersion(run);
    try {
      return version === undefined ? policies.get(name) : policies.version(name, version);
    } catch (error) {
      if (!TidemarkError.is(error, errorCodes.policyNotFound) && !TidemarkError.is(error, errorCodes.policyInvalid))
        throw error;
      this.#options.log.log('warning', `Nobody is told how run ${run.id} ended: ${error.message}`);
      return undefined;
    }
  }

  async #send({ id, channel, target, body }: NewNotification, signal: AbortSignal): Promise<void> {
    const { ca = trustedCertificates(), timeouts = defaultTimeouts, sender } = this.#options;
    if (channel === 'webhook') {
      const { search, pathname } = parseWebhookUrl(target);
      this.#options.secrets.keepOutOfLogs(search);
      if (pathname.length >= minSecretPath) this.#options.secrets.keepOutOfLogs(pathname);
      const userAgent = `Tidemark/${sender.version}`;
      await postWebhook({ url: target, body, id, userAgent, timeoutMs: timeouts.webhookMs, ca, signal });
      return;
    }
    const { server, password } = await this.mailServer.open(signal);
    const mail = parseMail(body);
    await sendMail({ server, password, to: target, mail, id, timeoutMs: timeouts.mailMs, ca, signal });
  }
}

/** What clients and logs are told of an address. */
export function shownTarget(channel: NotificationChannel, target: string): string {
  return channel === 'webhook' ? shownWebhook(target) : target;
}

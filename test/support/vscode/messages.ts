/** Notifications and dialogs of a window. */
import type { Locator, Page } from 'playwright-core';

/** A modal dialog. On Linux and in a browser its buttons come with Cancel first. */
export interface ModalDialog {
  readonly message: string;
  readonly detail: string;
  readonly buttons: readonly string[];
}

const trimmed = (texts: readonly string[]): readonly string[] =>
  texts.map((text) => text.trim()).filter((text) => text !== '');

export class Messages {
  readonly #page: Page;

  constructor(page: Page) {
    this.#page = page;
  }

  /** The notification that contains this text. */
  toast(text: string | RegExp): Locator {
    return this.#page
      .locator('.notifications-toasts .notification-list-item, .notifications-center .notification-list-item')
      .filter({ hasText: text })
      .first();
  }

  /** Texts of the notifications on screen. */
  async toasts(): Promise<readonly string[]> {
    return this.#page.locator('.notifications-toasts .notification-list-item-message').allInnerTexts();
  }

  /** Presses a button of a notification. */
  async answer(text: string | RegExp, button: string): Promise<void> {
    const toast = this.toast(text);
    await toast.waitFor();
    await toast.locator('.monaco-button', { hasText: button }).click();
  }

  /** The box of a modal dialog. */
  get box(): Locator {
    return this.#page.locator('.monaco-dialog-box');
  }

  /** The modal dialog that is open. */
  async dialog(): Promise<ModalDialog> {
    await this.box.waitFor();
    const detail = this.box.locator('.dialog-message-detail');
    return {
      message: (await this.box.locator('.dialog-message-text, .dialog-message').first().innerText()).trim(),
      detail: (await detail.count()) === 0 ? '' : (await detail.innerText()).trim(),
      buttons: trimmed(await this.box.locator('.dialog-buttons .monaco-button:visible').allInnerTexts()),
    };
  }

  /** Presses a button of the modal dialog. */
  async answerDialog(button: string): Promise<void> {
    await this.box.locator('.monaco-button', { hasText: button }).first().click();
    await this.box.waitFor({ state: 'detached' });
  }
}

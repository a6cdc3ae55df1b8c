/** The frame of the run page: a strict content security policy, our script and style, and the words that never change. */
import { randomBytes } from 'node:crypto';

import * as vscode from 'vscode';

/** Folders that the page may load from, below the extension's. */
export const resourceFolders = ['dist/client', 'media'] as const;

/** The page's HTML. Nothing from outside is in it: all content comes by messages and is set as text. */
export function runPageHtml(webview: vscode.Webview, extensionUri: vscode.Uri): string {
  const nonce = randomBytes(16).toString('base64');
  const uri = (path: string): string => webview.asWebviewUri(vscode.Uri.joinPath(extensionUri, path)).toString();
  const policy = [
    "default-src 'none'",
    `style-src ${webview.cspSource}`,
    `script-src 'nonce-${nonce}'`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  const t = (text: string): string => escapeHtml(text);
  return `<!DOCTYPE html>
<html lang="${t(vscode.env.language)}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="${uri('media/run-page.css')}">
<title>${t(vscode.l10n.t('Run'))}</title>
</head>
<body>
<main>
<header>
<div><h1 id="title"></h1><p id="subtitle"></p></div>
<div class="actions">
<button id="cancel" type="button" hidden>${t(vscode.l10n.t('Cancel Run'))}</button>
<button id="retry" type="button" hidden>${t(vscode.l10n.t('Run Again'))}</button>
<button id="show-log" type="button" class="secondary">${t(vscode.l10n.t('Open Log as Document'))}</button>
</div>
</header>
<p id="state" role="status"></p>
<section id="error" class="box" role="alert" hidden><p id="error-message"></p><p id="error-hint"></p></section>
<dl id="facts"></dl>
<ol id="phases" aria-label="${t(vscode.l10n.t('Phases'))}"></ol>
<section id="progress" hidden><h2 id="parts"></h2><div id="total"></div><div id="disks"></div></section>
<section id="throughput" hidden><h2>${t(vscode.l10n.t('Throughput'))}</h2>
<figure><svg id="chart" role="img" viewBox="0 0 1000 160" preserveAspectRatio="none"></svg>
<figcaption><span id="chart-top"></span><span id="chart-end"></span></figcaption></figure></section>
<section id="warnings" hidden><h2>${t(vscode.l10n.t('Warnings'))}</h2><ul id="warning-list"></ul></section>
<section><h2 id="log-title">${t(vscode.l10n.t('Log'))}</h2>
<div id="log" role="log" aria-live="off" aria-labelledby="log-title" tabindex="0"></div></section>
</main>
<script nonce="${nonce}" src="${uri('dist/client/run-page.js')}"></script>
</body>
</html>`;
}

function escapeHtml(text: string): string {
  const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  return text.replace(/[&<>"]/g, (character) => entities[character] ?? character);
}

// One line of JSON for each finished test, for the Go test that started this.
export default async function* report(source) {
  for await (const { type, data } of source) {
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    const error = data.details?.error;
    const cause = error?.cause ?? error;
    yield JSON.stringify({
      name: data.name,
      nesting: data.nesting,
      ok: type === 'test:pass',
      skipped: data.skip !== undefined || data.todo !== undefined,
      message: cause ? `${cause.stack ?? cause}${cause.cause ? `\ncaused by ${cause.cause.stack ?? cause.cause}` : ''}` : '',
    }) + '\n';
  }
}

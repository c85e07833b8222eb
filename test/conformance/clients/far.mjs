// What the Go test tells the scripts: where the far sides are, and how to ask it for something no client can do.
export const far = JSON.parse(process.env.ORDERBRIDGE_FAR);

// direct has the Go test do something to the far sides, such as revoking all tokens, and returns what it answers.
export async function direct(what, args = {}) {
  const response = await fetch(`${far.stage}/${what}`, { method: 'POST', body: JSON.stringify(args) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${what}: ${text}`);
  return JSON.parse(text);
}

// until polls for a condition; it is how a script waits for what the far side does in its own time.
export async function until(what, condition, milliseconds = 20_000) {
  const deadline = Date.now() + milliseconds;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`did not happen in ${milliseconds} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** The login form: one token, which the daemon trades for a session cookie. */
import { useSignal } from "@preact/signals";
import type { Live } from "../live";

export function Login({ live }: { live: Live }) {
  const token = useSignal("");
  const error = useSignal("");
  const busy = useSignal(false);

  const submit = async (event: Event) => {
    event.preventDefault();
    if (busy.value) return;
    busy.value = true;
    error.value = await live.login(token.value.trim());
    busy.value = false;
  };

  return (
    <main class="login">
      <form onSubmit={submit}>
        <h1>flowd</h1>
        <label for="token">Access token</label>
        <input
          id="token"
          type="password"
          autocomplete="current-password"
          required
          value={token.value}
          aria-invalid={error.value !== ""}
          aria-describedby="token-help"
          onInput={(event) => (token.value = event.currentTarget.value)}
        />
        <button type="submit" disabled={busy.value}>
          Log in
        </button>
        <p
          id="token-help"
          role={error.value ? "alert" : undefined}
          class={error.value ? "error" : "help"}
        >
          {error.value || "The daemon says at its start where its token is kept."}
        </p>
      </form>
    </main>
  );
}

import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import type { CredentialValidation } from "../../../../src/protocol/credential-validation.ts";
import type { Credential } from "../../../../src/protocol/credentials.ts";
import { ask } from "../../api/request.ts";
import { visible } from "../../format/text.ts";
import { Button } from "../../ui/button.tsx";
import { ConfirmButton } from "../../ui/confirm.tsx";
import { Id } from "../../ui/copy.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { Notice, ProblemNotice } from "../../ui/notice.tsx";
import { Ago, Due } from "../../ui/time.tsx";
import { kinds, targetOf } from "../../vault/credential-auth.ts";
import { CredentialUses } from "./credential-uses.tsx";
import { ReplaceSecret } from "./replace-secret.tsx";
import { Settings } from "./settings.tsx";
import { Validation } from "./validation.tsx";

/** One credential: what it is for, how it is, where it was used. */
export function CredentialCard({
  vaultPath,
  credential,
  onChanged,
}: {
  vaultPath: string;
  credential: Credential;
  onChanged: () => void;
}) {
  const { id, auth, archived_at, updated_at, refresh_failure } = credential;
  const path = `${vaultPath}/credentials/${id}`;
  const title = visible(credential.display_name ?? targetOf(auth));
  const [open, setOpen] = useState<"secret" | "settings" | null>(null);
  const close = () => setOpen(null);
  const done = () => {
    close();
    onChanged();
  };
  const validate = useMutation({
    mutationFn: () => ask<CredentialValidation>(`${path}/mcp_oauth_validate`, { method: "POST", body: {} }),
    onSuccess: onChanged,
  });
  return (
    <li className="space-y-2 rounded-lg border border-line bg-raised p-3">
      <div className="flex flex-wrap items-center gap-2">
        <h2 className="min-w-0 truncate font-medium">{title}</h2>
        <Id id={id} />
        <span className="grow" />
        {archived_at !== null ? (
          <span className="text-muted">
            archived <Ago at={archived_at} />
          </span>
        ) : (
          <span className="text-muted">
            changed <Ago at={updated_at} />
          </span>
        )}
      </div>
      <p className="break-words text-muted">
        {kinds[auth.type]}: {visible(targetOf(auth))}
      </p>
      {archived_at === null && <OAuthState auth={auth} failure={refresh_failure} />}
      {validate.error && <ProblemNotice error={validate.error} />}
      {validate.data && <Validation validation={validate.data} />}
      <CredentialUses path={path} />
      <div className="flex flex-wrap gap-2">
        {archived_at === null && (
          <>
            <Button aria-label={`Replace the secret of ${title}`} onClick={() => setOpen("secret")}>
              Replace the secret
            </Button>
            <Button aria-label={`Settings of ${title}`} onClick={() => setOpen("settings")}>
              Settings
            </Button>
            {auth.type === "mcp_oauth" && (
              <Button busy={validate.isPending} onClick={() => validate.mutate()}>
                See whether it works
              </Button>
            )}
            <ConfirmButton
              label="Archive"
              name={`Archive ${title}`}
              title={`Archive ${title}?`}
              confirmLabel="Archive it"
              act={async () => {
                await ask(`${path}/archive`, { method: "POST", body: {} });
                onChanged();
              }}
            >
              <p>
                Its secret is destroyed, and no session can use it any more. What it was for and where it was
                used stays. This cannot be taken back.
              </p>
            </ConfirmButton>
          </>
        )}
        <ConfirmButton
          label="Delete"
          name={`Delete ${title}`}
          title={`Delete ${title}?`}
          confirmLabel="Delete it"
          act={async () => {
            await ask(path, { method: "DELETE" });
            onChanged();
          }}
        >
          <p>
            Its secret and its record are destroyed. The sessions' own audits still say that they used it. To
            keep the record, archive it.
          </p>
        </ConfirmButton>
      </div>
      <Dialog open={open === "secret"} onClose={close} title={`Replace the secret of ${title}`}>
        <ReplaceSecret path={path} credential={credential} onDone={done} />
      </Dialog>
      <Dialog open={open === "settings"} onClose={close} title={`Settings of ${title}`}>
        <Settings path={path} credential={credential} onDone={done} />
      </Dialog>
    </li>
  );
}

/** Until when a token is good, and whether it can be renewed. */
function OAuthState({ auth, failure }: { auth: Credential["auth"]; failure: Credential["refresh_failure"] }) {
  if (auth.type !== "mcp_oauth") return null;
  const isOver = auth.expires_at !== null && Date.parse(auth.expires_at) <= Date.now();
  return (
    <>
      <p>
        {auth.expires_at === null ? (
          "When its access token expires is not known"
        ) : (
          <>
            Its access token {isOver ? "expired" : "expires"} <Due at={auth.expires_at} />
          </>
        )}
        {auth.refresh
          ? `; it is renewed at ${visible(auth.refresh.token_endpoint)}.`
          : "; there is no refresh token, so nobody can renew it."}
      </p>
      {failure && (
        <Notice tone="warn">
          <p>
            {failure.count === 1
              ? "Its last refresh has failed"
              : `Its last ${failure.count} refreshes have failed`}
            : {visible(failure.message)}
          </p>
          <p className="mt-1 text-muted">
            Sessions try again after <Due at={failure.retry_at} />. If it says that the token is refused,
            authorize it again: <code className="font-mono">drover vaults authorize</code>, or replace the
            secret.
          </p>
        </Notice>
      )}
    </>
  );
}
